"""What people see of lanes."""

from __future__ import annotations

from lane_steps import KEY, LetPass, append, claim, deliver, end, intend

from kato_tasks.lanes import Lanes
from kato_tasks.models import Intent, Keep, Kind
from kato_tasks.settings import Settings
from kato_tasks.views import Views


def test_nothing_is_seen_of_an_unknown_session(views: Views) -> None:
    assert views.lane(KEY, commands=5) is None
    assert views.ready(limit=5) == []
    assert views.next_looks([]) == views.next_looks([KEY]) == {}


def test_the_first_commands_that_wait_are_seen(lanes: Lanes, views: Views) -> None:
    append(lanes, "x", "y", "z")
    deliver(lanes, 1, keep=Keep.COMMANDS)
    lane = views.lane(KEY, commands=1)
    assert lane is not None
    assert (lane.applied, lane.journal, lane.leased, lane.intent) == (1, 1, False, None)
    assert [command.payload for command in lane.commands] == [b"y"]
    for commands, seen in ((0, 0), (2, 2), (9, 2)):
        lane = views.lane(KEY, commands=commands)
        assert lane is not None
        assert len(lane.commands) == seen


def test_a_call_that_is_under_way_is_seen(lanes: Lanes, views: Views) -> None:
    append(lanes, "x", "y")
    claimed = claim(lanes)
    assert intend(lanes, claimed, 2)
    lane = views.lane(KEY, commands=0)
    assert lane is not None
    assert lane.intent == Intent(first=1, count=2, kind=Kind.OBSERVE, time=0, session_id="")
    assert lane.intent_at * 1000 >= claimed.now_ms
    assert lane.leased
    assert lanes.release(claimed.lease)
    lane = views.lane(KEY, commands=0)
    assert lane is not None
    assert (lane.leased, lane.intent, lane.intent_at) == (False, None, 0)


def test_when_the_sweep_looks_at_a_lane(lanes: Lanes, views: Views, settings: Settings) -> None:
    append(lanes, "x")
    append(lanes, "x", key="b")
    first = claim(lanes)
    assert lanes.release(first.lease, pause=3)
    lane = views.lane(KEY, commands=0)
    assert lane is not None
    assert lane.next_look is not None
    assert 3 <= lane.next_look - first.now_ms / 1000 < 3 + settings.wake_grace
    looks = views.next_looks([KEY, "b", "nobody"])
    assert looks[KEY] == lane.next_look
    assert set(looks) == {KEY, "b"}


def test_a_lane_without_work_has_no_next_look(lanes: Lanes, views: Views) -> None:
    append(lanes, "x")
    end(lanes)
    lane = views.lane(KEY, commands=5)
    assert lane is not None
    assert (lane.next_look, lane.commands) == (None, ())


def test_lanes_with_work_come_in_the_order_of_the_sweep(
    lanes: Lanes, views: Views, let_pass: LetPass
) -> None:
    for key in ("c", "a", "b"):
        append(lanes, "x", key=key)
        let_pass(0.002)
    assert lanes.release(claim(lanes, "a").lease, pause=60)
    assert views.ready(limit=9) == ["c", "b", "a"]
    assert views.ready(limit=2) == ["c", "b"]
    assert views.ready(limit=0) == []
    assert lanes.park(claim(lanes, "b").lease, "why")
    assert views.ready(limit=9) == ["c", "a"]
