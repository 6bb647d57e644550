"""Creating sessions and when they end (kato-api 2)."""

import re
from collections.abc import Callable

import pytest
from devserver_api import Api


def test_a_session_id_is_made_of_32_hex_digits_and_the_milliseconds(api: Api) -> None:
    created = api.post("/sessions", {"node_id": "a-1", "session_id": "mine", "ttl": 5})
    assert re.fullmatch(r"session-[0-9a-f]{32}-1795330825525", created["session_id"])
    assert created["created_at"] == "2026-11-22T07:00:25.525410Z"
    assert created["expires_at"] == "2026-11-22T08:00:25.525410Z"
    assert len(created["session_config"]) == 22
    assert created["metadata"] == {}


@pytest.mark.parametrize(
    ("asked", "answered", "ends"),
    [
        (None, 3600, "08:00:25.525410Z"),
        (0, 3600, "08:00:25.525410Z"),
        ("60", 60, "07:01:25.525410Z"),
        (True, 1, "07:00:26.525410Z"),
        (1.0, 1, "07:00:26.525410Z"),
    ],
)
def test_the_ttl_is_coerced(api: Api, asked: object, answered: int, ends: str) -> None:
    created = api.post("/sessions", {"node_id": "a", "ttl_seconds": asked})
    assert created["ttl_seconds"] == answered
    assert created["expires_at"].endswith(ends)


@pytest.mark.parametrize("ttl", [-5, 251_700_000_000, 2**63])
def test_a_ttl_no_calendar_holds_breaks_the_server(api: Api, ttl: int) -> None:
    answer = api("POST", "/sessions", json={"node_id": "a", "ttl_seconds": ttl})
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_default_life_is_not_what_create_names(make_api: Callable[..., Api]) -> None:
    api = make_api(session_ttl=120)
    created = api.post("/sessions", {"node_id": "a"})
    assert created["ttl_seconds"] == 3600
    assert created["expires_at"] == "2026-11-22T07:02:25.525410Z"


def test_reading_answers_a_later_end_but_keeps_nothing_alive(api: Api) -> None:
    session = api.session(ttl_seconds=4)
    api.clock.advance(3)
    seen = api.get(session)
    assert seen["expires_at"] == "2026-11-22T07:00:32.525410Z"
    assert seen["ttl_seconds"] == 3
    api.clock.advance(1)
    assert api("GET", session).status_code == 404
    assert not api.exists(session)


def test_writes_keep_a_session_alive(api: Api) -> None:
    session = api.session(ttl_seconds=3)
    for _ in range(5):
        api.clock.advance(1.9)
        api.post(f"{session}/observe", {"strings": ["x"]})
    api.clock.advance(2)
    assert not api.exists(session), "the store drops the begun second of what a write gives"


def test_extend_sets_the_end_and_a_write_takes_it_back(api: Api) -> None:
    session = api.session(ttl_seconds=3)
    answer = api("POST", f"{session}/extend", params={"ttl_seconds": 8}, json={"ttl_seconds": 9})
    assert answer.json()["ttl_seconds"] == 8
    api.clock.advance(5)
    assert api.exists(session)
    api.post(f"{session}/observe", {"strings": ["x"]})
    api.clock.advance(2.1)
    assert not api.exists(session)


@pytest.mark.parametrize("ttl", [0, -5])
def test_extend_by_nothing_deletes(api: Api, ttl: int) -> None:
    session = api.session()
    answer = api("POST", f"{session}/extend", params={"ttl_seconds": ttl})
    assert answer.json()["status"] == "extended"
    assert not api.exists(session)


def test_without_auto_extend_only_extend_moves_the_end(make_api: Callable[..., Api]) -> None:
    api = make_api(auto_extend=False)
    session = api.session(ttl_seconds=3)
    api.clock.advance(1.0)
    assert api.get(session)["expires_at"] == "2026-11-22T07:00:28.525410Z"
    api.post(f"{session}/observe", {"strings": ["x"]})
    api.clock.advance(1.1)
    assert not api.exists(session), "the write cut the remaining life to whole seconds"


def test_without_auto_extend_a_write_in_the_last_second_deletes(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(auto_extend=False)
    session = api.session(ttl_seconds=3)
    api.clock.advance(2.4)
    assert api.post(f"{session}/observe", {"strings": ["x"]})["time"] == 1
    assert not api.exists(session)


def test_the_count_is_cached_and_does_not_fall_when_sessions_run_out(api: Api) -> None:
    api.session(ttl_seconds=1)
    assert api.get("/sessions/count") == {"active_session_count": 1}
    api.session(ttl_seconds=1)
    assert api.get("/sessions/count") == {"active_session_count": 1}
    api.clock.advance(6)
    assert api.get("/sessions/count") == {"active_session_count": 2}


def test_deleting_twice_is_not_found(api: Api) -> None:
    session = api.session()
    assert api("DELETE", session).json()["status"] == "deleted"
    assert api("DELETE", session).json()["error"]["code"] == "SESSION_NOT_FOUND"
