"""The dialect of the session management guide, used as the guide uses it."""

from pathlib import Path

import pytest
from devserver_api import Api, Clock

from kato_tasks.devserver.options import Options

EVENT = {"strings": ["b", "a"], "vectors": [[1.0]], "emotives": {"joy": 1.0}, "metadata": {"k": 1}}


@pytest.fixture
def guide() -> Api:
    return Api(Options(dialect="guide"), Clock())


def _created(api: Api, **body: object) -> str:
    return f"/sessions/{api.post('/sessions', {'node_id': 'user-123', **body})['session_id']}"


def _is_there(api: Api, session: str) -> bool:
    return any(f"/sessions/{it['session_id']}" == session for it in api.get("/sessions"))


def test_a_session_is_exported_and_imported_as_in_the_guide(guide: Api) -> None:
    session = _created(guide, config={"recall_threshold": 0.3}, ttl=7200)
    guide.post(f"{session}/observe", EVENT)
    guide.post(f"{session}/observe", {"strings": ["c"]})
    info, stm = guide.get(session), guide.get(f"{session}/stm")
    assert stm["events"][0] == EVENT
    moved = _created(guide, node_id=info["node_id"], config=info["config"])
    for event in stm["events"]:
        guide.post(f"{moved}/observe", event)
    assert guide.get(f"{moved}/stm")["events"] == stm["events"]
    assert guide.get(moved)["config"] == info["config"]
    assert info["config"]["recall_threshold"] == 0.3


def test_patterns_are_listed_and_clear_stm_is_spelled_with_an_underscore(guide: Api) -> None:
    session = _created(guide)
    assert guide.get(f"{session}/patterns")["patterns"] == []
    for letter in "ab":
        guide.post(f"{session}/observe", {"strings": [letter]})
    name = guide.post(f"{session}/learn")["pattern_name"]
    [pattern] = guide.get(f"{session}/patterns")["patterns"]
    assert (pattern["name"], pattern["pattern_data"]) == (name, [["a"], ["b"]])
    assert guide.get(f"{session}/stm")["events"] == []
    guide.post(f"{session}/observe", EVENT)
    guide.post(f"{session}/clear_stm")
    assert guide.get(f"{session}/stm")["events"] == []


@pytest.mark.parametrize(
    "body",
    [{"ttl": 60}, {"config": {"session_ttl": 60}}, {"ttl": 60, "config": {"session_ttl": 9}}],
)
def test_any_call_keeps_a_session_alive(guide: Api, body: dict[str, object]) -> None:
    session = _created(guide, **body)
    for call in (session, f"{session}/stm", f"{session}/predictions"):
        guide.clock.advance(59)
        guide.get(call)
    guide.clock.advance(59)
    guide.post(f"{session}/observe", {"strings": ["a"]})
    guide.clock.advance(60)
    assert guide("GET", session).json() == {
        "detail": f"Session {session.removeprefix('/sessions/')} not found or expired"
    }


def test_without_auto_extend_a_session_ends_when_its_time_is_up(guide: Api) -> None:
    session = _created(guide, config={"session_ttl": 60, "session_auto_extend": False})
    guide.clock.advance(59)
    guide.post(f"{session}/observe", {"strings": ["a"]})
    assert _is_there(guide, session)
    guide.clock.advance(1)
    assert not _is_there(guide, session)


def test_it_has_the_routes_of_the_guide_and_no_others(guide: Api) -> None:
    session = _created(guide)
    for method, name in (
        ("POST", "observe-sequence"),
        ("POST", "extend"),
        ("POST", "config"),
        ("POST", "clear-stm"),
        ("GET", "exists"),
        ("GET", "cognition-data"),
        ("GET", "percept-data"),
    ):
        answer = guide(method, f"{session}/{name}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"}), name
    paths = guide.get("/openapi.json")["paths"]
    assert sorted(paths["/sessions"]) == ["get", "post"]
    assert "/sessions/{session_id}/clear_stm" in paths
    assert "/sessions/{session_id}/observe-sequence" not in paths
    assert guide("DELETE", session).status_code == 200
    assert guide("DELETE", session).status_code == 404


def test_the_real_server_has_none_of_it(api: Api) -> None:
    assert api("GET", "/sessions").status_code == 405
    assert api("POST", f"{api.session()}/clear_stm").json() == {"detail": "Not Found"}


def test_faults_audit_and_state_serve_the_guide_too(tmp_path: Path) -> None:
    faults = ("not_stored:1,route=observe",)
    guide = Api(Options(dialect="guide", state=tmp_path, faults=faults), Clock())
    session = _created(guide, metadata={"kato_tasks_key": "k"})
    for letter in "ab":
        guide.post(f"{session}/observe", {"strings": [letter]})
    guide.engine.close()
    again = Api(Options(dialect="guide", state=tmp_path), Clock())
    assert [event["strings"] for event in again.get(f"{session}/stm")["events"]] == [["b"]]
    assert again.get("/_dev/lineage/k")["sessions"][0]["entries_total"] == 1
    again.engine.close()
