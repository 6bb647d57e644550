"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_POLL: Final = 0.01


def wait_until(
    condition: Callable[[], bool],
    timeout: float = 10.0,
    message: str = "the condition did not become true",
) -> None:
    """Wait until ``condition()`` is true; it is asked at least once, then every 10 ms.

    Args:
        condition: What to wait for.
        timeout: Seconds to wait at most.
        message: What the failure says.

    Raises:
        AssertionError: It did not become true in time.
    """
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= until:
            raise AssertionError(message)
        time.sleep(_POLL)
