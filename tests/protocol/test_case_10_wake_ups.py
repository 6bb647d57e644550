"""A wake-up is a hint: lost, doubled or late it costs time, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from conftest import MakeWorld
from protocol_server import Fault
from protocol_world import ProtocolWorld

from kato_tasks.delivery import sweep
from kato_tasks.models import Kind, Turn
from kato_tasks.testing import RecordingWake, wait_until

KEYS = [f"k{number}" for number in range(8)]


@pytest.fixture
def quick(make_world: MakeWorld) -> ProtocolWorld:
    """A world whose sweep looks after a lane soon."""
    return make_world(wake_grace=0.05, lease=0.1)


def swept(world: ProtocolWorld) -> list[str]:
    wake = RecordingWake()
    sweep(world.lanes, wake)
    return wake.keys


def test_a_lane_whose_wake_up_was_lost_is_called_to_by_the_sweep(quick: ProtocolWorld) -> None:
    assert quick.observe("a", "0").wake
    wait_until(lambda: swept(quick) == ["a"])
    assert quick.turn("a") is Turn.DONE
    assert quick.verdict() == []


def test_a_lane_of_a_dead_worker_is_called_to_when_its_lease_is_over(
    quick: ProtocolWorld,
) -> None:
    quick.observe("a", "0")
    assert quick.freeze("a", "before observe", keeps_lease=True).thaw(dies=True) is None
    wait_until(lambda: swept(quick) == ["a"])
    quick.finish()
    assert quick.verdict() == []


def test_a_lane_that_was_put_off_is_called_to_later(quick: ProtocolWorld) -> None:
    quick.observe("a", "0")
    quick.kato.faults.append(Fault.AWAY)
    assert quick.deliver("a") is Turn.PAUSED
    wait_until(lambda: swept(quick) == ["a"])
    assert quick.turn("a") is Turn.DONE
    assert quick.verdict() == []


def test_of_several_sweeps_at_a_time_one_calls_to_a_lane(make_world: MakeWorld) -> None:
    world = make_world(wake_grace=1.0)
    for key in KEYS:
        world.observe(key, "0")
    found: set[str] = set()

    def all_found() -> bool:
        with ThreadPoolExecutor(4) as pool:
            keys = [key for some in pool.map(lambda _: swept(world), range(4)) for key in some]
        assert len(keys) == len(set(keys))
        found.update(keys)
        return found == set(KEYS)

    wait_until(all_found)


def test_a_doubled_wake_up_finds_somebody_at_work_or_nothing_to_do(world: ProtocolWorld) -> None:
    world.observe("a", "0", "1")
    frozen = world.freeze("a", "before observe_sequence", keeps_lease=True)
    assert world.turn("a") is Turn.BUSY
    assert frozen.thaw() is Turn.DONE
    assert world.turn("a") is Turn.DONE
    assert world.kato.verbs().count("observe_sequence") == 1
    assert world.verdict() == []


def test_many_wake_ups_at_a_time_deliver_once(world: ProtocolWorld) -> None:
    for key in KEYS:
        world.observe(key, *"0123456")
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(world.turn, KEYS * 4))
    assert set(turns) <= {Turn.DONE, Turn.BUSY}
    world.drain()
    assert world.verdict() == []


def test_a_wake_up_for_nobody_does_nothing(world: ProtocolWorld) -> None:
    assert world.turn("stranger") is Turn.UNKNOWN
    assert world.kato.calls == []


def test_what_is_appended_between_any_two_steps_is_delivered_without_a_sweep(
    make_world: MakeWorld,
) -> None:
    """While a lane is claimed, settled or given back: either its worker sees it, or is called."""
    for number in count():
        world = make_world(turn=0.0 if number % 2 else 2.0)
        world.observe("a", "0", "1")
        called: list[bool] = []

        def late(world: ProtocolWorld = world, called: list[bool] = called) -> None:
            called.append(world.observe("a", "late").wake)

        world.steps = {number: late}
        turn = world.deliver("a")
        while turn is Turn.MORE or any(called):
            called.clear()
            turn = world.turn("a")
        assert world.verdict() == [], f"step {number}: {world.trace}"
        if number >= len(world.trace):
            break
    assert number > 15


def test_what_is_appended_while_a_session_ends_is_delivered_to_the_next(
    make_world: MakeWorld,
) -> None:
    for number in count():
        world = make_world()
        world.observe("a", "0")
        world.append("a", Kind.DELETE)
        called: list[bool] = []

        def late(world: ProtocolWorld = world, called: list[bool] = called) -> None:
            called.append(world.observe("a", "late").wake)

        world.steps = {number: late}
        turn = world.deliver("a")
        while turn is Turn.MORE or any(called):
            called.clear()
            turn = world.turn("a")
        assert world.verdict() == [], f"step {number}: {world.trace}"
        if number >= len(world.trace):
            break
    assert number > 15
