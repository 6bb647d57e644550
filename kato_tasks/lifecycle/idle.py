"""Puts a session to sleep that nobody uses, or ends it; ends what is over."""

from __future__ import annotations

from kato_tasks.deadlines import idle_look, over, policy
from kato_tasks.delivery import Tools, Work, drop_session, is_as_applied, recall, seen_at
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.memory import compacted
from kato_tasks.instrumentation import logger
from kato_tasks.lifecycle import giving_back
from kato_tasks.lifecycle.giving_back import Care, go_on, try_later
from kato_tasks.models import AnomalyPolicy, IdlePolicy

_OTHER = "the server has another memory of it, found when it was to be put to sleep"


def rest_or_end(tools: Tools, work: Work) -> Care:
    """End a session whose time is over; put one to sleep that nobody has used for long.

    What waits in its lane comes first: then neither happens.

    Raises:
        KatoError: Its server did not answer; nothing has changed.
    """
    claim, settings = work.claim, tools.settings
    if over(claim.life, work.now_ms):
        return _end(tools, work, unused=False)
    if claim.session_id is None or _is_used(tools, work):
        return go_on(tools, work)
    if policy(claim.spec, settings) is IdlePolicy.DELETE:
        return _end(tools, work, unused=True)
    return _hibernate(tools, work)


def _is_used(tools: Tools, work: Work) -> bool:
    claim = work.claim
    look = idle_look(claim.spec, claim.life, work.now_ms, tools.settings)
    return look is None or look > 0


def _end(tools: Tools, work: Work, *, unused: bool) -> Care:
    cared = giving_back.end(tools, work, unused=unused)
    _drop(tools, work, cared)
    return cared


def _hibernate(tools: Tools, work: Work) -> Care:
    """Compare a session with its journal once more, then let its server forget it."""
    claim = work.claim
    journal = tools.lanes.journal(claim.lease, claim.applied)
    if journal is None:
        return Care.LEFT
    memory = recall(journal)
    seen = seen_at(tools.client(claim.spec.instance), claim.session_id or "")
    whole = len(memory.events) == claim.events
    if seen is not None and not is_as_applied(claim, memory, seen):
        return _unlike(tools, work)
    kept = None if seen is None or (whole and memory.exact) else [list(one) for one in seen.stm]
    less = compacted(journal, max_bytes=tools.settings.batch_bytes)
    cared = giving_back.hibernate(tools, work, stm=kept, journal=less)
    _drop(tools, work, cared)
    return cared


def _unlike(tools: Tools, work: Work) -> Care:
    """Act on a session that is not what it must be, by the setting."""
    logger.error("anomaly", extra={"session": work.key, "reason": _OTHER})
    tools.lanes.count(work.key, {"anomalies": 1})
    if tools.settings.anomaly is AnomalyPolicy.PARK:
        insist(lambda: tools.lanes.park(work.claim.lease, _OTHER))
        return Care.LEFT
    if tools.settings.anomaly is AnomalyPolicy.ACCEPT:
        # What the server has counts, and only the server has it.
        return try_later(tools, work)
    return giving_back.make_anew(tools, work, _OTHER)


def _drop(tools: Tools, work: Work, cared: Care) -> None:
    if cared is not Care.LEFT and work.claim.session_id is not None:
        drop_session(tools.client(work.claim.spec.instance), work.claim.session_id)
