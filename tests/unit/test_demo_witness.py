"""Reading the audit of a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kato_tasks.clients import Clients
from kato_tasks.demo.checking import Difference, Observed
from kato_tasks.demo.witness import Witness
from kato_tasks.errors import KatoUnreachable, ServerFault
from kato_tasks.models import SessionRecord

ENTRIES = [
    {"kind": "observe", "event": ["a"], "observation": {"emotives": {"joy": 0.5}}},
    {"kind": "extend", "event": None},
    {"kind": "observe", "event": []},
]
SENT = [Observed.sent(b'{"strings":["a"],"emotives":{"joy":0.5}}'), Observed.sent(b"{}")]
RECORD = cast(
    "SessionRecord", SimpleNamespace(session_id="session-1", spec=SimpleNamespace(instance="k"))
)


class _Audit(BaseHTTPRequestHandler):
    """Tells :data:`ENTRIES` of any session, two a page; nothing but JSON if asked for less."""

    def do_GET(self) -> None:
        offset = int(self.path.partition("?offset=")[2].partition("&")[0])
        page = ENTRIES[offset : offset + 2]
        body = json.dumps({"total": len(ENTRIES), "entries": page}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Audit) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def examine(url: str, sent: list[Observed], *, time: int, audited: bool = True) -> Difference:
    """What a witness finds at a server whose short-term memory and clock are as said."""
    client = SimpleNamespace(
        get_stm=lambda _: [["a"]], cognition_data=lambda _: SimpleNamespace(time=time)
    )
    witness = Witness(cast("Clients", lambda _: client), {"k": url}, audited=audited)
    try:
        return witness.examine(RECORD, sent).difference
    finally:
        witness.close()


def test_the_audit_is_read_past_any_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages, entries of other kinds left out."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert examine(url, SENT, time=2) == Difference()


def test_emotives_that_differ_are_found_by_the_audit(url: str) -> None:
    other = [Observed.sent(b'{"strings":["a"],"emotives":{"joy":0.6}}'), SENT[1]]
    assert examine(url, other, time=2) == Difference(lost=1, duplicated=1)


def test_an_observation_without_event_is_missed_by_the_clock() -> None:
    assert examine("http://127.0.0.1:9", SENT, time=1, audited=False) == Difference(lost=1)


def test_a_server_that_is_away_is_an_error_of_ours() -> None:
    with pytest.raises(KatoUnreachable, match="GET /_dev/audit/"):
        examine("http://127.0.0.1:9", SENT, time=2)


def test_an_audit_that_cannot_be_read_is_an_error_of_ours(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_demo_witness.ENTRIES", _Unreadable())
    with pytest.raises(ServerFault, match="cannot be read"):
        examine(url, SENT, time=2)


class _Unreadable(list[Any]):
    """Makes a page whose entries are no list."""

    def __getitem__(self, _: object) -> Any:  # noqa: ANN401 - JSON
        return {}
