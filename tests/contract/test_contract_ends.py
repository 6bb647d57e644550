"""A session whose own time has run out: the next command starts another one."""

from __future__ import annotations

from lane_steps import KEY, LetPass, append, claim, group, request

from kato_tasks.lanes import Lanes
from kato_tasks.models import (
    Appended,
    Bound,
    Claim,
    Intent,
    Keep,
    Kind,
    SessionSpec,
    SessionState,
    Settlement,
)
from kato_tasks.registry import Registry

ENDS = 0.02
OTHER = SessionSpec(node="another", instance="default")


def over(lanes: Lanes, let_pass: LetPass) -> None:
    """Let a session be bound, delivered, and its own time run out."""
    append(lanes, "x", command_id="first")
    claimed = claim(lanes)
    lease = lanes.bind(claimed.lease, Bound(session_id="sid", lifetime=9, ends=ENDS))
    assert lease is not None
    intent = Intent(first=1, count=1, kind=Kind.OBSERVE, time=0, session_id="sid")
    assert lanes.intend(lease, intent)
    settlement = Settlement(first=1, count=1, time=1, events=1, keep=Keep.COMMANDS)
    assert lanes.settle(lease, settlement) is not None
    let_pass(2 * ENDS)


def test_the_next_command_starts_another_one(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    over(lanes, let_pass)
    before = registry.get(KEY)
    assert before is not None
    assert before.state is SessionState.EXPIRED
    [answer] = lanes.append([request(KEY, group("y"), spec=OTHER, node="another")])
    assert isinstance(answer, Appended)
    record = registry.get(KEY)
    assert record is not None
    assert (record.spec, record.session_id, record.state) == (OTHER, None, SessionState.NEW)
    assert (record.epoch, record.life.ends_ms) == (before.epoch + 1, None)
    claimed = claim(lanes)
    assert [command.payload for command in claimed.commands] == [b"y"]
    journal = lanes.journal(claimed.lease, claimed.applied)
    assert journal is not None
    assert journal.entries == ()


def test_one_that_is_repeated_does_not(lanes: Lanes, registry: Registry, let_pass: LetPass) -> None:
    over(lanes, let_pass)
    [answer] = lanes.append([request(KEY, group("x", command_id="first"))])
    assert isinstance(answer, Appended)
    assert answer.groups[0].repeated
    record = registry.get(KEY)
    assert record is not None
    assert record.session_id == "sid"


def test_while_commands_wait_it_has_not_ended(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    assert lanes.bind(claimed.lease, Bound(session_id="sid", lifetime=9, ends=ENDS)) is not None
    let_pass(2 * ENDS)
    append(lanes, "y")
    record = registry.get(KEY)
    assert record is not None
    assert (record.session_id, record.waiting) == ("sid", 2)


def test_one_that_was_parked_then_is_not_parked_any_more(
    lanes: Lanes, registry: Registry, let_pass: LetPass
) -> None:
    """Nobody has to say what becomes of a session that is over."""
    over(lanes, let_pass)
    claimed = lanes.claim(KEY, most=1, idle=True)
    assert isinstance(claimed, Claim)
    assert lanes.park(claimed.lease, "why")
    append(lanes, "y")
    record = registry.get(KEY)
    assert record is not None
    assert (record.parked, record.state) == (None, SessionState.NEW)
    assert claim(lanes).commands
