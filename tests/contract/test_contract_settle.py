"""Settling calls, giving leases back, holding sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lane_steps import (
    KEY,
    LetPass,
    append,
    claim,
    deliver,
    end,
    foreign,
    group,
    intend,
    payloads,
    request,
    settlement,
)

from kato_tasks.lanes import Lanes
from kato_tasks.models import Bound, Kind, NoClaim, Outcome, Progress, SessionState
from kato_tasks.registry import Registry


def test_settling_takes_out_just_what_was_sent_and_answers_the_next(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "u", "v", "w", "x", "y")
    claimed = claim(lanes, most=2)
    assert intend(lanes, claimed, 2)
    settled = lanes.settle(claimed.lease, settlement(claimed, 2, time=2, more=2))
    assert settled is not None
    lease, commands = settled
    assert lease == claimed.lease
    assert [command.payload for command in commands] == [b"w", b"x"]
    record = registry.get(KEY)
    assert record is not None
    assert (record.applied, record.time, record.waiting) == (2, 2, 3)
    assert lanes.claim(KEY, most=1) is NoClaim.BUSY


def test_a_second_settlement_is_refused_and_changes_nothing(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", "y", "z")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    once = settlement(claimed, more=1, time=1, counts={"applied": 1})
    assert lanes.settle(claimed.lease, once) is not None
    record, stats = registry.get(KEY), registry.stats()
    assert lanes.settle(claimed.lease, once) is None
    assert (registry.get(KEY), registry.stats()) == (record, stats)
    lanes.release(claimed.lease)
    assert payloads(claim(lanes)) == ["y", "z"]


def test_a_settlement_is_refused_to_a_foreign_token_or_epoch(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    once = settlement(claimed)
    assert lanes.settle(foreign(claimed.lease), once) is None
    assert lanes.settle(replace(claimed.lease, epoch=1), once) is None
    assert lanes.settle(claimed.lease, once) == (claimed.lease, ())


@pytest.mark.with_settings(lease=0.2)
def test_a_settlement_is_refused_once_the_lease_is_lost(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    let_pass(0.21)
    assert lanes.settle(claimed.lease, settlement(claimed)) is None
    assert claim(lanes).intent is not None


def test_what_came_between_claim_and_settlement_is_read_by_it(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    append(lanes, "y")
    settled = lanes.settle(claimed.lease, settlement(claimed, more=10))
    assert settled is not None
    assert [command.payload for command in settled[1]] == [b"y"]


@pytest.mark.with_settings(lease=0.4)
def test_a_settlement_that_goes_on_renews_the_lease(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x", "y")
    claimed = claim(lanes)
    let_pass(0.22)
    assert intend(lanes, claimed)
    assert lanes.settle(claimed.lease, settlement(claimed, more=1)) is not None
    let_pass(0.22)
    assert lanes.claim(KEY, most=1) is NoClaim.BUSY


def test_giving_the_lease_back_keeps_a_lane_with_work_ready(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", "y")
    deliver(lanes, 1, more=0)
    assert registry.stats().ready == 1
    assert payloads(claim(lanes)) == ["y"]


def test_an_empty_lane_gives_its_lease_back(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    claimed = deliver(lanes, 1, more=10)
    assert registry.stats().ready == 0
    assert not lanes.renew(claimed.lease)
    assert lanes.claim(KEY, most=1) is NoClaim.EMPTY


def test_a_refused_command_becomes_a_dead_letter_and_the_lane_goes_on(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", "y")
    deliver(lanes, 1, refused=True, outcome=Outcome(refusal="no"))
    assert registry.outcomes(KEY, 1, 1).get(1) == Outcome(refusal="no")
    assert registry.progress(KEY) == Progress(appended=2, applied=1)
    assert payloads(claim(lanes)) == ["y"]


def test_every_command_of_a_settlement_has_its_outcome(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x", "y", "z")
    deliver(lanes, 2, outcome=Outcome(pattern=""))
    assert registry.outcomes(KEY, 1, 3) == dict.fromkeys((1, 2), Outcome(pattern=""))


@pytest.mark.with_settings(outcomes=2)
def test_a_session_remembers_so_many_outcomes_and_forgets_the_oldest(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", "y", "z")
    for number in (1, 2, 3):
        deliver(lanes, 1, outcome=Outcome(pattern=str(number)))
    assert registry.outcomes(KEY, 1, 1).get(1) is None
    assert registry.outcomes(KEY, 2, 2).get(2) == Outcome(pattern="2")
    assert registry.outcomes(KEY, 3, 3).get(3) == Outcome(pattern="3")


def test_an_ended_session_has_no_binding(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    end(lanes)
    record = registry.get(KEY)
    assert record is not None
    assert (record.state, record.session_id, record.epoch) == (SessionState.ENDED, None, 2)
    assert registry.recent(limit=10) == []
    assert lanes.claim(KEY, most=1) is NoClaim.EMPTY


def test_what_was_accepted_after_an_end_goes_to_a_new_binding(
    lanes: Lanes, registry: Registry
) -> None:
    lanes.append([request(KEY, group("", kind=Kind.DELETE), group("x"))])
    claimed = claim(lanes, most=1)
    bound = lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    assert bound is not None
    assert intend(lanes, replace(claimed, lease=bound))
    settled = lanes.settle(bound, settlement(claimed, unbind=True, more=10))
    assert settled is not None
    lease, commands = settled
    assert (lease.epoch, [command.payload for command in commands]) == (2, [b"x"])
    assert lanes.bind(bound, Bound(session_id="sid-2")) is None
    assert lanes.bind(lease, Bound(session_id="sid-2")) is not None
    assert [record.session_id for record in registry.recent(limit=10)] == ["sid-2"]


def test_a_release_withdraws_the_intent(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.release(claimed.lease)
    assert intend(lanes, claim(lanes))


def test_a_release_is_refused_to_a_foreign_token(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert not lanes.release(foreign(claimed.lease))
    assert lanes.claim(KEY, most=1) is NoClaim.BUSY


def test_a_release_may_lower_the_commands_per_call_until_one_is_settled(lanes: Lanes) -> None:
    append(lanes, "x", "y", "z")
    lanes.release(claim(lanes).lease, most=2)
    lanes.release(claim(lanes).lease)
    claimed = claim(lanes)
    assert (claimed.most, len(claimed.commands)) == (2, 3)
    lanes.release(claimed.lease)
    deliver(lanes, 1)
    assert claim(lanes).most == 100


def test_failed_attempts_are_counted_until_a_call_is_settled(lanes: Lanes) -> None:
    append(lanes, "x", "y")
    lanes.release(claim(lanes).lease, failed=True)
    lanes.release(claim(lanes).lease, failed=True)
    lanes.release(claim(lanes).lease)
    claimed = claim(lanes)
    assert claimed.attempts == 2
    lanes.release(claimed.lease)
    deliver(lanes, 1)
    assert claim(lanes).attempts == 0


def test_a_lease_that_is_given_back_in_doubt_keeps_the_intent(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.release(claimed.lease, doubt="its answer was lost", failed=True)
    record = registry.get(KEY)
    assert record is not None
    assert (record.state, record.doubt) == (SessionState.DOUBT, "its answer was lost")
    again = claim(lanes)
    assert again.intent is not None
    assert again.attempts == 1
    assert lanes.settle(again.lease, settlement(again, time=1)) is not None
    record = registry.get(KEY)
    assert record is not None
    assert record.doubt is None


def test_failures_at_a_command_itself_are_counted_apart_until_a_call_is_settled(
    lanes: Lanes,
) -> None:
    append(lanes, "x", "y")
    lanes.release(claim(lanes).lease, failed=True)
    lanes.release(claim(lanes).lease, failed=True, poison=True)
    lanes.release(claim(lanes).lease)
    claimed = claim(lanes)
    assert (claimed.attempts, claimed.failures) == (2, 1)
    lanes.release(claimed.lease)
    deliver(lanes, 1)
    assert claim(lanes).failures == 0


def test_a_lowered_limit_counts_attempts_anew(lanes: Lanes) -> None:
    append(lanes, "x", "y")
    lanes.release(claim(lanes).lease, failed=True, poison=True)
    lanes.release(claim(lanes).lease, most=1)
    claimed = claim(lanes)
    assert (claimed.most, claimed.attempts, claimed.failures) == (1, 0, 0)
