"""What a KATO server answers, as values.

A success whose body does not have the promised shape is a ``ServerFault`` that names what is
missing: the call has probably taken effect, but nothing may be concluded from such an answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from pydantic import JsonValue

from kato_tasks.errors import ServerFault

_T = TypeVar("_T")

# What `Observed.time` is where the server does not say: after a call without observations
# (kato-api 4), and in the guide's dialect.
TIME_UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class CreatedSession:
    """A session that was just created.

    ``config`` is the effective one, the server's defaults merged in (kato-api 3). ``expires_at``
    is right even where the server's own default TTL makes ``ttl_seconds`` wrong (kato-api 2).
    What a server of the guide's dialect does not say is None.
    """

    session_id: str
    node_id: str
    created_at: datetime | None
    expires_at: datetime | None
    ttl_seconds: int | None
    config: dict[str, JsonValue] | None


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """A session as the server describes it.

    While the server's SESSION_AUTO_EXTEND is on, ``expires_at`` is now plus the TTL even though
    reading extends nothing (kato-api 2). What a server of the guide's dialect does not say is None.
    """

    session_id: str
    node_id: str
    created_at: datetime | None
    expires_at: datetime | None
    ttl_seconds: int | None
    config: dict[str, JsonValue]
    metadata: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What became of the observations of one call.

    Attributes:
        applied: How many observations the server applied in this call.
        time: The session's count of observations after the last of them; ``TIME_UNKNOWN`` (-1)
            if the call had none, or the guide's dialect does not say. Otherwise it must be the
            count before plus ``applied`` (kato-api 5).
        stm_length: Events in the short-term memory; of a sequence the figure is taken before
            the cut to the newest 1000 (kato-api 4); -1 if the guide's dialect does not say.
        auto_learned: The names of the patterns that were learned on the way.
    """

    applied: int
    time: int
    stm_length: int
    auto_learned: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The predictions for a session's short-term memory, in the server's order."""

    predictions: tuple[dict[str, JsonValue], ...]
    future_potentials: tuple[dict[str, JsonValue], ...]


@dataclass(frozen=True, kw_only=True)
class ShortTermMemory:
    """A session's short-term memory, oldest event first.

    Attributes:
        symbols: One list of symbols per event.
        observations: The observations the events came from, as the guide's dialect shows them;
            None from a server that shows symbols only. With them, what ``symbols`` lacks are the
            symbols of vectors, which only the server can name.
    """

    symbols: list[list[str]]
    observations: tuple[dict[str, JsonValue], ...] | None


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A learned pattern.

    Attributes:
        name: ``PTRN|`` and the SHA-1 of its events as Python writes them (kato-api 8).
        events: One list of symbols per event.
        length: How many symbols it has.
        frequency: How often it was learned.
        emotives: Those of its last learns.
        metadata: The values seen under each name, as strings.
    """

    name: str
    events: list[list[str]]
    length: int
    frequency: int
    emotives: tuple[dict[str, JsonValue], ...]
    metadata: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class Cognition:
    """A session's state of mind.

    Attributes:
        time: Observations applied since the last clear (kato-api 4).
        stm: The short-term memory, one list of symbols per event.
        emotives: The emotives of the last observation that had any. The server shows one that is
            not finite as null, which is NaN here.
        raw: The whole of the server's cognition data.
    """

    time: int
    stm: list[list[str]]
    emotives: dict[str, float]
    raw: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer whose body has not been looked at.

    Attributes:
        call: Method and route, for errors.
        status: The HTTP status, 2xx.
        body: The body as it came.
    """

    call: str
    status: int
    body: bytes

    def refuse(self, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise the ServerFault for an answer of another shape than promised."""
        raise ServerFault(
            self.call, f"the answer cannot be read: {problem}", self.status
        ) from cause

    def fields(self) -> dict[str, Any]:
        """Decode the body.

        Raises:
            ServerFault: The body is no JSON object.
        """
        value = self._decoded()
        if not isinstance(value, dict):
            self.refuse("it is no JSON object")
        return value

    def take(self, key: str, kind: type[_T], fields: Mapping[str, Any] | None = None) -> _T:
        """Take one member of the given type.

        Args:
            key: The member's name.
            kind: Its type; a boolean is no int.
            fields: The decoded object to take from; the body itself if left out.

        Raises:
            ServerFault: The member is missing or of another type.
        """
        members = self.fields() if fields is None else fields
        if key not in members:
            self.refuse(f"{key!r} is missing")
        return self._of_kind(key, kind, members[key])

    def find(self, key: str, kind: type[_T], fields: Mapping[str, Any]) -> _T | None:
        """Take one member that may be absent or null: None then.

        Raises:
            ServerFault: The member is of another type.
        """
        value = fields.get(key)
        return None if value is None else self._of_kind(key, kind, value)

    def objects(self, key: str | None = None) -> tuple[dict[str, Any], ...]:
        """Take a list of objects: a member, or the whole body if no key is given.

        Raises:
            ServerFault: It is missing, or no such list.
        """
        items = self._decoded() if key is None else self.take(key, list)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.refuse(f"{'it' if key is None else repr(key)} is no list of objects")
        return tuple(items)

    def value(self) -> JsonValue:
        """Decode the body, whatever it is.

        Raises:
            ServerFault: It is no JSON.
        """
        value: JsonValue = self._decoded()
        return value

    def _decoded(self) -> Any:  # noqa: ANN401 - a JSON value, to be looked at by the caller
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            self.refuse("it is no JSON", error)

    def _of_kind(self, key: str, kind: type[_T], value: object) -> _T:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(f"{key!r} is not of type {kind.__name__}")
        return value


