"""Keeps a session alive that asked for it, or for which somebody asks."""

from __future__ import annotations

from kato_tasks.deadlines import may_be_forgotten, over, own_end, refresh_look
from kato_tasks.delivery import Tools, Verdict, Work, extend
from kato_tasks.delivery.extending import UNSURE
from kato_tasks.delivery.insist import insist
from kato_tasks.lifecycle.giving_back import Care, go_on, make_anew
from kato_tasks.lifecycle.idle import rest_or_end
from kato_tasks.models import Turn


def keep_alive(tools: Tools, work: Work) -> Care:
    """Extend a session by its own time to live, if it is kept alive and that is due.

    Raises:
        KatoError: Its server did not answer; nothing was written.
    """
    claim, life = work.claim, work.claim.life
    if claim.session_id is None or not life.keep or life.lifetime is None:
        return go_on(tools, work)
    if (refresh_look(life, work.now_ms, tools.settings) or 0.0) > 0:
        return go_on(tools, work)
    return live_on(tools, work)


def live_on(tools: Tools, work: Work) -> Care:
    """Extend a session by its own time to live, from now on, and its own end with it.

    Past its deadline it may be gone, and nothing is written to it before its server says that it
    is there (kato-api 2). One whose own time is over ends.

    Raises:
        KatoError: Its server did not answer; nothing was written.
    """
    claim, life = work.claim, work.claim.life
    if over(life, work.now_ms):
        return rest_or_end(tools, work)
    if claim.session_id is None:
        return _move_end(tools, work)
    if life.lifetime is None and claim.spec.ttl is None:
        # Its server has not said that it will ever forget it.
        return go_on(tools, work, Care.EXTENDED)
    if _is_gone(tools, work, claim.session_id):
        return make_anew(tools, work, Verdict.GONE.value)
    return _extended(tools, work)


def _is_gone(tools: Tools, work: Work, session_id: str) -> bool:
    """Tell whether a session whose time is over is there no more."""
    claim = work.claim
    forgotten = may_be_forgotten(claim.life, work.now_ms)
    return forgotten and not tools.client(claim.spec.instance).exists(session_id)


def _extended(tools: Tools, work: Work) -> Care:
    extended = extend(tools, work, moves_end=True)
    if isinstance(extended, Turn):
        return Care.LEFT
    if extended.claim.intent is not None or extended.claim.suspect is not None:
        return make_anew(tools, work, extended.claim.suspect or UNSURE)
    return go_on(tools, extended, Care.EXTENDED)


def _move_end(tools: Tools, work: Work) -> Care:
    """Let a session live on that no server has: one that sleeps may have an end of its own."""
    claim, ends = work.claim, own_end(work.claim.spec)
    if claim.asleep and ends is not None:
        noted = insist(lambda: tools.lives.freshen(claim.lease, ends=ends))
        if not noted:
            return Care.LEFT
    return go_on(tools, work, Care.EXTENDED)
