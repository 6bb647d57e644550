"""A session is extended when somebody asks, whatever state it is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from memory_world import World

from kato_tasks.errors import (
    AnswerLost,
    KatoUnreachable,
    SessionParked,
    UnknownSession,
    WaitTimeout,
)
from kato_tasks.lifecycle import Care, extend_until
from kato_tasks.lives import Index
from kato_tasks.models import Claim, SessionState

TTL = 100
LIMIT = 50.0


@pytest.fixture
def world() -> Iterator[World]:
    with World(retry_first=0.001, doubt_wait=0.001, idle_after=LIMIT) as opened:
        yield opened


def used(world: World, **options: object) -> str:
    """Let a session be used and delivered; its server-side name."""
    world.session("a", **{"ttl": TTL, **options}).observe(["x"])
    world.deliver_all()
    return world.record().session_id or ""


def extend(world: World, timeout: float = 5.0) -> None:
    extend_until(world.caretaker, world.deliverer, world.registry, "a", timeout=timeout)


def test_it_is_extended_whether_that_is_due_or_not(world: World) -> None:
    name = used(world)
    for _ in range(2):
        assert world.caretaker.extend("a") is Care.EXTENDED
    assert world.kato.sessions[name].prolonged == [TTL, TTL]
    assert world.store.counts["refreshed"] == 2


def test_it_need_not_be_kept_alive_and_is_not_then(world: World) -> None:
    used(world)
    extend(world)
    assert not world.record().life.keep
    assert world.store.refresh == {}


def test_its_lane_comes_first(world: World) -> None:
    used(world)
    world.session().observe(["y"])
    assert world.caretaker.extend("a") is Care.LEFT
    extend(world)
    assert world.kato.verbs()[-3:] == ["observe", "look", "prolong"]


def test_so_does_the_session_itself(world: World) -> None:
    world.session(ttl=TTL).create()
    extend(world)
    assert world.kato.verbs() == ["create_session", "prolong"]


def test_one_that_its_server_has_lost_is_made_anew(world: World) -> None:
    name = used(world)
    del world.kato.sessions[name]
    extend(world)
    record = world.record()
    assert record.session_id in world.kato.sessions
    assert record.rehomed == 1


def test_an_extension_in_doubt_is_fenced_and_made_again(world: World) -> None:
    name = used(world)
    world.kato.fail("prolong", AnswerLost("POST", "time-out"), applied=True)
    extend(world)
    record = world.record()
    assert record.session_id != name
    assert world.kato.sessions[record.session_id or ""].prolonged == [TTL]


def test_a_server_that_is_away_is_tried_again(world: World) -> None:
    name = used(world)
    world.kato.fail("prolong", KatoUnreachable("POST", "refused"))
    extend(world)
    assert world.kato.sessions[name].prolonged == [TTL]


def test_it_gives_up_in_time_where_somebody_else_is_at_work(world: World) -> None:
    used(world)
    claimed = world.lanes.claim("a", most=1, idle=True)
    assert isinstance(claimed, Claim)
    with pytest.raises(WaitTimeout, match="session 'a' to be extended"):
        extend(world, timeout=0.0)
    world.lanes.release(claimed.lease)
    extend(world, timeout=0.0)


def test_a_sleeping_session_sleeps_on(world: World) -> None:
    used(world)
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    calls = len(world.kato.calls)
    extend(world)
    assert world.record().state is SessionState.HIBERNATED
    assert len(world.kato.calls) == calls
    assert world.store.idle == {}


def test_its_own_end_is_moved_all_the_same(world: World) -> None:
    used(world, auto_extend=False)
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    extend(world)
    assert world.record().life.ends_ms == world.store.after(TTL)
    world.store.advance(TTL - 1)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert world.record().state is SessionState.HIBERNATED
    world.store.advance(world.settings.refresh_interval)
    assert world.look_after(Index.IDLE) == Counter(ended=1)


def test_one_that_no_server_has_yet_is_left_as_it_is(world: World) -> None:
    world.sessions.intake.register(world.session(ttl=TTL).request(()))
    extend(world)
    assert world.record().state is SessionState.NEW
    assert world.kato.calls == []
    assert (world.store.idle, world.store.refresh) == ({}, {})


def test_one_whose_own_time_is_over_ends(world: World) -> None:
    name = used(world, auto_extend=False)
    world.store.advance(TTL + 1)
    with pytest.raises(UnknownSession):
        extend(world)
    assert world.record().state is SessionState.ENDED
    assert name not in world.kato.sessions


def test_one_that_is_parked_is_not_touched(world: World) -> None:
    name = used(world)
    claimed = world.lanes.claim("a", most=1, idle=True)
    assert isinstance(claimed, Claim)
    world.lanes.park(claimed.lease, "why")
    with pytest.raises(SessionParked):
        extend(world)
    assert world.kato.sessions[name].prolonged == []


def test_nothing_comes_of_one_that_is_not_known(world: World) -> None:
    assert world.caretaker.extend("a") is Care.LEFT
    with pytest.raises(UnknownSession):
        extend(world)
    assert world.registry.get("a") is None
