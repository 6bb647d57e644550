"""Extends a session from here, beside whoever else works on it."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.delivery import Deliverer
from kato_tasks.errors import SessionParked, UnknownSession, WaitTimeout
from kato_tasks.lifecycle.care import Caretaker
from kato_tasks.lifecycle.giving_back import Care
from kato_tasks.models import SessionRecord, SessionState, Turn
from kato_tasks.registry import Registry

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 1.0


def extend_until(
    caretaker: Caretaker, deliverer: Deliverer, registry: Registry, key: str, *, timeout: float
) -> None:
    """Let a session live on for its own time to live from now on.

    What waits in its lane is delivered before, in this thread, and what is in doubt is cleared up:
    a session that its server has lost is made anew.

    Args:
        caretaker: Extends it.
        deliverer: Delivers turns.
        registry: Tells what is known of it.
        key: The session key.
        timeout: Seconds after which to give up; it is tried twice at least.

    Raises:
        UnknownSession: Nothing is known of it, or it has ended.
        SessionParked: Nothing is sent to it until somebody unparks it.
        WaitTimeout: It was not extended in time.
        StoreUnavailable: The store did not answer.
    """
    until, pause, turn = time.monotonic() + timeout, _FIRST_PAUSE, None
    while not _is_extended(caretaker, registry.get(key), key):
        if turn is not None and time.monotonic() >= until:
            hint = "its server may be down, or somebody else be at work on it"
            raise WaitTimeout(f"session {key!r} to be extended", timeout, hint)
        turn = deliverer.deliver(key)
        if turn is not Turn.MORE:
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)


def _is_extended(caretaker: Caretaker, record: SessionRecord | None, key: str) -> bool:
    """Try to extend a session.

    Raises:
        UnknownSession: It does not live.
        SessionParked: It is parked.
    """
    if record is None or (record.state is SessionState.ENDED and not record.waiting):
        raise UnknownSession(key)
    if record.parked is not None:
        raise SessionParked(key, record.parked)
    return caretaker.extend(key) is Care.EXTENDED
