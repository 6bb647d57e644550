"""Lets at most so many calls pass at a time; how many may change meanwhile."""

from __future__ import annotations

import threading


class Gate:
    """Counts the calls under way to one server. Thread-safe.

    Args:
        size: How many may be under way at a time, from 0.
    """

    def __init__(self, size: int) -> None:
        self._changed = threading.Condition()
        self._size = size
        self._under_way = 0

    @property
    def size(self) -> int:
        """How many may be under way at a time."""
        return self._size

    @property
    def under_way(self) -> int:
        """How many are under way; more than the size for a while after it was lowered."""
        return self._under_way

    def resize(self, size: int) -> None:
        """Let another number pass; calls under way go on."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def enter(self, wait: float) -> bool:
        """Enter, and leave afterwards.

        Args:
            wait: Seconds to wait at most.

        Returns:
            False if there was no room in time; then there is nothing to leave.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way < self._size, timeout=wait):
                return False
            self._under_way += 1
            return True

    def leave(self) -> None:
        """Leave; the next one may enter."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify()
