"""Delivers one lane: claim, run, settle, until it is empty or the turn is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from kato_tasks.delivery.batch import cut
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.keeper import LeaseKeeper
from kato_tasks.delivery.making import drop_session, make_session
from kato_tasks.delivery.send import Done, Doubt, NotDone, Refused, Sent, send
from kato_tasks.errors import InvalidInput, KatoError
from kato_tasks.instrumentation import buckets, logger
from kato_tasks.kato import KatoClient
from kato_tasks.lanes import Lanes
from kato_tasks.models import (
    Claim,
    Command,
    Intent,
    Kind,
    NoClaim,
    Outcome,
    Settlement,
    Turn,
)
from kato_tasks.nodes import NodeHold, Nodes
from kato_tasks.retry import Backoff
from kato_tasks.settings import Settings

_NOT_CLAIMED: Final = {
    NoClaim.BUSY: Turn.BUSY,
    NoClaim.EMPTY: Turn.DONE,
    NoClaim.DOUBT: Turn.HELD,
    NoClaim.UNKNOWN: Turn.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A claimed lane on its way through a turn.

    Attributes:
        claim: What is known of the lane now; replaced after every settlement.
        ends: When the turn is over, by the monotonic clock.
        clock_ms: The store's clock minus our monotonic clock, milliseconds.
        calls: HTTP calls made and not yet counted by a settlement.
        hold: The right to call the session's node.
        going_on: True once a call of this turn is settled.
    """

    claim: Claim
    ends: float
    clock_ms: float
    calls: int = 0
    hold: NodeHold = field(default_factory=NodeHold)
    going_on: bool = False


