"""Finding lanes with work that nobody works on."""

from __future__ import annotations

import pytest
from lane_steps import KEY, LetPass, append, claim, deliver

from kato_tasks.delivery import sweep
from kato_tasks.lanes import Lanes
from kato_tasks.registry import Registry
from kato_tasks.testing import RecordingWake

SHORT_GRACE = pytest.mark.with_settings(wake_grace=0.1)
SHORT_LEASE = pytest.mark.with_settings(wake_grace=0.1, lease=0.2)


@SHORT_GRACE
def test_a_lost_wake_up_is_found_once_per_grace(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    assert lanes.overdue() == ()
    let_pass(0.11)
    assert lanes.overdue() == (KEY,)
    assert lanes.overdue() == ()
    let_pass(0.11)
    assert lanes.overdue() == (KEY,)


@SHORT_GRACE
def test_a_lane_at_work_is_not_overdue(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    claim(lanes)
    let_pass(0.11)
    assert lanes.overdue() == ()


@pytest.mark.with_settings(lease=0.4, wake_grace=0.01)
def test_a_lane_at_work_for_longer_than_a_lease_is_not_overdue(
    lanes: Lanes, let_pass: LetPass
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    let_pass(0.22)
    assert lanes.renew(claimed.lease)
    let_pass(0.22)
    assert lanes.overdue() == ()


@SHORT_GRACE
def test_an_empty_lane_is_not_overdue(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    deliver(lanes, 1)
    let_pass(0.11)
    assert lanes.overdue() == ()


@SHORT_LEASE
def test_a_lane_whose_worker_died_is_overdue(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    claim(lanes)
    let_pass(0.21)
    assert lanes.overdue() == (KEY,)


@SHORT_LEASE
def test_a_lane_at_work_is_looked_at_again_when_its_lease_has_run_out(
    lanes: Lanes, let_pass: LetPass
) -> None:
    """Renewed meanwhile or not: whoever dies then is missed for no longer than that."""
    append(lanes, "x")
    claimed = claim(lanes)
    let_pass(0.12)
    assert lanes.renew(claimed.lease)
    let_pass(0.12)
    assert lanes.overdue() == ()
    let_pass(0.12)
    assert lanes.overdue() == (KEY,)


def test_a_lane_released_without_a_pause_is_overdue_at_once(lanes: Lanes) -> None:
    append(lanes, "x")
    lanes.release(claim(lanes).lease)
    assert lanes.overdue() == (KEY,)


def test_a_pause_hides_a_lane_until_it_is_over(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    lanes.release(claim(lanes).lease, pause=0.1)
    assert lanes.overdue() == ()
    let_pass(0.11)
    assert lanes.overdue() == (KEY,)


@SHORT_GRACE
def test_what_a_turn_has_left_is_overdue_after_the_grace(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x", "y")
    deliver(lanes, 1, more=0)
    assert lanes.overdue() == ()
    let_pass(0.11)
    assert lanes.overdue() == (KEY,)


@pytest.mark.with_settings(sweep_lanes=2, shards=1)
def test_one_look_is_bounded_and_takes_the_longest_waiting_first(
    lanes: Lanes, let_pass: LetPass
) -> None:
    for key in ("c", "b", "a"):
        append(lanes, "x", key=key)
        lanes.release(claim(lanes, key).lease)
        let_pass(0.002)
    assert lanes.overdue() == ("c", "b")
    assert lanes.overdue() == ("a",)


@pytest.mark.with_settings(shards=3)
def test_a_look_covers_every_shard(lanes: Lanes) -> None:
    keys = {f"key-{number}" for number in range(20)}
    for key in keys:
        append(lanes, "x", key=key)
        lanes.release(claim(lanes, key).lease)
    assert set(lanes.overdue()) == keys


def test_a_sweep_calls_to_what_it_finds_and_to_nothing_else(lanes: Lanes) -> None:
    wake = RecordingWake()
    assert sweep(lanes, wake) == 0
    assert wake.calls == []
    append(lanes, "x")
    lanes.release(claim(lanes).lease)
    assert sweep(lanes, wake) == 1
    assert wake.calls == [(KEY,)]


@pytest.mark.with_settings(retention=0.05)
def test_sessions_whose_record_has_run_out_are_forgotten(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    """Those with commands that still wait stay."""
    append(lanes, "x", key="waits")
    append(lanes, "x", key="gone")
    deliver(lanes, 1, key="gone")
    let_pass(1.1)
    assert lanes.forget() == 1
    assert [record.key for record in registry.recent(limit=10)] == ["waits"]
    assert registry.stats().sessions == 1


def test_sessions_in_use_are_not_forgotten(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    deliver(lanes, 1)
    assert lanes.forget() == 0
    assert registry.stats().sessions == 1
