"""The guide's TTLManager, without a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from guide_world import URL, stand_in
from memory_world import World

from kato_tasks import InvalidInput, SessionState, TTLManager, UnknownSession, WaitTimeout
from kato_tasks.errors import KatoUnreachable
from kato_tasks.lives import Index

TTL = 100


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(retry_first=0.001, doubt_wait=0.001) as opened:
        stand_in(monkeypatch, opened)
        yield opened


@pytest.fixture
def manager(world: World) -> Iterator[TTLManager]:
    del world
    with TTLManager(URL) as made:
        yield made


def prolonged(world: World, key: str) -> list[int]:
    return world.kato.sessions[world.record(key).session_id or ""].prolonged


def test_a_session_is_there_when_its_key_is(world: World, manager: TTLManager) -> None:
    key = manager.create_session_with_ttl("shop", TTL)
    record = world.record(key)
    assert record.session_id in world.kato.sessions
    assert (record.spec.node, record.spec.instance, record.spec.ttl) == ("shop", "default", TTL)
    assert (record.spec.auto_extend, record.life.ends_ms) == (True, None)
    assert world.wake.calls == []


def test_every_call_makes_another(manager: TTLManager) -> None:
    assert len({manager.create_session_with_ttl("shop", TTL) for _ in range(3)}) == 3


def test_one_that_does_not_extend_itself_ends(world: World, manager: TTLManager) -> None:
    key = manager.create_session_with_ttl("temp-user", TTL, auto_extend=False)
    world.store.advance(TTL - 1)
    world.session(key).observe(["x"])
    world.deliver_all(key)
    world.store.advance(2)
    assert world.look_after(Index.IDLE) == Counter(ended=1)
    assert world.record(key).state is SessionState.ENDED


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"node_id": ""}, "node is empty"),
        ({"node_id": "test_a"}, "node is 'test_a'"),
        ({"node_id": 7}, "node is of type int"),
        ({"ttl_seconds": 0}, "ttl is 0"),
        ({"ttl_seconds": 1.5}, "ttl is 1.5"),
        ({"ttl_seconds": True}, "ttl is True"),
        ({"auto_extend": "no"}, "auto_extend is 'no'"),
    ],
)
def test_what_is_out_of_range_is_refused(
    world: World, manager: TTLManager, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        manager.create_session_with_ttl(**{"node_id": "n", "ttl_seconds": TTL, **arguments})
    assert world.kato.calls == []


def test_nothing_is_left_of_one_that_could_not_be_made(
    world: World, manager: TTLManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_tasks.guide.base.TIMEOUT", 0.0)
    world.kato.fail("create_session", KatoUnreachable("POST", "refused"))
    with pytest.raises(WaitTimeout, match="to be made; its server may be down"):
        manager.create_session_with_ttl("shop", TTL)
    [record] = world.registry.recent(limit=10)
    world.deliver_all(record.key)
    assert world.record(record.key).state is SessionState.ENDED
    assert world.kato.sessions == {}


def test_a_refresh_extends_it_by_its_own_time_and_is_a_use(
    world: World, manager: TTLManager
) -> None:
    key = manager.create_session_with_ttl("shop", TTL)
    world.store.advance(TTL - 1)
    assert world.record(key).state is SessionState.EXPIRING
    manager.refresh_session(key)
    record = world.record(key)
    assert prolonged(world, key) == [TTL]
    assert record.state is SessionState.ACTIVE
    assert record.life.fresh_ms == record.life.used_ms == world.store.now_ms


def test_a_refresh_moves_an_end_of_its_own(world: World, manager: TTLManager) -> None:
    key = manager.create_session_with_ttl("shop", TTL, auto_extend=False)
    world.store.advance(TTL - 1)
    manager.refresh_session(key)
    world.store.advance(TTL - 1)
    assert world.look_after(Index.IDLE)["ended"] == 0
    assert world.record(key).state is SessionState.EXPIRING
    world.store.advance(world.settings.refresh_interval)
    assert world.look_after(Index.IDLE) == Counter(ended=1)


def test_a_session_of_any_origin_can_be_refreshed(world: World, manager: TTLManager) -> None:
    world.session("cart", ttl=TTL).observe(["x"])
    manager.refresh_session("cart")
    assert prolonged(world, "cart") == [TTL]
    assert world.record("cart").applied == 1


def test_one_that_is_not_known_or_has_ended_is_refused(world: World, manager: TTLManager) -> None:
    key = manager.create_session_with_ttl("shop", TTL)
    world.session(key).delete()
    world.deliver_all(key)
    for unknown in ("nobody", key):
        with pytest.raises(UnknownSession, match=f"session '{unknown}' is not known, or has ended"):
            manager.refresh_session(unknown)
    with pytest.raises(InvalidInput, match="session key is empty"):
        manager.refresh_session("")
