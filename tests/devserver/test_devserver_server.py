"""What the server says of its symbols and of itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from devserver_api import Api

from kato_tasks.devserver.description import ROUTES


def _learn(api: Api, session: str, *items: dict[str, Any]) -> None:
    body = {"observations": list(items), "learn_at_end": True}
    api.post(f"{session}/observe-sequence", body)


def test_symbols_are_counted_by_learn_and_by_pattern(api: Api) -> None:
    session = api.session("s-1")
    _learn(api, session, {"strings": ["a", "b"]})
    _learn(api, session, {"strings": ["a", "b"]})
    _learn(api, session, {"strings": ["a"]}, {"strings": ["c"]})
    found = api.get("/symbols/stats", params={"node_id": "s-1"})
    assert found["node_id"] == "s_1_kato"
    assert found["symbols"]["a"] == {"name": "a", "frequency": 3, "pattern_member_frequency": 2}
    assert found["symbols"]["c"] == {"name": "c", "frequency": 1, "pattern_member_frequency": 1}


def test_affinity_sums_the_mean_emotives_of_learns(api: Api) -> None:
    session = api.session("s-1")
    for joy in (1.0, 2.0):
        api.post(f"{session}/clear-stm")
        item = {"strings": ["zz", "10"], "emotives": {"joy": joy, "fear": -joy / 2}}
        _learn(api, session, {"strings": ["B", "a"]}, item)
    _learn(api, api.session("s-1"), {"strings": ["a", "b"]})
    found = api.get("/symbols/affinity", params={"node_id": "s-1"})["affinities"]
    assert found == {s: {"joy": 3.0, "fear": -1.5} for s in ("B", "a", "zz", "10")}
    one = api.get("/symbols/zz/affinity", headers={"x-node-id": "s-1"})
    assert one == {"symbol": "zz", "affinity": found["zz"], "node_id": "s_1_kato"}
    assert api.get("/symbols/b/affinity", params={"node_id": "s-1"})["affinity"] == {}


def test_finalize_training_counts_the_patterns_of_the_node(api: Api) -> None:
    session = api.session("s-1")
    _learn(api, session, {"strings": ["a", "b"]})
    found = api.post(f"{session}/finalize-training")
    assert (found["status"], found["patterns_processed"], found["node_id"]) == (
        "completed",
        1,
        "s-1",
    )
    assert found["message"].startswith("Computed Shannon entropy and TF vectors for 1 patterns in ")


def test_the_old_routes_are_empty_and_say_so(api: Api) -> None:
    percept = api.get("/percept-data", params={"node_id": "s-1"})
    assert (percept["percept_data"], percept["node_id"]) == ({}, "s_1_kato")
    assert percept["warning"].startswith("This endpoint is deprecated. Use /sessions/{session_id}/")
    assert api.get("/cognition-data")["cognition_data"]["short_term_memory"] == []


def test_status_lists_the_nodes_in_the_order_of_their_last_use(api: Api) -> None:
    for node_id in ("a", "b", "a"):
        api.sequence(api.session(node_id), "x")
    api.session(ttl_seconds=1)
    api.clock.advance(2)
    found = api.get("/status")
    assert [node["node_id"] for node in found["processors"]["processors"]] == ["b", "a"]
    assert found["sessions"]["total_sessions"] == 3, "what has run out is stored no more"
    assert api.get("/health")["active_sessions"] == 4, "but still counted"


def test_an_ended_session_that_is_still_stored_is_taken_off_the_count(api: Api) -> None:
    session = api.session(ttl_seconds=4)
    api.clock.advance(3)
    api.get(session)
    api.clock.advance(1)
    assert api("GET", session).status_code == 404
    assert api.get("/health")["active_sessions"] == 0


def test_figures_about_the_server_have_the_described_fields(api: Api) -> None:
    for (method, path), described in ROUTES.items():
        if "{" in path or described.body:
            continue
        answer = api(method, path)
        assert answer.status_code == 200, path
        names = {field.partition(":")[0] for field in described.answer.split()}
        assert set(answer.json()) == names, path


def test_no_metric_has_data(api: Api) -> None:
    answer = api("GET", "/metrics/cpu_percent", params={"minutes": 3})
    detail = "No data available for metric 'cpu_percent' in the last 3 minutes"
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})
    assert api("GET", "/metrics/x", params={"minutes": "y"}).status_code == 422


def test_the_test_route_is_shadowed_by_the_sessions(api: Api) -> None:
    assert api("GET", "/sessions/test/abc").json()["error"]["session_id"] == "test"


def test_docs_are_a_page(api: Api) -> None:
    answer = api("GET", "/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_an_instance_can_have_other_defaults(make_api: Callable[..., Api]) -> None:
    api = make_api(defaults={"recall_threshold": 0.5, "stm_mode": "ROLLING"})
    created = api.post("/sessions", {"node_id": "a", "config": {"jaccard_threshold": 7}})
    assert created["session_config"]["recall_threshold"] == 0.5
    assert created["session_config"]["stm_mode"] == "ROLLING"
    pinned = api.post("/sessions", {"node_id": "a", "config": {"recall_threshold": 0.1}})
    assert pinned["session_config"]["recall_threshold"] == 0.1


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_numbers_json_does_not_have_become_null(api: Api, number: str) -> None:
    session = api.session()
    body = f'{{"strings":["x"],"emotives":{{"joy":{number}}}}}'.encode()
    assert api("POST", f"{session}/observe", content=body).status_code == 200
    assert api.get(f"{session}/percept-data")["percept_data"]["emotives"] == {"joy": None}
    assert api.get(f"{session}/cognition-data")["cognition_data"]["emotives"] == {"joy": None}


def test_a_body_that_says_it_is_text_is_one(api: Api) -> None:
    answer = api(
        "POST", "/sessions", content=b'{"node_id": "x"}', headers={"content-type": "text/plain"}
    )
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["input"]) == ("model_attributes_type", '{"node_id": "x"}')


def test_every_described_route_is_there(api: Api) -> None:
    described = api.get("/openapi.json")["paths"]
    assert {(method.upper(), path) for path in described for method in described[path]} == set(
        ROUTES
    )
    session = api.session().removeprefix("/sessions/")
    for method, path in ROUTES:
        filled = path.replace("{session_id}", session).format(
            test_id="t", metric_name="m", pattern_id="p", symbol="s"
        )
        answer = api(method, filled)
        assert answer.json() != {"detail": "Not Found"}, path
        assert answer.status_code != 405, path
        if method == "DELETE":
            session = api.session().removeprefix("/sessions/")


def test_a_stop_of_the_application_is_answered(api: Api) -> None:
    told: list[str] = []

    async def live() -> None:
        async def receive() -> dict[str, str]:
            return {"type": "lifespan.startup" if not told else "lifespan.shutdown"}

        async def send(message: Any) -> None:  # noqa: ANN401
            told.append(message["type"])

        await api.app({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
