"""The arithmetic of a session's life: when it is idle, expires, and has to be looked at.

All of it is plain functions of times: the store's steady clock in epoch milliseconds, total
seconds, and limits that count only once they are passed.
"""

from __future__ import annotations

from typing import Final

from kato_tasks.models import IdlePolicy, Life, Looks, SessionSpec, SessionState
from kato_tasks.settings import Settings

LEAD_TICKS: Final = 3
"""A session that is kept alive is extended so many refresh intervals before its server forgets it:
two ticks may be missed."""
LEAST_TICKS: Final = LEAD_TICKS + 1
"""How many refresh intervals its time to live must have."""
TRUNCATED: Final = 1
"""After a write a server counts whole seconds only: a session ends up to one early (kato-api 2)."""
_LAST_SECOND: Final = 2.0
"""A write in the last second deletes a session (kato-api 2); one more for the way to the server."""


def over(life: Life, now_ms: float) -> bool:
    """Tell whether a session has ended by its own time to live."""
    return life.ends_ms is not None and now_ms > life.ends_ms


def state_of(step: SessionState, life: Life, now_ms: float, settings: Settings) -> SessionState:
    """Return the state of a session that nothing is wrong with.

    Args:
        step: The state that its last step left it in: of those that are bound at a server, ACTIVE.
        life: How long it lives.
        now_ms: The steady clock.
        settings: When a session is idle, and when it is expiring.
    """
    if step is not SessionState.ENDED and over(life, now_ms):
        return SessionState.EXPIRED
    if step is not SessionState.ACTIVE:
        return step
    share = _share_gone(life, now_ms)
    if share > 1:
        return SessionState.EXPIRED
    if share > settings.expiring_share:
        return SessionState.EXPIRING
    idle = now_ms - life.used_ms > settings.idle_seconds * 1000
    return SessionState.IDLE if idle else SessionState.ACTIVE


def policy(spec: SessionSpec, settings: Settings) -> IdlePolicy:
    """Return what happens to a session when it is idle."""
    return settings.idle if spec.idle is None else spec.idle


def idle_look(spec: SessionSpec, life: Life, now_ms: float, settings: Settings) -> float | None:
    """Return in how many seconds a session may be idle or over; None for never.

    It is a lower bound: what is used meanwhile is found out at the look.
    """
    limit = settings.idle_after if spec.idle_after is None else spec.idle_after
    rests = policy(spec, settings) is not IdlePolicy.KEEP and not life.keep
    at = _first(life.used_ms + limit * 1000 if rests else None, life.ends_ms)
    return None if at is None else max(0.0, (at - now_ms) / 1000)


def refresh_look(life: Life, now_ms: float, settings: Settings) -> float | None:
    """Return in how many seconds a server has to be told to keep a session; None for never."""
    if life.lifetime is None:
        return None
    lasts = life.lifetime - TRUNCATED
    lead = min(LEAD_TICKS * settings.refresh_interval, lasts * LEAD_TICKS / LEAST_TICKS)
    due = life.fresh_ms / 1000 + lasts - lead - now_ms / 1000
    # Looked at before it is due, its record is renewed.
    return max(0.0, min(due, settings.retention / 2))


def may_be_forgotten(life: Life, now_ms: float) -> bool:
    """Tell whether a server may have forgotten a session, if it counts no writes."""
    return life.lifetime is not None and now_ms > life.fresh_ms + (life.lifetime - TRUNCATED) * 1000


def least_ttl(settings: Settings) -> float:
    """Return the shortest time to live of a session that can be kept alive, seconds."""
    return LEAST_TICKS * settings.refresh_interval + TRUNCATED


def first_looks(spec: SessionSpec, lifetime: int | None, settings: Settings) -> Looks:
    """Return when somebody has to look at a session that was just made at its server."""
    ends = own_end(spec)
    life = Life(lifetime=lifetime, ends_ms=None if ends is None else round(ends * 1000))
    return Looks(idle=idle_look(spec, life, 0, settings), refresh=refresh_look(life, 0, settings))


def own_end(spec: SessionSpec) -> float | None:
    """Return in how many seconds a session ends whatever is written; None for never."""
    return None if spec.auto_extend or spec.ttl is None else float(spec.ttl)


def has_to_extend(spec: SessionSpec, life: Life, now_ms: float) -> bool:
    """Tell whether a write may come too late for a server that counts no writes (kato-api 2).

    A session that every write is to extend is extended once half of its time has run out; one that
    ends by itself only for a write that falls into its last second, which would delete it.
    """
    if life.lifetime is None:
        return False
    left = life.fresh_ms / 1000 + life.lifetime - now_ms / 1000
    half = life.lifetime / 2
    return left < (half if spec.auto_extend else min(half, _LAST_SECOND))


def _share_gone(life: Life, now_ms: float) -> float:
    """Return what share of its time to live is over: 0 to 1, beyond that it is forgotten."""
    if life.lifetime is None:
        return 0.0
    lifetime = life.lifetime * 1000
    # Reading keeps nothing alive (kato-api 2).
    gone = now_ms - max(life.fresh_ms, life.wrote_ms)
    if life.ends_ms is not None:
        gone = max(gone, lifetime - (life.ends_ms - now_ms))
    return gone / lifetime


def _first(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
