"""Recorded exchanges as they stand in the transcript files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = Any

# Two requests were too long to be kept; their notes, their lengths and the answers that follow
# say what they were.
_REBUILT: dict[tuple[str, int], Json] = {
    ("d_observe", 119): {"strings": ["x" * 1_000_000]},
    ("e_observe_sequence", 106): {"observations": [{"strings": [f"s{n}"]} for n in range(1001)]},
}
_OMITTED = re.compile(r"\(omitted, (\d+) bytes\)")


class RecordingError(Exception):
    """A transcript is not as this package expects it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and what the real server answered.

    Attributes:
        place: Its number in the transcript.
        scenario: The transcript's name.
        path: As it stood in the URL.
        query: Query parameters.
        headers: Request headers that were sent on purpose.
        content: The request's body, or b"".
        elapsed: Seconds the exchange took.
        note: What the recorder said about it.
        section: What the recorder said about it and what follows.
        arrived: Whether the request reached the server; on a dead connection it did not.
        status: The answer's status, or None if the client got no answer.
        answer_headers: What was recorded of the answer's headers.
        answer: The decoded body; text stands as ``{"__text__": ...}``.
    """

    place: int
    scenario: str
    method: str
    path: str
    query: dict[str, Json]
    headers: dict[str, str]
    content: bytes
    elapsed: float
    note: str
    section: str
    arrived: bool
    status: int | None
    answer_headers: dict[str, Json]
    answer: Json

    @classmethod
    def of(cls, method: str, path: str, body: Json) -> "Exchange":
        """A request that was not recorded."""
        headers, content = _sent({"json": body}, None)
        return cls(
            place=0,
            scenario="",
            method=method,
            path=path,
            query={},
            headers=headers,
            content=content,
            elapsed=0.0,
            note="",
            section="",
            arrived=True,
            status=None,
            answer_headers={},
            answer=None,
        )

    @property
    def name(self) -> str:
        """The exchange in one line."""
        return f"{self.scenario}[{self.place}] {self.method} {self.path}"


def load(file: Path) -> list[Exchange]:
    """Read one transcript; remarks without an exchange are left out."""
    entries = json.loads(file.read_text(encoding="utf-8"))
    return list(_exchanges(file.stem, entries))


def _exchanges(scenario: str, entries: list[Json]) -> Iterator[Exchange]:
    for place, entry in enumerate(entries):
        if "request" not in entry:
            continue
        request, response = entry["request"], entry["response"]
        headers, content = _sent(request, _REBUILT.get((scenario, place)))
        yield Exchange(
            place=place,
            scenario=scenario,
            method=request["method"],
            path=request["path"],
            query=request["query"] or {},
            headers=headers,
            content=content,
            elapsed=(entry.get("elapsed_ms") or 0.0) / 1000,
            note=entry.get("note") or "",
            section=entry.get("section") or "",
            arrived="ReadError" not in response.get("error", ""),
            status=response["status"],
            answer_headers=response["headers"] or {},
            answer=response["json"],
        )


def _sent(request: Json, rebuilt: Json) -> tuple[dict[str, str], bytes]:
    """The headers and the body; a JSON null was recorded where nothing was sent.

    Raises:
        RecordingError: A body was left out and is not the one it is rebuilt as.
    """
    headers = dict(request.get("headers") or {})
    if "raw_body" in request:
        return headers, request["raw_body"].encode()
    if request["json"] is None:
        return headers, b""
    content = json.dumps(rebuilt or request["json"]).encode()
    length = omitted(request["json"])
    if length is not None and length != len(content):
        message = f"A body of {length} bytes was left out, not one of {len(content)}."
        raise RecordingError(message)
    return {"content-type": "application/json", **headers}, content


def omitted(body: Json) -> int | None:
    """The length of a body that was too long to be recorded, or None."""
    found = _OMITTED.fullmatch(body) if isinstance(body, str) else None
    return int(found[1]) if found else None
