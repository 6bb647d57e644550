"""Keeps a session alive that asked for it."""

from __future__ import annotations

from kato_tasks.delivery import Tools, Verdict, Work, extend
from kato_tasks.delivery.extending import UNSURE
from kato_tasks.life import may_be_forgotten, own_end, refresh_look
from kato_tasks.lifecycle.giving_back import Care, go_on, make_anew
from kato_tasks.models import Turn


def keep_alive(tools: Tools, work: Work) -> Care:
    """Extend a session by its own time to live, if that is due.

    Past its deadline it may be gone, and nothing is written to it before its server says that it
    is there (kato-api 2).

    Raises:
        KatoError: Its server did not answer; nothing was written.
    """
    claim, life = work.claim, work.claim.life
    if claim.session_id is None or not life.keep or life.lifetime is None:
        return go_on(tools, work)
    if (refresh_look(life, work.now_ms, tools.settings) or 0.0) > 0:
        return go_on(tools, work)
    forgotten = may_be_forgotten(life, work.now_ms)
    if forgotten and not tools.client(claim.spec.instance).exists(claim.session_id):
        return make_anew(tools, work, Verdict.GONE.value)
    extended = extend(tools, work, ends=own_end(claim.spec))
    if isinstance(extended, Turn):
        return Care.LEFT
    if extended.claim.intent is not None or extended.claim.suspect is not None:
        return make_anew(tools, work, extended.claim.suspect or UNSURE)
    return go_on(tools, extended, Care.EXTENDED)