def created_session(answer: Answer) -> CreatedSession:
    """Read the answer of a create; raises ServerFault if it cannot be read."""
    return CreatedSession(**_session(answer, answer.fields()))


def session_info(answer: Answer) -> SessionInfo:
    """Read the description of a session; raises ServerFault if it cannot be read."""
    fields = answer.fields()
    return SessionInfo(**_session(answer, fields), metadata=answer.take("metadata", dict, fields))


def _session(answer: Answer, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "session_id": answer.take("session_id", str, fields),
        "node_id": answer.take("node_id", str, fields),
        "created_at": _promised(answer, "created_at", fields),
        "expires_at": _promised(answer, "expires_at", fields),
        "ttl_seconds": answer.take("ttl_seconds", int, fields),
        "config": answer.take("session_config", dict, fields),
    }


def _promised(answer: Answer, key: str, fields: Mapping[str, Any]) -> datetime | None:
    answer.take(key, str, fields)
    return moment(answer, key, fields)


def moment(answer: Answer, key: str, fields: Mapping[str, Any]) -> datetime | None:
    """Take a time that may be absent; raises ServerFault if it is none, or has no zone."""
    text = answer.find(key, str, fields)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        answer.refuse(f"{key!r} is no time", error)
    if found.tzinfo is None:
        answer.refuse(f"{key!r} has no time zone")
    return found


def observed(answer: Answer) -> Observed:
    """Read the answer to one observation; raises ServerFault if it cannot be read."""
    fields = answer.fields()
    learned = fields.get("auto_learned_pattern")
    return Observed(
        applied=1,
        time=answer.take("time", int, fields),
        stm_length=answer.take("stm_length", int, fields),
        auto_learned=(answer.take("auto_learned_pattern", str, fields),) if learned else (),
    )


def observed_sequence(answer: Answer) -> Observed:
    """Read the answer to a sequence; raises ServerFault if it cannot be read.

    Of the results only the last is looked at; as many as observations were processed must be
    there.
    """
    fields = answer.fields()
    applied = answer.take("observations_processed", int, fields)
    results = answer.take("results", list, fields)
    return Observed(
        applied=applied if len(results) == applied else len(results),
        time=_last_time(answer, results),
        stm_length=answer.take("final_stm_length", int, fields),
        auto_learned=_items(answer, "auto_learned_patterns", str, fields),
    )


def _last_time(answer: Answer, results: list[Any]) -> int:
    if not results:
        return TIME_UNKNOWN
    if not isinstance(results[-1], dict):
        answer.refuse("the last of 'results' is no object")
    return answer.take("time", int, results[-1])


def predictions(answer: Answer) -> Predictions:
    """Read predictions; raises ServerFault if they cannot be read."""
    fields = answer.fields()
    if "predictions" not in fields:
        answer.refuse("'predictions' is missing")
    return Predictions(
        predictions=_items(answer, "predictions", dict, fields),
        future_potentials=_items(answer, "future_potentials", dict, fields),
    )


def _items(answer: Answer, key: str, kind: type[_T], fields: Mapping[str, Any]) -> tuple[_T, ...]:
    """Take a list of one type; the server's description lets it be absent or null."""
    if fields.get(key) is None:
        return ()
    items = answer.take(key, list, fields)
    if not all(isinstance(item, kind) for item in items):
        answer.refuse(f"{key!r} has an item that is not of type {kind.__name__}")
    return tuple(items)


def pattern(answer: Answer) -> Pattern | None:
    """Read a pattern, or None from the 200 that says there is none (kato-api 8).

    Raises ServerFault if the answer cannot be read.
    """
    found = answer.take("pattern", dict)
    if answer.take("status", str, found) == "error":
        return None
    fields = answer.take("pattern", dict, found)
    return Pattern(
        name=answer.take("name", str, fields),
        events=events(answer, "pattern_data", fields),
        length=answer.take("length", int, fields),
        frequency=answer.take("frequency", int, fields),
        emotives=_items(answer, "emotives", dict, fields),
        metadata=answer.find("metadata", dict, fields) or {},
    )


def cognition(answer: Answer) -> Cognition:
    """Read cognition data; raises ServerFault if they cannot be read."""
    raw = answer.take("cognition_data", dict)
    return Cognition(
        time=answer.take("time", int, raw),
        stm=events(answer, "short_term_memory", raw),
        emotives=_emotives(answer, answer.take("emotives", dict, raw)),
        raw=raw,
    )


def events(answer: Answer, key: str, fields: Mapping[str, Any]) -> list[list[str]]:
    """Take a list of events, each a list of symbols; raises ServerFault if it is none."""
    stm = answer.take(key, list, fields)
    for event in stm:
        if not isinstance(event, list) or not all(isinstance(symbol, str) for symbol in event):
            answer.refuse(f"{key!r} has an event that is no list of strings")
    return stm


def _emotives(answer: Answer, emotives: dict[str, Any]) -> dict[str, float]:
    return {name: _emotive(answer, name, value) for name, value in emotives.items()}


def _emotive(answer: Answer, name: str, value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        answer.refuse(f"the emotive {name!r} is no number")
    return float(value)
