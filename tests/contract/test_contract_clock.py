"""A store's clock that is set forward or back ends nothing early, and keeps nothing for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest
import redis
from lane_steps import KEY, append, claim

from kato_tasks.clock import SteadyClock
from kato_tasks.keys import Keys
from kato_tasks.lanes import RedisLanes
from kato_tasks.lives import Index, RedisLives
from kato_tasks.models import Bound, Looks, Rest, SessionState
from kato_tasks.registry import RedisRegistry
from kato_tasks.scripts import Call, Runner
from kato_tasks.scripts.life_calls import Reading
from kato_tasks.settings import Settings

R = TypeVar("R")
HOUR = 3_600
pytestmark = pytest.mark.with_settings(shards=1)


@dataclass
class OwnClock:
    """A process's own clock, which nobody sets."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Jumping(Runner):
    """Reaches a store whose clock jumps: what it showed before is off by as much.

    Attributes:
        jump: By how many seconds the clock will have been set forward at the next look.
    """

    jump = 0.0

    def run_all(self, calls: Sequence[Call[R]], *, command_ids: Sequence[str] = ()) -> list[R]:
        before = round(self.jump * 1000)
        return [
            replace(answer, wall_ms=answer.wall_ms - before)
            if isinstance(answer, Reading)
            else answer
            for answer in super().run_all(calls, command_ids=command_ids)
        ]


@pytest.fixture
def jumping(store: redis.Redis, settings: Settings) -> Jumping:
    return Jumping(store, settings.redis_url)


@pytest.fixture
def offset(store: redis.Redis, settings: Settings) -> Callable[[], float]:
    """Tells how far the store's wall clock is off the steady one, in seconds."""
    key = Keys(prefix=settings.prefix, shards=1).clock(0)
    return lambda: int(store.get(key) or 0) / 1000


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_is_found_and_taken_out(
    jumping: Jumping, settings: Settings, offset: Callable[[], float], jump: float
) -> None:
    clock = SteadyClock(jumping, settings, OwnClock())
    jumping.jump = jump
    assert not clock.tick()
    jumping.jump = 0.0
    assert clock.tick()
    assert offset() == pytest.approx(-jump, abs=1)
    assert not clock.tick()


def test_two_processes_take_it_out_once(
    jumping: Jumping, settings: Settings, offset: Callable[[], float]
) -> None:
    clocks = [SteadyClock(jumping, settings, OwnClock()) for _ in range(2)]
    jumping.jump = HOUR
    assert not any(clock.tick() for clock in clocks)
    jumping.jump = 0.0
    first, second = clocks
    assert first.tick()
    assert not second.tick()
    assert offset() == pytest.approx(-HOUR, abs=1)


@pytest.mark.parametrize("passed", [9.0, -9.0])
def test_what_a_slow_answer_may_cost_is_none(
    runner: Runner, settings: Settings, offset: Callable[[], float], passed: float
) -> None:
    own = OwnClock()
    clock = SteadyClock(runner, settings, own)
    clock.tick()
    own.seconds += passed
    assert not clock.tick()
    assert offset() == 0


def test_nothing_is_concluded_from_a_look_that_took_long(
    jumping: Jumping, settings: Settings, offset: Callable[[], float]
) -> None:
    """A store that stood still reads its clock when it goes on, long after it was asked."""
    times = iter([0.0, 0.0, 1.0, 40.0, 41.0, 41.0, 42.0, 42.0])
    clock = SteadyClock(jumping, settings, lambda: next(times))
    jumping.jump = 40
    assert not clock.tick()
    jumping.jump = 0.0
    assert not clock.tick()
    assert not clock.tick()
    assert not clock.tick()
    assert offset() == 0


def test_nothing_is_concluded_from_an_old_look(
    runner: Runner, settings: Settings, offset: Callable[[], float]
) -> None:
    own = OwnClock()
    clock = SteadyClock(runner, settings, own)
    clock.tick()
    own.seconds += 61
    assert not clock.tick()
    assert offset() == 0


class TestBySteadyTime:
    """A clock that was set forward by an hour has an offset of an hour back, and so on."""

    @pytest.fixture
    def set_clock(self, store: redis.Redis, settings: Settings) -> Callable[[float], None]:
        key = Keys(prefix=settings.prefix, shards=1).clock(0)

        def set_clock(seconds: float) -> None:
            store.set(key, round(seconds * 1000))

        return set_clock

    @pytest.fixture
    def lanes(self, runner: Runner, settings: Settings) -> RedisLanes:
        return RedisLanes(runner, settings)

    @pytest.fixture
    def lives(self, runner: Runner, settings: Settings) -> RedisLives:
        return RedisLives(runner, settings)

    def bound(self, lanes: RedisLanes, lives: RedisLives) -> None:
        """Bind a session that ends in ten minutes, and is looked at in five."""
        append(lanes, "x")
        claimed = claim(lanes)
        looks = Looks(idle=300.0, refresh=300.0)
        to = Bound(session_id="sid", lifetime=600, ends=600.0, looks=looks)
        assert lanes.bind(claimed.lease, to) is not None
        assert lives.keep(KEY, alive=True)

    def test_it_is_looked_at_and_over_in_time(
        self,
        lanes: RedisLanes,
        lives: RedisLives,
        runner: Runner,
        settings: Settings,
        set_clock: Callable[[float], None],
    ) -> None:
        registry = RedisRegistry(runner, settings)
        self.bound(lanes, lives)
        for seconds, due, state in (
            (-HOUR, [], SessionState.ACTIVE),
            (0, [], SessionState.ACTIVE),
            (299, [], SessionState.ACTIVE),
            (301, [(KEY,)], SessionState.IDLE),
            (601, [(KEY,)], SessionState.EXPIRED),
        ):
            set_clock(seconds)
            record = registry.get(KEY)
            assert record is not None
            assert (lives.due(Index.IDLE, most=9), record.state) == (due, state)

    def test_a_lane_is_taken_up_in_time(
        self, lanes: RedisLanes, settings: Settings, set_clock: Callable[[float], None]
    ) -> None:
        append(lanes, "x")
        assert lanes.overdue() == ()
        set_clock(settings.wake_grace + 1)
        assert lanes.overdue() == (KEY,)

    def test_a_use_is_noted_in_steady_time(
        self,
        lanes: RedisLanes,
        lives: RedisLives,
        runner: Runner,
        settings: Settings,
        set_clock: Callable[[float], None],
    ) -> None:
        registry = RedisRegistry(runner, settings)
        self.bound(lanes, lives)
        set_clock(-HOUR)
        assert lives.touch(KEY)
        record = registry.get(KEY)
        assert record is not None
        assert record.active_at == pytest.approx(record.created_at - HOUR, abs=5)
        claimed = lanes.claim(KEY, most=1, idle=True)
        assert claimed is not None

    def test_a_rest_is_noted_in_steady_time(
        self, lanes: RedisLanes, lives: RedisLives, set_clock: Callable[[float], None]
    ) -> None:
        lanes.append([])
        append(lanes, "x")
        claimed = claim(lanes)
        lease = lanes.bind(claimed.lease, Bound(session_id="sid"))
        assert lease is not None
        assert lives.freshen(lease)
        assert not lives.rest(lease, Rest(looks=Looks(idle=0.0)))
        set_clock(1)
        assert lives.due(Index.IDLE, most=9) == []
