"""The routes: what is sent, and what is made of the answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from kato_tasks.errors import ConfigDropped, InvalidInput, ServerFault, SessionNotFound
from kato_tasks.kato import KatoClient, Observed, Pattern, Predictions
from kato_tasks.models import DialectName

SESSION: dict[str, Any] = {
    "session_id": "session-1",
    "node_id": "node",
    "created_at": "2026-11-22T07:00:25.525410Z",
    "expires_at": "2026-11-22T08:00:25.525410Z",
    "ttl_seconds": 3600,
    "metadata": {"user": "u1"},
    "session_config": {"recall_threshold": 0.3, "process_predictions": False},
}
OBSERVED: dict[str, Any] = {
    "status": "okay",
    "stm_length": 2,
    "time": 7,
    "auto_learned_pattern": None,
}
SEQUENCE: dict[str, Any] = {
    "observations_processed": 2,
    "final_stm_length": 5,
    "results": [{"time": 8}, {"time": 9}],
    "auto_learned_patterns": ["PTRN|1", "PTRN|2"],
}
COGNITION: dict[str, Any] = {
    "emotives": {"joy": 1, "fear": -0.5},
    "short_term_memory": [["a", "b"], ["c"]],
    "time": 3,
    "symbols": ["a", "b", "c"],
}


class Server:
    """Answers every request alike and keeps what it was sent."""

    def __init__(self, body: object, status: int = 200) -> None:
        self.requests: list[httpx.Request] = []
        self._body = body
        self._status = status
        self.kato = KatoClient(
            "http://kato.test", transport=httpx.MockTransport(self._answer), dialect=DialectName.V3
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, json=self._body)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def test_a_create_sends_what_is_given_and_reads_the_session() -> None:
    server = Server(SESSION)
    created = server.kato.create_session(
        node_id="node", config={"recall_threshold": 0.3}, ttl_seconds=3600, metadata={"k": [1]}
    )
    assert json.loads(server.requests[0].content) == {
        "node_id": "node",
        "config": {"recall_threshold": 0.3},
        "ttl_seconds": 3600,
        "metadata": {"k": [1]},
    }
    assert created.session_id == "session-1"
    assert created.expires_at == datetime(2026, 11, 22, 8, 0, 25, 525410, tzinfo=UTC)
    assert created.config == SESSION["session_config"]


def test_a_create_leaves_out_what_is_not_given() -> None:
    server = Server(SESSION)
    server.kato.create_session(node_id="node")
    assert json.loads(server.requests[0].content) == {"node_id": "node"}


def test_a_dropped_config_is_noticed_and_its_session_deleted() -> None:
    server = Server(SESSION)
    with pytest.raises(ConfigDropped, match=r"not taken: max_predictions, stm_mode") as caught:
        server.kato.create_session(
            node_id="node",
            config={"recall_threshold": 0.3, "max_predictions": 5, "stm_mode": "ROLLING"},
        )
    assert caught.value.status == 200
    assert server.lines == ["POST /sessions", "DELETE /sessions/session-1"]


def test_a_failing_delete_does_not_hide_a_dropped_config() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500 if request.method == "DELETE" else 200, json=SESSION)

    kato = KatoClient(
        "http://kato.test", transport=httpx.MockTransport(handler), dialect=DialectName.V3
    )
    with pytest.raises(ConfigDropped):
        kato.create_session(node_id="node", config={"max_predictions": 5})
    assert kato.calls == 2


def test_where_nothing_can_be_extended_writes_are_counted_on() -> None:
    """Else every lane would wait for an answer that never comes, once half of a life is over."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(405 if request.url.path.endswith("/extend") else 200, json=SESSION)

    kato = KatoClient(
        "http://kato.test", transport=httpx.MockTransport(handler), dialect=DialectName.V3
    )
    assert kato.counts_writes("node")
    # A create, the extension, and the delete of what was asked with; then it is known.
    assert kato.calls == 3
    assert kato.counts_writes("node")
    assert kato.calls == 3


