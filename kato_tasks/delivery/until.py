"""Delivers a lane from here until a position is reached, beside whoever else works on it."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.delivery.deliverer import Deliverer
from kato_tasks.errors import SessionParked, WaitTimeout
from kato_tasks.models import SessionRecord, Turn
from kato_tasks.registry import Registry

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 1.0


def deliver_until(
    deliverer: Deliverer, registry: Registry, key: str, *, seq: int | None, timeout: float
) -> SessionRecord | None:
    """Deliver a lane in this thread until it has come to ``seq``.

    Meant for tasks that need an effect now: they do not occupy a thread only to wait for another.

    Args:
        deliverer: Delivers turns.
        registry: Tells how far the lane has come.
        key: The session key.
        seq: The position to reach; None for all that is accepted now, and a server-side session.
        timeout: Seconds after which to give up.

    Returns:
        The session's record at the end, whether it got there or not; None if it is unknown.
    """
    until, pause = time.monotonic() + timeout, _FIRST_PAUSE
    record = registry.get(key)
    goal = seq if seq is not None else (record.appended if record else 0)
    while record is not None and not _is_there(record, goal, bound=seq is None):
        turn = deliverer.deliver(key)
        record = registry.get(key)
        if turn in (Turn.PARKED, Turn.UNKNOWN) or time.monotonic() >= until:
            break
        if turn is not Turn.MORE:
            # Somebody else is at it, or the server is away: ask less and less often.
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
    return record


def ensure_session(
    deliverer: Deliverer, registry: Registry, key: str, *, timeout: float
) -> SessionRecord:
    """Return a registered session once a server has it, delivering its lane from here.

    Raises:
        SessionParked: The session is parked.
        WaitTimeout: It was not made within ``timeout`` seconds.
    """
    record = deliver_until(deliverer, registry, key, seq=None, timeout=timeout)
    if record is not None and record.parked is not None:
        raise SessionParked(key, record.parked)
    if record is None or record.session_id is None:
        raise WaitTimeout(f"session {key!r} to be made", timeout, "its server may be down")
    return record


def _is_there(record: SessionRecord, goal: int, *, bound: bool) -> bool:
    return record.applied >= goal and (not bound or record.session_id is not None)
