"""A steady clock: the store's, without the jumps of whoever sets it.

Whether a session is idle or over is told by times that were written down long ago. A store's wall
clock that is set forward by an hour would end them early, one that is set back would keep them. So
every process that sweeps compares how far the store's clock has gone since its last look with how
far its own has, which nobody sets; where both differ, the difference is kept in the store as an
offset that every script adds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner, life_calls
from kato_tasks.scripts.life_calls import Reading
from kato_tasks.settings import Settings

_LONGEST: Final = 60.0
"""Seconds between two looks beyond which nothing is concluded: a clock of our own drifts too."""


def _own_clock() -> float:
    # It goes on while a machine sleeps, as the store's clock does on another machine.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Keeps the clocks of all shards steady. Thread-safe.

    Args:
        runner: Reaches the store.
        settings: Prefix, shards and the tolerance.
        clock: A clock that nobody sets, in seconds.
    """

    def __init__(
        self, runner: Runner, settings: Settings, clock: Callable[[], float] = _own_clock
    ) -> None:
        self._runner = runner
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._shards = range(settings.shards)
        # A round trip may take as long, and the store reads its clock somewhere in it.
        self._tolerance = round(1000 * 2 * settings.store_timeout)
        self._clock = clock
        self._last: list[Reading] | None = None
        self._last_at = 0.0
        self._lock = threading.Lock()

    def tick(self) -> bool:
        """Look at the clocks, and correct those that were set; True if one was.

        Raises:
            StoreUnavailable: The store did not answer; the next look does it.
        """
        with self._lock:
            return self._tick()

    def _tick(self) -> bool:
        now = self._clock()
        passed = now - self._last_at
        last = self._last if passed <= _LONGEST else None
        readings = self._runner.run_all(
            [
                life_calls.clock(
                    self._keys.clock(shard),
                    None if last is None else last[shard],
                    passed_ms=round(passed * 1000) if last is not None else 0,
                    tolerance_ms=self._tolerance,
                )
                for shard in self._shards
            ]
        )
        before, self._last, self._last_at = last, readings, now
        return before is not None and any(
            was.offset_ms != one.offset_ms for was, one in zip(before, readings, strict=True)
        )
