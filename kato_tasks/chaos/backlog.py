"""Waits for the end of what is still to be delivered."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.errors import StoreUnavailable
from kato_tasks.registry import Registry

_HOPELESS: Final = 45.0
"""Seconds without any delivery after which what waits is given up."""


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
        self._since = time.monotonic()

    def look(self) -> bool:
        """Look at all lanes; True if all are empty. A store that does not answer is no news."""
        try:
            waiting = sum(record.waiting for record in self._registry.walk())
            ready = self._registry.stats().ready
        except StoreUnavailable:
            return False
        if waiting != self.waiting:
            self._since = time.monotonic()
        self.waiting = waiting
        return not waiting and not ready

    @property
    def hopeless(self) -> bool:
        """True if nothing has moved for long."""
        return time.monotonic() - self._since > _HOPELESS
