"""The guide's dialect: what is sent to such a server, and what is made of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import httpx
import pytest

from kato_tasks.errors import ConfigDropped, InvalidInput, RouteMissing, ServerFault
from kato_tasks.kato import TIME_UNKNOWN, KatoClient, Observed
from kato_tasks.models import DialectName

Route = tuple[int, object]


class GuideServer:
    """Answers by method and path, with a 404 for everything else, and keeps the requests."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.requests: list[httpx.Request] = []
        self._routes = routes
        transport = httpx.MockTransport(self._answer)
        self.kato = KatoClient("http://kato.test", dialect=DialectName.GUIDE, transport=transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        missing: Route = (404, {"detail": "Session s not found"})
        status, body = self._routes.get(self._line(request), missing)
        return httpx.Response(status, json=body)

    @staticmethod
    def _line(request: httpx.Request) -> str:
        return f"{request.method} {request.url.path}"

    @property
    def lines(self) -> list[str]:
        return [self._line(request) for request in self.requests]


def answering(line: str, body: object) -> GuideServer:
    return GuideServer({line: (200, body)})


def test_a_create_uses_the_guides_fields() -> None:
    server = answering("POST /sessions", {"session_id": "s"})
    created = server.kato.create_session(node_id="n", ttl_seconds=60)
    assert json.loads(server.requests[0].content) == {"node_id": "n", "ttl": 60}
    assert (created.session_id, created.node_id) == ("s", "n")
    assert (created.created_at, created.expires_at, created.ttl_seconds) == (None, None, None)


def test_a_create_takes_the_guides_own_config_keys() -> None:
    config = {"session_ttl": 3600, "recall_threshold": 0.2, "session_auto_extend": False}
    server = answering("POST /sessions", {"session_id": "s", "config": config})
    created = server.kato.create_session(node_id="n", config=config)
    assert json.loads(server.requests[0].content)["config"] == config
    assert created.config == config


def test_a_config_that_the_create_does_not_show_is_looked_up() -> None:
    session = {"session_id": "s", "node_id": "n", "config": {"max_predictions": 5}}
    routes = {"POST /sessions": (200, {"session_id": "s"}), "GET /sessions/s": (200, session)}
    server = GuideServer(routes)
    created = server.kato.create_session(node_id="n", config={"max_predictions": 5})
    assert created.config == {"max_predictions": 5}
    assert server.lines == ["POST /sessions", "GET /sessions/s"]


def test_a_dropped_config_is_noticed_here_too() -> None:
    session = {"session_id": "s", "node_id": "n", "config": {}}
    routes = {
        "POST /sessions": (200, {"session_id": "s"}),
        "GET /sessions/s": (200, session),
        "DELETE /sessions/s": (200, {}),
    }
    server = GuideServer(routes)
    with pytest.raises(ConfigDropped, match="max_predictions"):
        server.kato.create_session(node_id="n", config={"max_predictions": 5})
    assert server.lines[-1] == "DELETE /sessions/s"


@pytest.mark.parametrize(
    "create",
    [
        lambda kato: kato.create_session(node_id="n", metadata={"k": 1}),
        lambda kato: kato.create_session(node_id="n", config={"session_ttl": 0}),
        lambda kato: kato.create_session(node_id="n", config={"session_auto_extend": 1}),
        lambda kato: kato.create_session(node_id="n", config={"nonsense": 1}),
    ],
)
def test_what_a_create_cannot_say_is_refused_unsent(create: Callable[[KatoClient], object]) -> None:
    server = GuideServer({})
    with pytest.raises(InvalidInput):
        create(server.kato)
    assert server.requests == []


def test_a_session_shows_its_node_and_config() -> None:
    body = {
        "session_id": "s",
        "node_id": "n",
        "config": {"max_predictions": 5},
        "ttl": 60,
        "created_at": "2026-11-22T07:00:25Z",
    }
    info = answering("GET /sessions/s", body).kato.get_session("s")
    assert (info.node_id, info.config, info.ttl_seconds) == ("n", {"max_predictions": 5}, 60)
    assert info.created_at is not None
    assert info.expires_at is None


def test_events_are_observations_and_their_sorted_strings_the_symbols() -> None:
    events = [{"strings": ["b", "a"], "emotives": {"joy": 1}}, {"vectors": [[1.0]]}]
    stm = answering("GET /sessions/s/stm", {"events": events}).kato.read_stm("s")
    assert stm.symbols == [["a", "b"], []]
    assert stm.observations == tuple(events)


@pytest.mark.parametrize("events", [None, [["a"]], [{"strings": "a"}], [{"strings": [1]}]])
def test_events_of_another_shape_are_a_fault(events: object) -> None:
    with pytest.raises(ServerFault, match=r"events|strings"):
        answering("GET /sessions/s/stm", {"events": events}).kato.get_stm("s")


def test_an_observe_whose_answer_says_nothing_leaves_the_time_unknown() -> None:
    observed = answering("POST /sessions/s/observe", {"status": "okay"}).kato.observe("s", b"{}")
    assert observed == Observed(applied=1, time=TIME_UNKNOWN, stm_length=-1, auto_learned=())


def test_what_an_observe_does_say_is_read() -> None:
    body = {"time": 0, "stm_length": 3, "auto_learned_pattern": "PTRN|1"}
    observed = answering("POST /sessions/s/observe", body).kato.observe("s", b"{}")
    assert observed == Observed(applied=1, time=0, stm_length=3, auto_learned=("PTRN|1",))


def test_a_session_exists_if_it_can_be_had() -> None:
    body = {"session_id": "s", "node_id": "n", "config": {}}
    assert answering("GET /sessions/s", body).kato.exists("s")
    assert not GuideServer({}).kato.exists("s")


def test_a_404_in_other_words_is_not_taken_for_gone() -> None:
    server = GuideServer({"GET /sessions/s": (404, {"message": "no backend"})})
    with pytest.raises(ServerFault):
        server.kato.exists("s")


def test_sessions_are_listed_and_counted() -> None:
    server = answering("GET /sessions", [{"session_id": "s1"}, {"session_id": "s2"}])
    assert server.kato.sessions() == ("s1", "s2")
    assert server.kato.count() == 2


def test_the_memory_is_cleared_with_an_underscore() -> None:
    server = answering("POST /sessions/s/clear_stm", {})
    server.kato.clear_stm("s")
    assert server.lines == ["POST /sessions/s/clear_stm"]


def test_patterns_come_as_they_are() -> None:
    assert answering("GET /sessions/s/patterns", [{"name": "P"}]).kato.patterns("s") == [
        {"name": "P"}
    ]


def test_the_config_is_part_of_the_session() -> None:
    body = {"session_id": "s", "node_id": "n", "config": {"persistence": 5}}
    assert answering("GET /sessions/s", body).kato.get_config("s") == {"persistence": 5}


NOT_IN_GUIDE: list[Callable[[KatoClient], object]] = [
    lambda kato: kato.observe_sequence("s", [b"{}"]),
    lambda kato: kato.extend("s", 60),
    lambda kato: kato.update_config("s", {}),
    lambda kato: kato.cognition_data("s"),
    lambda kato: kato.percept_data("s"),
    lambda kato: kato.clear_all("s"),
    lambda kato: kato.finalize_training("s"),
]


@pytest.mark.parametrize("call", NOT_IN_GUIDE)
def test_what_the_guide_lacks_is_refused_unsent(call: Callable[[KatoClient], object]) -> None:
    server = GuideServer({})
    with pytest.raises(RouteMissing, match="'guide' has no such call"):
        call(server.kato)
    assert server.requests == []


@pytest.mark.parametrize("call", [KatoClient.sessions, lambda kato: kato.patterns("s")])
def test_what_the_real_server_lacks_is_refused_unsent(
    call: Callable[[KatoClient], object],
) -> None:
    with KatoClient("http://kato.test", dialect=DialectName.V3) as kato:
        with pytest.raises(RouteMissing, match="'v3' has no such call"):
            call(kato)
        assert kato.calls == 0


def test_only_the_guide_takes_one_observation_at_a_time() -> None:
    with KatoClient("http://kato.test", dialect=DialectName.V3) as kato:
        assert kato.max_batch is None
    assert GuideServer({}).kato.max_batch == 1
