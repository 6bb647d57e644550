"""Claiming a lane, binding its session and writing intents."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lane_steps import KEY, LetPass, append, claim, deliver, foreign, intend, payloads, settlement

from kato_tasks.lanes import Lanes
from kato_tasks.models import Bound, Lease, NoClaim, SessionState
from kato_tasks.registry import Registry

SHORT_LEASE = pytest.mark.with_settings(lease=0.2)


def test_an_unknown_session_is_not_claimed(lanes: Lanes) -> None:
    assert lanes.claim(KEY, most=1) is NoClaim.UNKNOWN


def test_a_lane_without_work_is_not_claimed(lanes: Lanes) -> None:
    append(lanes, "x")
    deliver(lanes, 1)
    assert lanes.claim(KEY, most=1) is NoClaim.EMPTY


def test_a_claim_reads_the_head_of_the_lane_in_order(lanes: Lanes) -> None:
    append(lanes, "u", "v")
    append(lanes, "w")
    claimed = claim(lanes, most=2)
    assert payloads(claimed) == ["u", "v"]
    assert (claimed.most, claimed.applied, claimed.attempts, claimed.time) == (2, 0, 0, 0)
    assert claimed.session_id is None


def test_a_command_carries_when_it_was_accepted(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert 0 <= claimed.now_ms - claimed.commands[0].accepted_ms < 60_000


def test_a_second_claim_finds_the_lane_busy(lanes: Lanes) -> None:
    append(lanes, "x")
    claim(lanes)
    assert lanes.claim(KEY, most=1) is NoClaim.BUSY


def test_tokens_do_not_repeat(lanes: Lanes) -> None:
    append(lanes, "x")
    first = claim(lanes)
    lanes.release(first.lease)
    assert claim(lanes).lease.token != first.lease.token


@SHORT_LEASE
def test_a_lease_that_ran_out_lets_another_claim(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    frozen = claim(lanes)
    let_pass(0.21)
    assert payloads(claim(lanes)) == ["x"]
    assert not lanes.renew(frozen.lease)
    assert not intend(lanes, frozen)


@SHORT_LEASE
def test_an_intent_whose_end_nobody_has_seen_comes_with_the_claim(
    lanes: Lanes, let_pass: LetPass
) -> None:
    append(lanes, "x", "y")
    first = claim(lanes)
    assert intend(lanes, first)
    let_pass(0.21)
    second = claim(lanes, most=1)
    assert second.intent is not None
    assert (second.intent.first, second.intent.count) == (1, 1)
    assert second.intent_ms <= second.now_ms - 200
    assert not intend(lanes, second, 2)
    lease = lanes.withdraw(second.lease)
    assert lease is not None
    assert intend(lanes, replace(second, lease=lease), 2)


def test_a_withdrawal_that_comes_late_takes_no_later_intent_back(lanes: Lanes) -> None:
    """As an attempt does that was given up by its client, and reaches the store all the same."""
    append(lanes, "x")
    first = claim(lanes)
    assert intend(lanes, first)
    lease = lanes.withdraw(first.lease)
    assert lease is not None
    again = replace(first, lease=lease)
    assert intend(lanes, again)
    assert lanes.withdraw(first.lease) is None
    assert lanes.settle(lease, settlement(again)) is not None


@SHORT_LEASE
def test_a_claim_with_an_intent_has_all_its_commands(lanes: Lanes, let_pass: LetPass) -> None:
    """However few a claim reads now: what was sent may have been more."""
    append(lanes, *"vwxyz")
    assert intend(lanes, claim(lanes), 5)
    let_pass(0.21)
    assert payloads(claim(lanes, most=2)) == list("vwxyz")


@pytest.mark.with_settings(lease=0.3)
def test_a_renewed_lease_lives_on(lanes: Lanes, let_pass: LetPass) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    for _ in range(3):
        let_pass(0.12)
        assert lanes.renew(claimed.lease)
    assert lanes.claim(KEY, most=1) is NoClaim.BUSY


def test_a_lease_is_renewed_for_its_owner_only(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert not lanes.renew(foreign(claimed.lease))
    assert not lanes.renew(Lease(key="b", token=claimed.lease.token, epoch=0))


def test_binding_raises_the_epoch(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    bound = lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    assert bound == replace(claimed.lease, epoch=1)
    record = registry.get(KEY)
    assert record is not None
    assert (record.session_id, record.state, record.epoch) == ("sid-1", SessionState.ACTIVE, 1)


def test_binding_is_refused_to_a_foreign_token_and_to_an_old_epoch(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert lanes.bind(foreign(claimed.lease), Bound(session_id="sid-2")) is None
    assert lanes.bind(claimed.lease, Bound(session_id="sid-1")) is not None
    assert lanes.bind(claimed.lease, Bound(session_id="sid-3")) is None
    record = registry.get(KEY)
    assert record is not None
    assert record.session_id == "sid-1"


def test_an_intent_is_refused_at_a_wrong_position_epoch_or_token(lanes: Lanes) -> None:
    append(lanes, "x", "y")
    claimed = claim(lanes)
    assert not intend(lanes, claimed, first=2)
    assert not intend(lanes, replace(claimed, lease=foreign(claimed.lease)))
    assert not intend(lanes, replace(claimed, lease=replace(claimed.lease, epoch=1)))
    assert intend(lanes, claimed)


def test_an_intent_is_written_once(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed, 1)
    assert not intend(lanes, claimed, 2)


def test_the_same_intent_may_be_written_again(lanes: Lanes) -> None:
    """The answer to the first may have been lost."""
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert intend(lanes, claimed)


def test_nothing_is_settled_that_was_not_intended(lanes: Lanes) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert lanes.settle(claimed.lease, settlement(claimed)) is None
