"""Parking lanes, and letting them go on."""

from __future__ import annotations

import pytest
from lane_steps import KEY, append, claim, foreign, intend, payloads, request

from kato_tasks.lanes import Lanes
from kato_tasks.models import NoClaim, Outcome, Progress, SessionState
from kato_tasks.registry import Registry, Stats

REFUSED = Outcome(refusal="no")


def park(lanes: Lanes, *names: str, outcome: Outcome | None = None) -> None:
    append(lanes, *names)
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.park(claimed.lease, "why", outcome=outcome)


def test_nothing_is_sent_to_a_parked_lane_and_its_commands_stay(
    lanes: Lanes, registry: Registry
) -> None:
    park(lanes, "x")
    assert registry.stats() == Stats(counts={"parked": 1}, sessions=1)
    append(lanes, "y")
    assert lanes.claim(KEY, most=1) is NoClaim.PARKED
    assert registry.progress(KEY) == Progress(appended=2, applied=0, parked="why")
    record = registry.get(KEY)
    assert record is not None
    assert (record.state, record.parked) == (SessionState.PARKED, "why")
    assert lanes.overdue() == ()


def test_a_lane_is_parked_by_its_owner_only(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    assert not lanes.park(foreign(claim(lanes).lease), "why")
    assert registry.progress(KEY) == Progress(appended=1, applied=0)


def test_asking_for_a_parked_session_to_be_made_keeps_its_commands(
    lanes: Lanes, registry: Registry
) -> None:
    park(lanes, "x")
    lanes.append([request(KEY, bind=True)])
    assert registry.progress(KEY) == Progress(appended=1, applied=0, parked="why")


def test_after_an_anomaly_an_unparked_session_is_suspect(lanes: Lanes) -> None:
    park(lanes, "x")
    assert lanes.unpark(KEY)
    assert not lanes.unpark(KEY)
    claimed = claim(lanes)
    assert claimed.suspect == "unparked by hand"
    assert claimed.intent is not None


def test_a_command_that_parked_its_lane_stays_at_its_head(lanes: Lanes, registry: Registry) -> None:
    """So what waits behind it stays behind it, if it is sent again."""
    park(lanes, "x", "y", outcome=REFUSED)
    assert registry.stats().counts == {"parked": 1, "dead_lettered": 1}
    assert lanes.unpark(KEY)
    claimed = claim(lanes)
    assert payloads(claimed) == ["x", "y"]
    assert (claimed.intent, claimed.suspect) == (None, None)


def test_a_command_that_parked_its_lane_can_be_dropped(lanes: Lanes, registry: Registry) -> None:
    park(lanes, "x", "y", outcome=REFUSED)
    assert lanes.unpark(KEY, drop=True)
    assert registry.progress(KEY) == Progress(appended=2, applied=1)
    assert registry.outcomes(KEY, 1, 1) == {1: REFUSED}
    assert payloads(claim(lanes)) == ["y"]


@pytest.mark.parametrize("drop", [False, True])
def test_a_lane_that_is_not_parked_stays_as_it_is(lanes: Lanes, *, drop: bool) -> None:
    append(lanes, "x")
    assert not lanes.unpark(KEY, drop=drop)
    assert not lanes.unpark("nobody", drop=drop)
    assert payloads(claim(lanes)) == ["x"]
