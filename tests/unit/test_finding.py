"""Lanes by what becomes of them."""

from __future__ import annotations

import pytest
from memory_world import World

from kato_tasks.models import Claim, SessionState
from kato_tasks.sessions import LaneState, find_lanes
from kato_tasks.testing import MemoryViews


def claimed(world: World, key: str) -> Claim:
    claim = world.lanes.claim(key, most=1)
    assert isinstance(claim, Claim)
    return claim


def lanes_of_all_kinds(world: World) -> None:
    """One lane that is delivered, one that waits, one in doubt, one parked, one parked and idle."""
    for key in ("done", "waits", "doubt", "parked"):
        world.session(key).observe(["x"])
    world.deliver_all("done")
    world.lanes.release(claimed(world, "doubt").lease, pause=60, doubt="the answer was lost")
    world.lanes.park(claimed(world, "parked").lease, "an anomaly")


@pytest.mark.parametrize(
    ("state", "keys"),
    [
        (LaneState.READY, ["waits", "doubt"]),
        (LaneState.DOUBT, ["doubt"]),
        (LaneState.PARKED, ["parked"]),
        (LaneState.WAITING, ["doubt", "parked", "waits"]),
        (None, ["doubt", "parked", "waits"]),
    ],
)
def test_lanes_are_found_by_what_becomes_of_them(state: LaneState | None, keys: list[str]) -> None:
    with World() as world:
        lanes_of_all_kinds(world)
        views = MemoryViews(world.store)
        found = [lane.record.key for lane in find_lanes(world.registry, views, state, limit=9)]
        assert (found if state is LaneState.READY else sorted(found)) == keys
        assert len(find_lanes(world.registry, views, state, limit=1)) == 1


def test_a_found_lane_tells_when_the_sweep_looks_at_it() -> None:
    with World() as world:
        lanes_of_all_kinds(world)
        lanes = find_lanes(world.registry, MemoryViews(world.store), None, limit=9)
        found = {lane.record.key: lane for lane in lanes}
        assert found["parked"].next_look is None
        assert found["doubt"].next_look == world.store.now_ms / 1000 + 60
        assert found["doubt"].record.state is SessionState.DOUBT


def test_a_session_in_doubt_with_nothing_to_do_is_found_too() -> None:
    with World() as world:
        world.session("idle").observe(["x"])
        world.deliver_all("idle")
        world.store.entry("idle").suspect = "the store was restarted"
        [lane] = find_lanes(world.registry, MemoryViews(world.store), None, limit=9)
        assert (lane.record.waiting, lane.next_look) == (0, None)
