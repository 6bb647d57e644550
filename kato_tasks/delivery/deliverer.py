"""Delivers one lane: claim, run, settle, until it is empty or the turn is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from kato_tasks.delivery.batch import cut
from kato_tasks.delivery.keeper import LeaseKeeper
from kato_tasks.delivery.send import Done, Doubt, NotDone, Refused, Sent, send
from kato_tasks.errors import Final as FinalError
from kato_tasks.errors import KatoError, UnknownInstance
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
    PredictionMode,
    SessionSpec,
    Settlement,
    Turn,
)
from kato_tasks.nodes import Nodes
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
    """

    claim: Claim
    ends: float
    clock_ms: float
    calls: int = 0


class Deliverer:
    """Delivers lanes to KATO.

    Args:
        lanes: The lanes.
        nodes: Tells whose calls go one at a time.
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
        except UnknownInstance as error:
            # Before anything is intended: another worker may know it.
            return self._pause(claim, str(error))
        with self._keeper.keeping(partial(self._lanes.renew, claim.lease)):
            return self._with_node(work)

    def _with_node(self, work: Work) -> Turn:
        spec = work.claim.spec
        self._nodes.mark(spec)
        hold = self._nodes.acquire(spec, wait=self._settings.node_wait)
        if hold is None:
            self._lanes.release(work.claim.lease, pause=self._settings.retry_first)
            return Turn.PAUSED
        with ExitStack() as stack:
            stack.callback(self._nodes.release, hold)
            if hold.lease_key is not None:
                stack.enter_context(self._keeper.keeping(partial(self._nodes.renew, hold)))
            return self._deliver(work)

    def _deliver(self, work: Work) -> Turn:
        step: Work | Turn = work
        while isinstance(step, Work):
            if step.claim.session_id is None and not _ends(step.claim.commands):
                step = self._bind(step)
            elif not step.claim.commands:
                self._lanes.release(step.claim.lease)
                return Turn.DONE
            else:
                step = self._call(step)
        return step

    def _bind(self, work: Work) -> Work | Turn:
        claim = work.claim
        try:
            session_id = _create(self._client(claim.spec.instance), claim.spec)
        except FinalError as error:
            return self._hold(claim, f"it cannot be made at the server: {error}")
        except KatoError as error:
            # A create whose answer was lost left an orphan at most, which expires.
            return self._pause(claim, str(error))
        lease = self._lanes.bind(claim.lease, session_id)
        if lease is None:
            self._drop(claim, session_id)
            return Turn.LOST
        bound = replace(claim, lease=lease, session_id=session_id, time=0)
        return replace(work, claim=bound, calls=work.calls + 1)

    def _call(self, work: Work) -> Work | Turn:
        claim = work.claim
        try:
            most = self._most(claim)
        except KatoError as error:
            # Nothing is intended yet: a server whose dialect cannot be told was sent nothing.
            return self._pause(claim, str(error))
        batch = cut(claim.commands, claim.spec, most=most, max_bytes=self._settings.batch_bytes)
        intent = Intent(
            first=claim.applied + 1,
            count=len(batch),
            kind=batch[0].kind,
            time=claim.time,
            session_id=claim.session_id or "",
        )
        if not self._lanes.intend(claim.lease, intent):
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
        settled = self._lanes.settle(claim.lease, settlement)
        if settled is None:
            return Turn.LOST
        lease, commands = settled
        if not commands:
            return Turn.MORE if over else Turn.DONE
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
        return replace(work, claim=after, calls=0)

    def _pause(self, claim: Claim, reason: str) -> Turn:
        pause = self._backoff.pause(claim.attempts)
        logger.warning(
            "call not made",
            extra={"session": claim.lease.key, "reason": reason, "pause": round(pause, 3)},
        )
        self._lanes.release(claim.lease, pause=pause, failed=True)
        return Turn.PAUSED

    def _halve(self, claim: Claim, count: int) -> Turn:
        self._lanes.release(claim.lease, pause=self._settings.wake_grace, most=count // 2)
        return Turn.MORE

    def _hold(self, claim: Claim, reason: str) -> Turn:
        logger.error("session in doubt", extra={"session": claim.lease.key, "reason": reason})
        self._lanes.hold(claim.lease, reason)
        return Turn.HELD

    def _drop(self, claim: Claim, session_id: str) -> None:
        try:
            self._client(claim.spec.instance).delete_session(session_id)
        except KatoError as error:
            logger.info("orphan left to expire", extra={"reason": str(error)})


def _ends(commands: Sequence[Command]) -> bool:
    return bool(commands) and commands[0].kind is Kind.DELETE


def _create(client: KatoClient, spec: SessionSpec) -> str:
    config = dict(spec.config)
    config["process_predictions"] = spec.predictions is PredictionMode.ALWAYS
    created = client.create_session(node_id=spec.node, config=config, ttl_seconds=spec.ttl)
    return created.session_id


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
    for bucket, count in buckets(now_ms - command.accepted_ms for command in batch).items():
        counts[f"latency:{bucket}"] = count
    return {name: count for name, count in counts.items() if count}
