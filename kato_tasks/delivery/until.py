"""Delivers a lane from here until a position is reached, beside whoever else works on it."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.delivery.deliverer import Deliverer
from kato_tasks.models import SessionRecord, Turn
from kato_tasks.registry import Registry

_PAUSE: Final = 0.01


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
    until = time.monotonic() + timeout
    record = registry.get(key)
    goal = seq if seq is not None else (record.appended if record else 0)
    while record is not None and time.monotonic() < until:
        if _is_there(record, goal, bound=seq is None):
            return record
        turn = deliverer.deliver(key)
        record = registry.get(key)
        if turn in (Turn.HELD, Turn.UNKNOWN):
            break
        if turn is not Turn.MORE and record and not _is_there(record, goal, bound=seq is None):
            time.sleep(_PAUSE)
    return record


def _is_there(record: SessionRecord, goal: int, *, bound: bool) -> bool:
    return record.applied >= goal and (not bound or record.session_id is not None)
