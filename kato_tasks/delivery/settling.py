"""Ends a call or a turn: what is known of it is written down, the lease goes on or back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from kato_tasks.delivery.effect import Done
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.learning import may_learn
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import buckets, logger
from kato_tasks.models import Command, Kind, Outcome, Settlement, Turn


def go_on(tools: Tools, work: Work, batch: Sequence[Command], done: Done) -> Work | Turn:
    """Settle a call that took effect, and take up the next commands."""
    settlement = Settlement(
        first=work.claim.applied + 1,
        count=len(batch),
        time=done.time,
        events=done.events,
        keep=done.keep,
        learned=done.learned,
        outcome=done.outcome,
        unbind=done.unbind,
        spec=done.spec,
        learning=done.learning,
        counts=_counts(work, batch),
        more=_more(tools, work),
    )
    return _settle(tools, work, batch, settlement)


def refuse(tools: Tools, work: Work, command: Command, reason: str) -> Work | Turn:
    """Make a dead letter of a command that the server does not take, and take up the next."""
    claim = work.claim
    logger.error("command refused", extra={"session": work.key, "reason": reason})
    settlement = Settlement(
        first=claim.applied + 1,
        count=1,
        time=claim.time,
        events=claim.events,
        outcome=Outcome(refusal=reason),
        refused=True,
        counts={"calls": work.calls, "dead_lettered": 1},
        more=_more(tools, work),
    )
    return _settle(tools, work, (command,), settlement)


def pause(  # noqa: PLR0913 - one value per fact that the script takes
    tools: Tools,
    work: Work,
    reason: str,
    *,
    poison: bool = False,
    unfaithful: bool = False,
    doubt: str = "",
) -> Turn:
    """Give the lane back until its server can be called, or looked at.

    Args:
        tools: What to work with.
        work: The lane.
        reason: Why, for the log.
        poison: The server failed at the first command itself.
        unfaithful: A replay gave another memory than it must.
        doubt: What has to be looked at; empty if nothing has happened.
    """
    seconds = tools.backoff.pause(work.claim.attempts)
    logger.warning(
        "call not made",
        extra={"session": work.key, "reason": reason, "pause": round(seconds, 3)},
    )
    release = tools.lanes.release
    insist(
        lambda: release(
            work.claim.lease,
            pause=seconds,
            failed=True,
            poison=poison,
            unfaithful=unfaithful,
            doubt=doubt,
        )
    )
    return Turn.PAUSED


def tally(tools: Tools, work: Work, name: str) -> None:
    """Raise a counter; that it cannot be raised is no reason to break a turn off."""
    try:
        tools.lanes.count(work.key, {name: 1})
    except StoreUnavailable as error:
        logger.warning("not counted", extra={"counter": name, "reason": error.reason})


def park(tools: Tools, work: Work, reason: str, *, outcome: Outcome | None = None) -> Turn:
    """Stop sending to a session until a person says so."""
    logger.error("session parked", extra={"session": work.key, "reason": reason})
    parked = insist(lambda: tools.lanes.park(work.claim.lease, reason, outcome=outcome))
    return Turn.PARKED if parked else Turn.LOST


def _more(tools: Tools, work: Work) -> int:
    """One more than a call may carry: so that it shows whether the lane is empty after it."""
    return 0 if time.monotonic() >= work.ends else tools.settings.batch_commands + 1


def _settle(
    tools: Tools, work: Work, batch: Sequence[Command], settlement: Settlement
) -> Work | Turn:
    claim = work.claim
    settled = insist(lambda: tools.lanes.settle(claim.lease, settlement))
    if settled is None:
        # Lost, unless it is ours: then an attempt whose answer was lost has settled it.
        return Turn.MORE if tools.lanes.release(claim.lease) else Turn.LOST
    if may_learn(claim):
        tools.nodes.give_learning(claim.spec, claim.lease)
    lease, commands = settled
    if not commands:
        # After an end there may be a wish to have the session made anew.
        return Turn.MORE if settlement.more == 0 or settlement.unbind else Turn.DONE
    after = replace(
        claim,
        lease=lease,
        spec=settlement.spec or claim.spec,
        session_id=None if settlement.unbind else claim.session_id,
        time=settlement.time,
        events=settlement.events,
        learning=settlement.learning or claim.learning,
        applied=claim.applied + len(batch),
        most=tools.settings.batch_commands,
        attempts=0,
        failures=0,
        ruling=None,
        commands=tuple(commands),
        intent=None,
    )
    return replace(work, claim=after, calls=0, going_on=True, anew=False)


def _counts(work: Work, batch: Sequence[Command]) -> dict[str, int]:
    observed = len(batch) if batch[0].kind is Kind.OBSERVE else 0
    counts = {
        "calls": work.calls,
        "applied": len(batch),
        "observations": observed,
        "observe_calls": min(1, observed),
    }
    now_ms = work.now_ms
    for bucket, count in buckets(now_ms - command.accepted_ms for command in batch).items():
        counts[f"latency:{bucket}"] = count
    return {name: count for name, count in counts.items() if count}
