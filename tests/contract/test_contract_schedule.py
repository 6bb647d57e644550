"""The schedule: one lease, and each tick once, by the store's clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
import redis
from lane_steps import LetPass

from kato_tasks.keys import Keys
from kato_tasks.schedule import RedisSchedule, Schedule, entries
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import MemorySchedule, MemoryStore

MINE: Final = "mine"
YOURS: Final = "yours"
LONG: Final = 900.0


def hold(schedule: Schedule, token: str = MINE, seconds: float = LONG) -> bool:
    return schedule.hold(token, f"{token}:7", seconds)


def test_one_holds_the_lease_and_may_renew_it(schedule: Schedule) -> None:
    assert [hold(schedule), hold(schedule, YOURS), hold(schedule)] == [True, False, True]


def test_the_lease_of_one_that_was_killed_ends(schedule: Schedule, let_pass: LetPass) -> None:
    """And who had it finds that it is another's now."""
    assert hold(schedule, seconds=0.05)
    let_pass(0.06)
    assert schedule.fire(MINE, "sweep", LONG) is None
    assert hold(schedule, YOURS)
    assert not hold(schedule)
    assert schedule.fire(MINE, "sweep", LONG) is None
    assert schedule.fire(YOURS, "sweep", LONG) == 0.0


def test_a_renewed_lease_lasts_on(schedule: Schedule, let_pass: LetPass) -> None:
    assert hold(schedule, seconds=0.6)
    let_pass(0.4)
    assert hold(schedule, seconds=0.6)
    let_pass(0.3)
    assert not hold(schedule, YOURS)


def test_who_gives_the_lease_back_has_it_no_more(schedule: Schedule) -> None:
    hold(schedule)
    assert not schedule.release(YOURS)
    assert schedule.release(MINE)
    assert not schedule.release(MINE)
    assert schedule.fire(MINE, "sweep", LONG) is None
    assert hold(schedule, YOURS)


def test_nobody_fires_without_the_lease(schedule: Schedule) -> None:
    assert schedule.fire(MINE, "sweep", LONG) is None
    hold(schedule, YOURS)
    assert schedule.fire(MINE, "sweep", LONG) is None
    assert schedule.view().runs[0].last is None


def test_an_entry_that_never_ran_is_due_and_then_waits(schedule: Schedule) -> None:
    hold(schedule)
    assert schedule.fire(MINE, "sweep", 100.0) == 0.0
    wait = schedule.fire(MINE, "sweep", 100.0)
    assert wait is not None
    assert 95.0 < wait <= 100.0
    assert schedule.fire(MINE, "another", 100.0) == 0.0


def test_a_tick_is_fired_once_by_whoever_holds_the_lease(
    schedule: Schedule, let_pass: LetPass
) -> None:
    """The next holder goes on where the last one was."""
    hold(schedule)
    assert schedule.fire(MINE, "sweep", 0.1) == 0.0
    schedule.release(MINE)
    hold(schedule, YOURS)
    assert schedule.fire(YOURS, "sweep", LONG)
    let_pass(0.11)
    assert schedule.fire(YOURS, "sweep", 0.1) == 0.0


def test_after_a_long_pause_one_tick_fires(schedule: Schedule, let_pass: LetPass) -> None:
    hold(schedule)
    assert schedule.fire(MINE, "sweep", 0.05) == 0.0
    let_pass(0.25)
    assert schedule.fire(MINE, "sweep", 0.05) == 0.0
    assert schedule.fire(MINE, "sweep", LONG)


def test_of_many_threads_one_has_the_lease_and_one_the_tick(schedule: Schedule) -> None:
    tokens = [str(number) for number in range(16)] * 4
    with ThreadPoolExecutor(16) as pool:
        held = set(pool.map(lambda token: (hold(schedule, token), token), tokens))
        [holder] = [token for had, token in held if had]
        fired = list(pool.map(lambda token: schedule.fire(token, "sweep", LONG), tokens))
    assert [fired.count(0.0), fired.count(None)] == [1, 60]
    assert schedule.release(holder)


@pytest.mark.with_settings(beat_sweep_interval=300)
def test_it_can_be_seen(schedule: Schedule, settings: Settings) -> None:
    before = schedule.view()
    assert (before.holder, before.until) == (None, None)
    assert [run.entry for run in before.runs] == list(entries(settings))
    assert before.runs[0].last is None
    hold(schedule)
    schedule.fire(MINE, "sweep", 300)
    view = schedule.view()
    last = view.runs[0].last
    assert (view.holder, last is not None) == ("mine:7", True)
    assert last is not None
    assert view.until is not None
    assert view.runs[0].next == last + 300
    assert abs(view.until - last - LONG) < 5
    assert abs(before.runs[0].next - last) < 5
    schedule.release(MINE)
    assert (schedule.view().holder, schedule.view().runs[0].last) == (None, last)


def check_fires_at_once_and_then_waits(schedule: Schedule) -> None:
    """As an entry does whose last run lies in the future."""
    run = schedule.view().runs[0]
    assert run.last is not None
    assert run.next < run.last
    assert schedule.fire(MINE, "sweep", 300) == 0.0
    wait = schedule.fire(MINE, "sweep", 300)
    assert wait is not None
    assert 295 < wait <= 300


def test_a_clock_that_was_set_back_stops_nothing(
    runner: Runner, settings: Settings, store: redis.Redis
) -> None:
    schedule = RedisSchedule(runner, settings)
    hold(schedule)
    schedule.fire(MINE, "sweep", 300)
    runs = Keys(prefix=settings.prefix, shards=settings.shards).schedule_runs
    store.hincrby(runs, "sweep", 3_600_000)
    check_fires_at_once_and_then_waits(schedule)


def test_nor_does_it_in_the_twin(settings: Settings) -> None:
    memory = MemoryStore()
    schedule = MemorySchedule(memory, settings)
    hold(schedule)
    schedule.fire(MINE, "sweep", 300)
    memory.advance(-3_600)
    check_fires_at_once_and_then_waits(schedule)


def test_the_lease_has_a_lifetime_and_the_last_runs_stay(
    runner: Runner, settings: Settings, store: redis.Redis
) -> None:
    schedule = RedisSchedule(runner, settings)
    hold(schedule, seconds=30)
    schedule.fire(MINE, "sweep", 300)
    keys = Keys(prefix=settings.prefix, shards=settings.shards)
    assert 0 < float(store.pttl(keys.schedule_lease)) / 1000 <= 30
    assert store.ttl(keys.schedule_runs) == -1
