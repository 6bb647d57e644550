"""Reading what is known of the sessions."""

from __future__ import annotations

import pytest
from lane_steps import KEY, LetPass, append, claim, deliver, group, intend, request, settlement

from kato_tasks.lanes import Lanes
from kato_tasks.models import (
    Bound,
    Outcome,
    PredictionMode,
    Progress,
    SessionRecord,
    SessionSpec,
    SessionState,
)
from kato_tasks.registry import Registry, Stats

FULL = SessionSpec(
    node="nöde\n",
    instance="default",
    config={"max_pattern_length": 3, "filter_pipeline": ["length"], "recall_threshold": 0.5},
    ttl=60,
    tags=("a", "ü"),
    predictions=PredictionMode.ALWAYS,
)


def test_nothing_is_known_of_a_session_before_its_first_use(registry: Registry) -> None:
    assert registry.get(KEY) is None
    assert registry.progress(KEY) is None
    assert registry.outcomes(KEY, 1, 1).get(1) is None
    assert registry.recent(limit=10) == []
    assert list(registry.walk()) == []
    assert registry.stats() == Stats()


def test_a_record_tells_all_of_a_session(lanes: Lanes, registry: Registry) -> None:
    lanes.append([request("schlüssel 1", group("x", "y"), spec=FULL)])
    claimed = claim(lanes, "schlüssel 1")
    assert claimed.spec == FULL
    lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    record = registry.get("schlüssel 1")
    assert record is not None
    assert record == SessionRecord(
        key="schlüssel 1",
        spec=FULL,
        state=SessionState.ACTIVE,
        session_id="sid-1",
        time=0,
        epoch=1,
        appended=2,
        applied=0,
        created_at=record.created_at,
        active_at=record.created_at,
        life=record.life,
    )


def test_progress_tells_how_far_a_lane_has_come(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x", "y", "z")
    deliver(lanes, 2)
    assert registry.progress(KEY) == Progress(appended=3, applied=2)


def test_an_outcome_may_hold_any_text(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    said = Outcome(refusal='a "quoted"\nline with spaces, ü and {json}')
    deliver(lanes, 1, outcome=said)
    assert registry.outcomes(KEY, 1, 1).get(1) == said


def test_the_latest_used_sessions_come_first_page_by_page(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    for key in ("a", "b", "c", "d"):
        append(lanes, "x", key=key)
        let_pass(0.002)
    append(lanes, "y", key="a")
    assert [record.key for record in registry.recent(limit=10)] == ["a", "d", "c", "b"]
    assert [record.key for record in registry.recent(limit=2)] == ["a", "d"]
    assert [record.key for record in registry.recent(limit=2, offset=1)] == ["d", "c"]
    assert registry.recent(limit=2, offset=4) == []


def test_sessions_used_in_the_same_millisecond_come_in_one_order(
    lanes: Lanes, registry: Registry
) -> None:
    keys = [f"key-{number}" for number in range(9)]
    lanes.append([request(key) for key in keys])
    whole = [record.key for record in registry.recent(limit=9)]
    paged = [registry.recent(limit=1, offset=at)[0].key for at in range(9)]
    assert paged == whole
    assert sorted(whole) == keys


def test_a_walk_meets_every_session(lanes: Lanes, registry: Registry) -> None:
    keys = {f"key-{number}" for number in range(700)}
    lanes.append([request(key) for key in keys])
    assert {record.key for record in registry.walk()} == keys


def test_counters_add_up_over_sessions_and_shards(lanes: Lanes, registry: Registry) -> None:
    for number in range(5):
        append(lanes, "x", key=f"key-{number}")
        deliver(lanes, 1, key=f"key-{number}", counts={"calls": 1, "latency:8": 1, "latency:0": 2})
    append(lanes, "y", key="key-0")
    assert registry.stats() == Stats(
        counts={"calls": 5}, latency={8: 5, 0: 10}, ready=1, sessions=5
    )


@pytest.mark.with_settings(retention=0.1)
def test_a_record_goes_after_its_time_but_never_with_work_waiting(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    append(lanes, "x", key="waiting")
    append(lanes, "x", key="again")
    deliver(lanes, 1, key="again")
    append(lanes, "y", key="again")
    append(lanes, "x", key="done")
    deliver(lanes, 1, key="done")
    let_pass(0.11)
    assert registry.get("done") is None
    assert {record.key for record in registry.walk()} == {"waiting", "again"}
    assert append(lanes, "y", key="done").groups[0].first == 1


def test_a_delivery_counts_as_use(lanes: Lanes, registry: Registry, let_pass: LetPass) -> None:
    append(lanes, "x", key="a")
    let_pass(0.002)
    append(lanes, "x", key="b")
    let_pass(0.002)
    claimed = claim(lanes, "a")
    assert intend(lanes, claimed)
    lanes.settle(claimed.lease, settlement(claimed))
    assert [record.key for record in registry.recent(limit=10)] == ["a", "b"]
