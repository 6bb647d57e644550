"""The guide's SessionTracker, by the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from guide_world import stand_in
from memory_world import World

from kato_tasks import InvalidInput, SessionState, SessionTracker
from kato_tasks.lives import Index
from kato_tasks.models import Claim

TTL = 1_000
DAY = 86_400


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World() as opened:
        stand_in(monkeypatch, opened)
        yield opened


@pytest.fixture
def tracker(world: World) -> Iterator[SessionTracker]:
    del world
    with SessionTracker() as made:
        yield made


@pytest.mark.parametrize(
    ("passed", "state"),
    [
        (0, SessionState.ACTIVE),
        (300, SessionState.ACTIVE),
        (300.001, SessionState.IDLE),
        (800, SessionState.IDLE),
        (800.001, SessionState.EXPIRING),
        (1_000, SessionState.EXPIRING),
        (1_000.001, SessionState.EXPIRED),
    ],
)
@pytest.mark.parametrize("at_a_server", [False, True])
def test_the_limits_are_the_guides_and_strict(
    *, world: World, tracker: SessionTracker, passed: float, state: SessionState, at_a_server: bool
) -> None:
    if at_a_server:
        world.session(ttl=TTL).create()
        world.deliver_all()
    tracker.track_session("a", TTL)
    world.store.advance(passed)
    assert tracker.get_session_state("a") is state


@pytest.mark.parametrize("days", [1, 2, 400])
def test_whole_days_count(world: World, tracker: SessionTracker, days: int) -> None:
    """The guide takes the seconds of a day alone, so a session of a day ago was active."""
    tracker.track_session("a", 2_000)
    world.store.advance(days * DAY + 1)
    assert tracker.get_session_state("a") is SessionState.EXPIRED


def test_one_that_is_not_tracked_is_expired(tracker: SessionTracker) -> None:
    assert tracker.get_session_state("nobody") is SessionState.EXPIRED


def test_an_update_is_a_use(world: World, tracker: SessionTracker) -> None:
    tracker.track_session("a", TTL)
    for _ in range(3):
        world.store.advance(TTL - 1)
        assert tracker.get_session_state("a") is SessionState.EXPIRING
        tracker.update_activity("a")
        assert tracker.get_session_state("a") is SessionState.ACTIVE


def test_an_update_of_one_that_is_not_known_is_ignored(
    world: World, tracker: SessionTracker
) -> None:
    tracker.update_activity("nobody")
    assert world.registry.get("nobody") is None


def test_tracking_asks_no_server_and_calls_no_worker(world: World, tracker: SessionTracker) -> None:
    tracker.track_session("a", TTL)
    assert (world.kato.calls, world.wake.calls) == ([], [])
    assert world.deliver_all().value == "done"
    assert world.kato.calls == []


def test_its_first_command_makes_it_with_that_time(world: World, tracker: SessionTracker) -> None:
    tracker.track_session("a", TTL)
    world.session().observe(["x"])
    world.deliver_all()
    assert world.record().life.lifetime == TTL
    assert tracker.get_session_state("a") is SessionState.ACTIVE


def test_one_that_is_known_has_its_own_time(world: World, tracker: SessionTracker) -> None:
    """Its server counts from its last write: to be tracked gives it no more time (kato-api 2)."""
    world.session(node="shop", ttl=TTL).create()
    world.deliver_all()
    world.store.advance(TTL - 1)
    tracker.track_session("a", 5)
    assert world.record().spec.ttl == TTL
    assert tracker.get_session_state("a") is SessionState.EXPIRING


def test_other_states_are_told_as_they_are(world: World, tracker: SessionTracker) -> None:
    world.session().observe(["x"])
    world.deliver_all()
    world.store.advance(world.settings.idle_after + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    assert tracker.get_session_state("a") is SessionState.HIBERNATED
    claimed = world.lanes.claim("a", most=1, idle=True)
    assert isinstance(claimed, Claim)
    world.lanes.park(claimed.lease, "why")
    assert tracker.get_session_state("a") is SessionState.PARKED
    world.session("b").observe(["x"])
    world.session("b").delete()
    world.deliver_all("b")
    tracker.track_session("b", TTL)
    assert tracker.get_session_state("b") is SessionState.ENDED


def test_the_limits_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with World(idle_seconds=10, expiring_share=0.5) as world:
        stand_in(monkeypatch, world)
        tracker = SessionTracker()
        tracker.track_session("a", TTL)
        world.store.advance(11)
        assert tracker.get_session_state("a") is SessionState.IDLE
        world.store.advance(490)
        assert tracker.get_session_state("a") is SessionState.EXPIRING


@pytest.mark.parametrize("ttl", [0, -1, 1.5, "60", True])
def test_a_time_that_is_none_is_refused(world: World, tracker: SessionTracker, ttl: int) -> None:
    with pytest.raises(InvalidInput, match="ttl is"):
        tracker.track_session("a", ttl)
    assert world.registry.get("a") is None


def test_a_key_that_is_none_is_refused(tracker: SessionTracker) -> None:
    with pytest.raises(InvalidInput, match="session key is empty"):
        tracker.track_session("", TTL)
    with pytest.raises(InvalidInput, match="session key is empty"):
        tracker.update_activity("")
    with pytest.raises(InvalidInput, match="session key is empty"):
        tracker.get_session_state("")