class Deliverer:
    """Delivers lanes to KATO.

    Args:
        lanes: The lanes.
        nodes: Tells who may call a node.
        client: Returns the client of an instance by its name.
        keeper: Renews leases meanwhile.
        settings: Batch, turn and retry limits.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        nodes: Nodes,
        client: Callable[[str], KatoClient],
        keeper: LeaseKeeper,
        settings: Settings,
    ) -> None:
        self._lanes = lanes
        self._nodes = nodes
        self._client = client
        self._keeper = keeper
        self._settings = settings
        self._backoff = Backoff.of(settings)

    def deliver(self, key: str) -> Turn:
        """Deliver one lane for one turn.

        Raises:
            StoreUnavailable: The store did not answer. The lease runs out; if a call was under
                way, the session is then in doubt.
        """
        claim = self._lanes.claim(key, most=self._settings.batch_commands)
        if isinstance(claim, NoClaim):
            return _NOT_CLAIMED[claim]
        now = time.monotonic()
        work = Work(claim=claim, ends=now + self._settings.turn, clock_ms=claim.now_ms - now * 1000)
        try:
            self._client(claim.spec.instance)
        except InvalidInput as error:
            # Before anything is intended: another worker may know the instance.
            return self._pause(claim, str(error))
        with self._keeper.keeping(partial(self._lanes.renew, claim.lease)):
            return self._with_node(work)

    def _with_node(self, work: Work) -> Turn:
        spec = work.claim.spec
        hold = self._nodes.acquire(spec, wait=self._settings.node_wait)
        if hold is None:
            self._lanes.release(work.claim.lease, pause=self._settings.retry_first)
            return Turn.PAUSED
        with ExitStack() as stack:
            stack.callback(self._nodes.release, hold)
            stack.enter_context(self._keeper.keeping(partial(self._nodes.renew, hold)))
            return self._deliver(replace(work, hold=hold))

    def _deliver(self, work: Work) -> Turn:
        step: Work | Turn = work
        while isinstance(step, Work):
            if step.claim.session_id is None and not _ends(step.claim.commands):
                step = self._bind(step)
            elif not step.claim.commands:
                # What came in while the session was made waits for the next turn.
                self._lanes.release(step.claim.lease, pause=self._settings.wake_grace)
                return Turn.MORE
            elif not self._may_call(step):
                self._lanes.release(step.claim.lease, pause=self._settings.wake_grace)
                return Turn.MORE
            else:
                step = self._call(step)
        return step

    def _may_call(self, work: Work) -> bool:
        """Tell whether the node is still ours to call, as it was when the turn began."""
        if work.hold.alone:
            return self._nodes.renew(work.hold)
        return not work.going_on or not self._nodes.is_marked(work.claim.spec)

    def _bind(self, work: Work) -> Work | Turn:
        claim = work.claim
        client = self._client(claim.spec.instance)
        try:
            made = make_session(client, claim.spec)
        except KatoError as error:
            return self._pause(claim, str(error))
        lease = insist(lambda: self._lanes.bind(claim.lease, made.session_id, learns=made.learns))
        if lease is None:
            drop_session(client, made.session_id)
            return Turn.LOST
        bound = replace(claim, lease=lease, session_id=made.session_id, time=0, learns=made.learns)
        return replace(work, claim=bound, calls=work.calls + 1)

    def _call(self, work: Work) -> Work | Turn:
        claim = work.claim
        try:
            most = self._most(claim)
        except KatoError as error:
            # Nothing is intended yet: a server whose dialect cannot be told was sent nothing.
            return self._pause(claim, str(error))
        batch = cut(
            claim.commands, learns=claim.learns, most=most, max_bytes=self._settings.batch_bytes
        )
        intent = Intent(
            first=claim.applied + 1,
            count=len(batch),
            kind=batch[0].kind,
            time=claim.time,
            session_id=claim.session_id or "",
        )
        if not insist(lambda: self._lanes.intend(claim.lease, intent)):
            return Turn.LOST
        return self._settle(work, batch, self._send(claim, batch))

    def _most(self, claim: Claim) -> int:
        if claim.session_id is None:
            return claim.most
        limit = self._client(claim.spec.instance).max_batch
        return claim.most if limit is None else min(claim.most, limit)

    def _send(self, claim: Claim, batch: Sequence[Command]) -> Sent:
        if claim.session_id is None:
            # Nothing to delete: the session has never been at a server, or is not there any more.
            return Done(time=0, unbind=True)
        return send(self._client(claim.spec.instance), claim.session_id, batch, claim.time)

    def _settle(self, work: Work, batch: Sequence[Command], sent: Sent) -> Work | Turn:
        claim = work.claim
        match sent:
            case Done():
                return self._go_on(work, batch, sent)
            case NotDone():
                return self._pause(claim, sent.reason)
            case Doubt():
                return self._hold(claim, sent.reason)
            case Refused() if len(batch) > 1:
                return self._halve(claim, len(batch))
            case Refused():
                return self._go_on(work, batch, sent)

    def _go_on(self, work: Work, batch: Sequence[Command], sent: Done | Refused) -> Work | Turn:
        claim = work.claim
        now = time.monotonic()
        over = now >= work.ends
        settlement = Settlement(
            first=claim.applied + 1,
            count=len(batch),
            time=sent.time if isinstance(sent, Done) else claim.time,
            outcome=sent.outcome if isinstance(sent, Done) else Outcome(refusal=sent.reason),
            refused=isinstance(sent, Refused),
            unbind=isinstance(sent, Done) and sent.unbind,
            counts=_counts(work, batch, sent, now),
            more=0 if over else self._settings.batch_commands,
        )
        settled = insist(lambda: self._lanes.settle(claim.lease, settlement))
        if settled is None:
            # Lost, unless it is ours: then an attempt whose answer was lost has settled it.
            return Turn.MORE if self._lanes.release(claim.lease) else Turn.LOST
        lease, commands = settled
        if not commands:
            # After an end there may be a wish to have the session made anew.
            return Turn.MORE if over or settlement.unbind else Turn.DONE
        after = replace(
            claim,
            lease=lease,
            session_id=None if settlement.unbind else claim.session_id,
            time=settlement.time,
            applied=claim.applied + len(batch),
            most=self._settings.batch_commands,
            attempts=0,
            commands=tuple(commands),
        )
        return replace(work, claim=after, calls=0, going_on=True)

    def _pause(self, claim: Claim, reason: str) -> Turn:
        pause = self._backoff.pause(claim.attempts)
        logger.warning(
            "call not made",
            extra={"session": claim.lease.key, "reason": reason, "pause": round(pause, 3)},
        )
        insist(lambda: self._lanes.release(claim.lease, pause=pause, failed=True))
        return Turn.PAUSED

    def _halve(self, claim: Claim, count: int) -> Turn:
        pause = self._settings.wake_grace
        insist(lambda: self._lanes.release(claim.lease, pause=pause, most=count // 2))
        return Turn.MORE

    def _hold(self, claim: Claim, reason: str) -> Turn:
        logger.error("session in doubt", extra={"session": claim.lease.key, "reason": reason})
        insist(lambda: self._lanes.hold(claim.lease, reason))
        return Turn.HELD


def _ends(commands: Sequence[Command]) -> bool:
    return bool(commands) and commands[0].kind is Kind.DELETE


def _counts(
    work: Work, batch: Sequence[Command], sent: Done | Refused, now: float
) -> dict[str, int]:
    applied = len(batch) if isinstance(sent, Done) else 0
    observed = applied if batch[0].kind is Kind.OBSERVE else 0
    counts = {
        "calls": work.calls + 1,
        "applied": applied,
        "observations": observed,
        "observe_calls": min(1, observed),
        "refused": len(batch) - applied,
    }
    now_ms = work.clock_ms + now * 1000
    batch = batch[:applied]
    for bucket, count in buckets(now_ms - command.accepted_ms for command in batch).items():
        counts[f"latency:{bucket}"] = count
    return {name: count for name, count in counts.items() if count}