REFUSED: list[Callable[[KatoClient], object]] = [
    lambda kato: kato.create_session(node_id="n", config={"recall_threshold": 2.0}),
    lambda kato: kato.create_session(node_id="n", ttl_seconds=0),
    lambda kato: kato.create_session(node_id="n", ttl_seconds=True),
    lambda kato: kato.create_session(node_id="\ud800"),
    lambda kato: kato.create_session(node_id="n", metadata={"k": math.nan}),
    lambda kato: kato.update_config("s", {"sort_symbols": "maybe"}),
    lambda kato: kato.extend("s", 0),
    lambda kato: kato.extend("s", -5),
    lambda kato: kato.extend("s", 10**15),
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_the_server_would_misread_is_refused_unsent(
    call: Callable[[KatoClient], object],
) -> None:
    server = Server({})
    with pytest.raises(InvalidInput):
        call(server.kato)
    assert server.requests == []
    assert server.kato.calls == 0


ROUTES: list[tuple[Callable[[KatoClient], object], str, object, object]] = [
    (lambda kato: kato.exists("s"), "GET /sessions/s/exists", {"exists": False}, False),
    (lambda kato: kato.delete_session("s"), "DELETE /sessions/s", {}, None),
    (lambda kato: kato.get_config("s"), "GET /sessions/s/config", {"config": {"a": 1}}, {"a": 1}),
    (lambda kato: kato.update_config("s", {}), "POST /sessions/s/config", {}, None),
    (lambda kato: kato.extend("s", 60), "POST /sessions/s/extend", {}, None),
    (lambda kato: kato.get_stm("s"), "GET /sessions/s/stm", {"stm": [["a"], []]}, [["a"], []]),
    (lambda kato: kato.learn("s"), "POST /sessions/s/learn", {"pattern_name": "P"}, "P"),
    (lambda kato: kato.learn("s"), "POST /sessions/s/learn", {"pattern_name": ""}, ""),
    (lambda kato: kato.clear_stm("s"), "POST /sessions/s/clear-stm", {}, None),
    (lambda kato: kato.percept_data("s"), "GET /sessions/s/percept-data", {"percept_data": {}}, {}),
    (
        lambda kato: kato.finalize_training("s"),
        "POST /sessions/s/finalize-training",
        {"patterns_processed": 3},
        3,
    ),
    (lambda kato: kato.clear_all("s"), "POST /sessions/s/clear-all", {}, None),
    (lambda kato: kato.root(), "GET /", {"status": "running"}, {"status": "running"}),
    (lambda kato: kato.status(), "GET /status", {"status": "healthy"}, {"status": "healthy"}),
    (lambda kato: kato.openapi(), "GET /openapi.json", {"paths": {}}, {"paths": {}}),
    (lambda kato: kato.count(), "GET /sessions/count", {"active_session_count": 4}, 4),
    (lambda kato: kato.health(), "GET /health", {"status": "healthy"}, {"status": "healthy"}),
    (lambda kato: kato.version(), "GET /openapi.json", {"info": {"version": "3.10.1"}}, "3.10.1"),
]


@pytest.mark.parametrize(("call", "line", "body", "result"), ROUTES)
def test_a_route_and_its_result(
    call: Callable[[KatoClient], object], line: str, body: object, result: object
) -> None:
    server = Server(body)
    assert call(server.kato) == result
    assert server.lines == [line]


def test_a_session_is_described() -> None:
    info = Server(SESSION).kato.get_session("session-1")
    assert info.metadata == {"user": "u1"}
    assert info.created_at == datetime(2026, 11, 22, 7, 0, 25, 525410, tzinfo=UTC)
    assert info.ttl_seconds == 3600


def test_a_config_update_wraps_the_keys() -> None:
    server = Server({"status": "okay"})
    server.kato.update_config("s", {"recall_threshold": 0.5})
    assert json.loads(server.requests[0].content) == {"config": {"recall_threshold": 0.5}}


def test_an_observation_is_sent_byte_for_byte() -> None:
    server = Server(OBSERVED)
    raw = b'{ "strings" : ["\xc3\xa9"] }'
    result = server.kato.observe("s", raw)
    assert server.requests[0].content == raw
    assert server.requests[0].headers["content-type"] == "application/json"
    assert result == Observed(applied=1, time=7, stm_length=2, auto_learned=())


def test_an_observation_may_have_learned() -> None:
    result = Server({**OBSERVED, "auto_learned_pattern": "PTRN|1"}).kato.observe("s", b"{}")
    assert result.auto_learned == ("PTRN|1",)


def test_a_sequence_is_joined_from_bytes_and_its_last_result_counts() -> None:
    server = Server(SEQUENCE)
    result = server.kato.observe_sequence("s", [b'{"a":1}', b"{ }"])
    assert server.requests[0].content == b'{"observations":[{"a":1},{ }]}'
    assert server.lines == ["POST /sessions/s/observe-sequence"]
    assert result == Observed(applied=2, time=9, stm_length=5, auto_learned=("PTRN|1", "PTRN|2"))


def test_an_empty_sequence_says_nothing_of_the_time() -> None:
    """The server answers no result whose time could be read."""
    body = {"observations_processed": 0, "final_stm_length": 5, "results": []}
    server = Server(body)
    result = server.kato.observe_sequence("s", [])
    assert server.requests[0].content == b'{"observations":[]}'
    assert result == Observed(applied=0, time=-1, stm_length=5, auto_learned=())


def test_predictions_may_lack_their_potentials() -> None:
    body = {"predictions": [{"name": "p"}], "future_potentials": None, "count": 1}
    result = Server(body).kato.predictions("s")
    assert result == Predictions(predictions=({"name": "p"},), future_potentials=())


PATTERN: dict[str, Any] = {
    "name": "PTRN|1",
    "pattern_data": [["a"], ["b", "c"]],
    "length": 3,
    "frequency": 2,
    "emotives": [{"joy": 1.0}],
    "metadata": {"src": ["s1", "s2"]},
}


def test_a_pattern_is_looked_up_by_name_and_node() -> None:
    server = Server({"pattern": {"status": "okay", "pattern": PATTERN}, "node_id": "n_1_kato"})
    found = server.kato.pattern("PTRN|1", node_id="n-1/é")
    assert server.requests[0].url.raw_path == b"/pattern/PTRN%7C1?node_id=n-1%2F%C3%A9"
    assert found == Pattern(
        name="PTRN|1",
        events=[["a"], ["b", "c"]],
        length=3,
        frequency=2,
        emotives=({"joy": 1.0},),
        metadata={"src": ["s1", "s2"]},
    )


def test_a_pattern_that_is_not_there_is_none() -> None:
    """The server says so with a 200."""
    body = {"pattern": {"status": "error", "message": "Pattern PTRN|0 not found"}}
    assert Server(body).kato.pattern("PTRN|0", node_id="n") is None


@pytest.mark.parametrize(("name", "node"), [("", "n"), ("..", "n"), ("PTRN|1", "\ud800")])
def test_what_can_be_no_pattern_is_not_asked_for(name: str, node: str) -> None:
    server = Server({})
    with pytest.raises(InvalidInput, match=r"pattern|node_id"):
        server.kato.pattern(name, node_id=node)
    assert server.requests == []


def test_cognition_is_read_and_kept_whole() -> None:
    result = Server({"cognition_data": COGNITION}).kato.cognition_data("s")
    assert (result.time, result.stm) == (3, [["a", "b"], ["c"]])
    assert result.emotives == {"joy": 1.0, "fear": -0.5}
    assert result.raw == COGNITION


def test_an_emotive_that_the_server_could_not_write_is_nan() -> None:
    body = {"cognition_data": {**COGNITION, "emotives": {"joy": None}}}
    assert math.isnan(Server(body).kato.cognition_data("s").emotives["joy"])


UNREADABLE: list[tuple[Callable[[KatoClient], object], object, str]] = [
    (lambda kato: kato.get_session("s"), [], "no JSON object"),
    (lambda kato: kato.get_session("s"), {**SESSION, "node_id": 5}, "'node_id' is not of type str"),
    (lambda kato: kato.get_session("s"), {**SESSION, "created_at": "?"}, "'created_at' is no time"),
    (
        lambda kato: kato.get_session("s"),
        {**SESSION, "expires_at": "2026-11-22T08:00:25"},
        "'expires_at' has no time zone",
    ),
    (lambda kato: kato.exists("s"), {"exists": None}, "'exists' is not of type bool"),
    (lambda kato: kato.observe("s", b"{}"), {**OBSERVED, "time": True}, "'time' is not of type"),
    (lambda kato: kato.observe("s", b"{}"), {"time": 1}, "'stm_length' is missing"),
    (
        lambda kato: kato.observe_sequence("s", [b"{}"]),
        {**SEQUENCE, "results": [{}]},
        "'time' is missing",
    ),
    (
        lambda kato: kato.observe_sequence("s", [b"{}"]),
        {**SEQUENCE, "results": [1]},
        "last of 'results'",
    ),
    (
        lambda kato: kato.observe_sequence("s", [b"{}"]),
        {**SEQUENCE, "auto_learned_patterns": [1]},
        "'auto_learned_patterns' has an item",
    ),
    (lambda kato: kato.get_stm("s"), {"stm": ["a"]}, "no list of strings"),
    (lambda kato: kato.predictions("s"), {"count": 0}, "'predictions' is missing"),
    (
        lambda kato: kato.cognition_data("s"),
        {"cognition_data": {**COGNITION, "emotives": {"joy": "much"}}},
        "the emotive 'joy' is no number",
    ),
    (lambda kato: kato.version(), {"info": {}}, "'version' is missing"),
    (lambda kato: kato.pattern("P", node_id="n"), {"pattern": {}}, "'status' is missing"),
]


@pytest.mark.parametrize(("call", "body", "words"), UNREADABLE)
def test_an_answer_of_another_shape_names_what_is_wrong(
    call: Callable[[KatoClient], object], body: object, words: str
) -> None:
    with pytest.raises(ServerFault, match=words) as caught:
        call(Server(body).kato)
    assert caught.value.status == 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_a_fault(body: bytes) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=body))
    with (
        KatoClient("http://kato.test", transport=transport, dialect=DialectName.V3) as kato,
        pytest.raises(ServerFault, match="no JSON"),
    ):
        kato.health()


def test_calls_counts_requests() -> None:
    server = Server({"detail": "Session s not found"}, status=404)
    for _ in range(3):
        with pytest.raises(SessionNotFound):
            server.kato.clear_stm("s")
    assert server.kato.calls == 3
