"""How a look at a session ends: its lease goes back, with what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from kato_tasks.deadlines import idle_look, refresh_look
from kato_tasks.delivery import Tools, Work
from kato_tasks.delivery.insist import insist
from kato_tasks.models import Looks, Rest, SessionState


class Care(StrEnum):
    """What became of a session that was looked at."""

    EXTENDED = "extended"
    """Its server was told to keep it."""
    HIBERNATED = "hibernated"
    """It was put to sleep."""
    ENDED = "ended"
    """It has ended."""
    LOST = "lost"
    """Its server has lost it, or may have: a worker makes it anew."""
    LEFT = "left"
    """Nothing had to be done, or somebody is at work on it, or its server is not there."""


def go_on(tools: Tools, work: Work, care: Care = Care.LEFT) -> Care:
    """Let a session go on as it is, until its next look."""
    return _rest(tools, work, Rest(looks=_looks(tools, work)), care)


def try_later(tools: Tools, work: Work) -> Care:
    """Let a session go on as it is, and look again soon: what had to be done was not."""
    looks, settings = _looks(tools, work), tools.settings
    idle = None if looks.idle is None else max(looks.idle, settings.cleanup_interval)
    refresh = None if looks.refresh is None else max(looks.refresh, settings.refresh_interval)
    return _rest(tools, work, Rest(looks=Looks(idle=idle, refresh=refresh)), Care.LEFT)


def make_anew(tools: Tools, work: Work, why: str) -> Care:
    """Have a worker make a session anew."""
    return _rest(tools, work, Rest(suspect=why, looks=_looks(tools, work)), Care.LOST)


def hibernate(
    tools: Tools, work: Work, *, stm: list[list[str]] | None, journal: Sequence[bytes] | None
) -> Care:
    """Note that a session sleeps from now on; its own end is all that is looked for."""
    life = work.claim.life
    rest = Rest(
        state=SessionState.HIBERNATED,
        stm=stm,
        journal=journal,
        looks=Looks(idle=_end_look(tools, work)),
        unused_since=life.used_ms,
        kept=life.keep,
    )
    return _rest(tools, work, rest, Care.HIBERNATED)


def end(tools: Tools, work: Work, *, unused: bool) -> Care:
    """Note that a session has ended; ``unused``: unless somebody has used it meanwhile."""
    life = work.claim.life
    used = life.used_ms if unused else None
    rest = Rest(state=SessionState.ENDED, unused_since=used, kept=life.keep)
    return _rest(tools, work, rest, Care.ENDED)


def _looks(tools: Tools, work: Work) -> Looks:
    claim, settings = work.claim, tools.settings
    if claim.session_id is None:
        return Looks(idle=_end_look(tools, work))
    refresh = refresh_look(claim.life, work.now_ms, settings) if claim.life.keep else None
    return Looks(idle=idle_look(claim.spec, claim.life, work.now_ms, settings), refresh=refresh)


def _end_look(tools: Tools, work: Work) -> float | None:
    """Return when a session is looked at that no server has: it can only end."""
    life = replace(work.claim.life, keep=True)
    return idle_look(work.claim.spec, life, work.now_ms, tools.settings)


def _rest(tools: Tools, work: Work, how: Rest, care: Care) -> Care:
    noted = insist(lambda: tools.lives.rest(work.claim.lease, how))
    return care if noted else Care.LEFT
