"""Has a server keep a session for longer: a write like any other, sent once and never twice."""

from __future__ import annotations

from dataclasses import replace

from kato_tasks.deadlines import has_to_extend, own_end, refresh_look
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.looking import Verdict, is_gone
from kato_tasks.delivery.settling import pause
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import Final, KatoError, OutcomeUnknown, Retryable, SessionNotFound
from kato_tasks.models import Intent, Kind, Turn

UNSURE = "whether the server lets it live on is not known"


def would_come_too_late(tools: Tools, work: Work) -> bool:
    """Tell whether a session has to be extended before the next write to it.

    One that is kept alive is, once that is due: while its commands wait, for a node or for the
    right to learn, nobody else does it.

    Raises:
        KatoError: Whether its server counts writes is not known yet, and could not be asked.
    """
    claim = work.claim
    if claim.session_id is None:
        return False
    if claim.life.keep and refresh_look(claim.life, work.now_ms, tools.settings) == 0:
        return True
    if not has_to_extend(claim.spec, claim.life, work.now_ms):
        return False
    return not tools.client(claim.spec.instance).counts_writes(claim.spec.node)


def extend(tools: Tools, work: Work, *, moves_end: bool = False) -> Work | Turn:
    """Let a session live on for its own time to live, from now on.

    An end of its own moves with it if the session is kept alive, or if that is asked for. An
    extension reads, changes and writes the whole session (kato-api 6), so an unanswered one is
    fenced as any call in doubt is: by a session that is made anew.

    Args:
        tools: What to work with.
        work: The lane.
        moves_end: It ends that much later too, if it has an end of its own.

    Returns:
        The lane to go on with. If it is not known whether the session lives on, it has the intent.
    """
    claim = work.claim
    ends = own_end(claim.spec) if moves_end or claim.life.keep else None
    session_id, seconds = claim.session_id or "", claim.spec.ttl or claim.life.lifetime or 1
    intent = Intent(
        first=claim.applied + 1, count=0, kind=Kind.EXTEND, time=claim.time, session_id=session_id
    )
    if not insist(lambda: tools.lanes.intend(claim.lease, intent)):
        return Turn.LOST
    work = replace(work, calls=work.calls + 1)
    try:
        tools.client(claim.spec.instance).prolong(session_id, seconds)
    except (Retryable, Final) as error:
        return pause(tools, work, str(error))
    except OutcomeUnknown as error:
        return _unsure(tools, work, intent, error)
    if not insist(lambda: tools.lives.freshen(claim.lease, intent, ends=ends)):
        return Turn.LOST
    fresh = replace(claim.life, fresh_ms=round(work.now_ms))
    return replace(work, claim=replace(claim, life=fresh))


def _unsure(tools: Tools, work: Work, intent: Intent, error: KatoError) -> Work | Turn:
    claim = work.claim
    if isinstance(error, SessionNotFound):
        if not is_gone(tools, work):
            return pause(tools, work, str(error))
        return replace(work, claim=replace(claim, suspect=Verdict.GONE.value))
    now = round(work.now_ms)
    return replace(work, claim=replace(claim, intent=intent, intent_ms=now))
