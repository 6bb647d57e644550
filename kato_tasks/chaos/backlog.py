"""Waits for the end of what is still to be delivered."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.errors import StoreUnavailable
from kato_tasks.registry import Registry

_HOPELESS: Final = 30.0
"""Seconds after which sessions that are all held, and of which none moved, are given up."""


class Backlog:
    """What is still to be delivered.

    Args:
        registry: Tells how far each lane has come.

    Attributes:
        waiting: How many commands waited at the last look.
    """

    def __init__(self, registry: Registry) -> None:
        self.waiting = 0
        self._registry = registry
        self._held = False
        self._since = time.monotonic()

    def look(self) -> bool:
        """Look at all lanes; True if all are empty. A store that does not answer is no news."""
        try:
            late = [record for record in self._registry.walk() if record.waiting]
            ready = self._registry.stats().ready
        except StoreUnavailable:
            return False
        waiting = sum(record.waiting for record in late)
        if waiting != self.waiting:
            self._since = time.monotonic()
        self.waiting = waiting
        self._held = bool(late) and all(record.doubt is not None for record in late)
        return not late and not ready

    @property
    def hopeless(self) -> bool:
        """True if only held sessions are left, and nothing has moved for long."""
        return self._held and time.monotonic() - self._since > _HOPELESS
