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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner, life_calls
from kato_tasks.scripts.life_calls import Reading
from kato_tasks.settings import Settings

_LONGEST: Final = 60.0
"""Seconds between two looks beyond which nothing is concluded: a clock of our own drifts too."""
_SHORT: Final = 1.0
"""Seconds that a look may take: the store reads its clock somewhere in it."""
_TOLERANCE: Final = 10_000
"""Milliseconds by which both clocks may differ between two looks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What the clocks of all shards showed, and when by our own."""

    readings: Sequence[Reading]
    at: float


def _own_clock() -> float:
    # It goes on while a machine sleeps, as the store's clock does on another machine.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Keeps the clocks of all shards steady. Thread-safe.

    Args:
        runner: Reaches the store.
        settings: Prefix and shards.
        clock: A clock that nobody sets, in seconds.
    """

    def __init__(
        self, runner: Runner, settings: Settings, clock: Callable[[], float] = _own_clock
    ) -> None:
        self._runner = runner
        keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._names = [keys.clock(shard) for shard in range(settings.shards)]
        self._clock = clock
        self._last: _Look | None = None
        self._lock = threading.Lock()

    def tick(self) -> bool:
        """Look at the clocks, and correct those that were set; True if one was.

        Raises:
            StoreUnavailable: The store did not answer; the next look does it.
        """
        with self._lock:
            return self._tick()

    def _tick(self) -> bool:
        asked = self._clock()
        readings = self._runner.run_all([life_calls.clock(key) for key in self._names])
        answered = self._clock()
        before, self._last = self._last, None
        if answered - asked > _SHORT:
            # When in between the store has read its clock, nobody knows: begin anew.
            return False
        self._last = _Look(readings=readings, at=answered)
        if before is None or answered - before.at > _LONGEST:
            return False
        return self._correct(before, self._last)

    def _correct(self, before: _Look, now: _Look) -> bool:
        """Take a jump of the store's clock between two looks out of the steady one."""
        passed = (now.at - before.at) * 1000
        looks = zip(self._names, before.readings, now.readings, strict=True)
        calls = []
        for name, was, one in looks:
            jump = round(one.wall_ms - was.wall_ms - passed)
            if abs(jump) > _TOLERANCE and one.offset_ms == was.offset_ms:
                after = one.offset_ms - jump
                calls.append(life_calls.set_clock(name, before_ms=one.offset_ms, after_ms=after))
        if calls:
            self._runner.run_all(calls)
            self._last = None
        return bool(calls)
