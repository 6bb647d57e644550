"""Repeats a step at the store whose answer was lost: every step may be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from kato_tasks.errors import StoreUnavailable

T = TypeVar("T")

_PAUSES: Final = (0.05, 0.2)


def insist(step: Callable[[], T]) -> T:
    """Return a step's answer, after up to three attempts.

    Between an intent and its settlement a lost answer would leave the session in doubt, although
    nothing is doubtful.

    Raises:
        StoreUnavailable: The store stayed away.
    """
    for pause in _PAUSES:
        try:
            return step()
        except StoreUnavailable:
            time.sleep(pause)
    return step()
