"""Makes the next call of a lane: cut, intend, send once, settle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from kato_tasks.delivery.batch import cut
from kato_tasks.delivery.doubt import anomaly, suspected
from kato_tasks.delivery.effect import Done, config_of, effect
from kato_tasks.delivery.extending import extend, would_come_too_late
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.learning import expected_pattern, makes_learn, may_learn
from kato_tasks.delivery.looking import Verdict, is_gone
from kato_tasks.delivery.poison import give_up, try_again
from kato_tasks.delivery.send import (
    Anomaly,
    Doubt,
    Failed,
    NotDone,
    Refused,
    Sent,
    confirm,
    nothing_to_do,
    send,
    still,
)
from kato_tasks.delivery.settling import go_on, pause
from kato_tasks.delivery.work import Planned, Tools, Work
from kato_tasks.errors import KatoError, SessionNotFound
from kato_tasks.instrumentation import logger
from kato_tasks.models import Claim, Command, Intent, Kind, Turn

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.05


def call(tools: Tools, work: Work) -> Work | Turn:
    """Make the next call of a lane that has commands."""
    began = time.monotonic()
    try:
        if work.claim.commands[0].kind is not Kind.DELETE and would_come_too_late(tools, work):
            return extend(tools, work)
    except KatoError as error:
        return pause(tools, work, str(error))
    planned = _intend(tools, work)
    if not isinstance(planned, Planned):
        if may_learn(work.claim):
            # Nothing was intended, so nothing of ours can be in doubt.
            tools.nodes.give_learning(work.claim.spec, work.claim.lease)
        return planned
    if not _still_ours(tools, work, began):
        return Turn.LOST
    work = replace(work, calls=work.calls + planned.reads)
    if nothing_to_do(work.claim, planned.batch):
        return go_on(tools, work, planned.batch, effect(work.claim, planned.batch, planned.intent))
    return _send(tools, replace(work, calls=work.calls + 1), planned)


def _intend(tools: Tools, work: Work) -> Planned | Work | Turn:
    """Write down what is about to be sent."""
    try:
        planned = _plan(tools, work)
    except KatoError as error:
        # Nothing is intended yet, and nothing that changes anything was sent.
        if isinstance(error, SessionNotFound) and is_gone(tools, work):
            return suspected(tools, work, Verdict.GONE.value)
        return pause(tools, work, str(error))
    if not isinstance(planned, Planned):
        return planned
    written = insist(lambda: tools.lanes.intend(work.claim.lease, planned.intent))
    return planned if written else Turn.LOST


def _plan(tools: Tools, work: Work) -> Planned | Turn:
    """Decide what the call carries, and read what its end will be compared with."""
    claim = work.claim
    batch = _batch(tools, work)
    intent = Intent(
        first=claim.applied + 1,
        count=len(batch),
        kind=batch[0].kind,
        time=claim.time,
        session_id=claim.session_id or "",
    )
    if makes_learn(claim, batch):
        return _plan_learn(tools, work, batch, intent)
    if intent.kind is Kind.CONFIGURE:
        intent = replace(intent, config=_config_before(tools, work, batch[0]))
        return Planned(batch=batch, intent=intent, reads=2)
    return Planned(batch=batch, intent=intent)


def _batch(tools: Tools, work: Work) -> tuple[Command, ...]:
    most, longest = _most(tools, work), tools.settings.batch_bytes
    return tuple(cut(work.claim, most=most, max_bytes=longest))


def _plan_learn(
    tools: Tools, work: Work, batch: tuple[Command, ...], intent: Intent
) -> Planned | Turn:
    claim = work.claim
    if not _may_learn(tools, claim):
        # Whoever has the right has been in doubt with it for longer than a learn takes.
        insist(lambda: tools.lanes.release(claim.lease, pause=tools.settings.retry_first))
        return Turn.PAUSED
    journal = tools.lanes.journal(claim.lease, claim.applied)
    if journal is None:
        return Turn.LOST
    client = tools.client(claim.spec.instance)
    pattern, frequency = expected_pattern(client, claim, journal, batch)
    intent = replace(intent, pattern=pattern, frequency=frequency)
    return Planned(batch=batch, intent=intent, reads=1)


def _may_learn(tools: Tools, claim: Claim) -> bool:
    """Take the right to learn, and wait for it as for a node: others give it back within a call."""
    until, wait = time.monotonic() + tools.settings.node_wait, _FIRST_PAUSE
    while not tools.nodes.take_learning(claim.spec, claim.lease):
        if time.monotonic() >= until:
            return False
        time.sleep(wait)
        wait = min(_LONGEST_PAUSE, wait * 2)
    return True


def _config_before(tools: Tools, work: Work, command: Command) -> dict[str, JsonValue]:
    client = tools.client(work.claim.spec.instance)
    if not client.can_configure:
        return {}
    effective = client.get_config(work.claim.session_id or "")
    return {name: effective.get(name) for name in config_of(command)}


def _most(tools: Tools, work: Work) -> int:
    claim = work.claim
    most = min(claim.most, tools.settings.batch_commands)
    if claim.session_id is None:
        return most
    limit = tools.client(claim.spec.instance).max_batch
    return most if limit is None else min(most, limit)


def _still_ours(tools: Tools, work: Work, began: float) -> bool:
    """Tell whether the lease, which the intent has found ours, can still be."""
    slow = time.monotonic() - began > tools.settings.lease / 2
    return not slow or insist(lambda: tools.lanes.renew(work.claim.lease))


def _send(tools: Tools, work: Work, planned: Planned) -> Work | Turn:
    """Send once; where no later call would show whether it was stored, look."""
    claim, client = work.claim, tools.client(work.claim.spec.instance)
    looked = replace(work, calls=work.calls + 1)
    match send(client, claim, planned):
        case Done() as done if not _next_shows(claim, planned.batch):
            return _settle(tools, looked, planned, confirm(client, claim, planned, done))
        case Refused() | Failed() as sent if len(planned.batch) == 1:
            return _settle(tools, looked, planned, still(client, claim, sent))
        case sent:
            return _settle(tools, work, planned, sent)


def _next_shows(claim: Claim, batch: Sequence[Command]) -> bool:
    """Tell whether the next call will show if this one was not stored.

    An observe shows it by its time. A learn would make a pattern of what is there, and be refused
    where nothing is; a configure shows the config alone; a clear or an end would hide it.
    """
    rest = claim.commands[len(batch) :]
    return bool(rest) and rest[0].kind is Kind.OBSERVE and not claim.learning.limit


def _settle(tools: Tools, work: Work, planned: Planned, sent: Sent) -> Work | Turn:
    batch = planned.batch
    match sent:
        case Done():
            return go_on(tools, work, batch, sent)
        case NotDone():
            return pause(tools, work, sent.reason)
        case Doubt() | Anomaly():
            return _doubt(tools, work, planned, sent)
        case Failed():
            return try_again(tools, work, batch, sent.reason)
        case Refused():
            return give_up(tools, work, batch, sent.reason)


def _doubt(tools: Tools, work: Work, planned: Planned, sent: Doubt | Anomaly) -> Work | Turn:
    failed = isinstance(sent, Doubt) and sent.failed
    intent = replace(planned.intent, failed=failed)
    if isinstance(sent, Doubt) and sent.unlearned:
        intent = replace(intent, pattern=None)
    claim = replace(work.claim, intent=intent, intent_ms=round(work.now_ms))
    work = replace(work, claim=claim)
    if isinstance(sent, Anomaly):
        return anomaly(tools, work, sent.reason, sent.done, counted=sent.counted)
    logger.warning("call in doubt", extra={"session": work.key, "reason": sent.reason})
    return work
