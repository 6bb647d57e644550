"""Circuit breakers in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from kato_tasks.breakers import BreakerState, Circuit, kept, spread
from kato_tasks.settings import Settings
from kato_tasks.testing.store import BreakerEntry, MemoryStore


class MemoryBreakers:
    """Circuit breakers in memory: :class:`kato_tasks.breakers.Breakers`. Thread-safe.

    Pauses are by the store's clock. Each object stands for a process.

    Args:
        store: Holds the state.
        settings: Limits and pauses.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def ask(self, instance: str) -> float:
        """See :meth:`kato_tasks.breakers.Breakers.ask`."""
        with self._store.changed:
            entry, now = self._entry(instance), self._store.now_ms
            if entry.until is None:
                return 0.0
            if now < entry.until:
                return spread((entry.until - now) / 1000)
            left = (entry.probed_until - now) / 1000
            if left > 0 and entry.prober not in (None, self._token()):
                return spread(min(left, self._settings.breaker_open))
            entry.prober = self._token()
            entry.probed_until = self._store.after(self._settings.longest_call)
            return 0.0

    def report(self, instance: str, *, sound: bool) -> None:
        """See :meth:`kato_tasks.breakers.Breakers.report`."""
        with self._store.changed:
            if sound:
                self._store.breakers.pop(instance, None)
            else:
                self._fail(self._entry(instance))

    def withdraw(self, instance: str) -> None:
        """See :meth:`kato_tasks.breakers.Breakers.withdraw`."""
        with self._store.changed:
            entry = self._entry(instance)
            if entry.prober == self._token():
                entry.prober = None

    def states(self) -> Mapping[str, BreakerState]:
        """See :meth:`kato_tasks.breakers.Breakers.states`."""
        with self._store.changed:
            return {name: self._state(self._entry(name)) for name in self._settings.instances}

    def _fail(self, entry: BreakerEntry) -> None:
        pause = round(self._settings.breaker_open * 1000)
        if entry.until is not None:
            if self._store.now_ms < entry.until or entry.prober != self._token():
                return
            pause = entry.pause * 2
        entry.failures += 1
        entry.forgotten = self._store.after(kept(self._settings))
        if entry.failures >= self._settings.breaker_failures:
            entry.pause = min(pause, round(self._settings.breaker_most * 1000))
            entry.until = self._store.now_ms + entry.pause
            entry.prober = None

    def _state(self, entry: BreakerEntry) -> BreakerState:
        if entry.until is None:
            return BreakerState(circuit=Circuit.CLOSED, failures=entry.failures)
        circuit = Circuit.OPEN if self._store.now_ms < entry.until else Circuit.HALF_OPEN
        return BreakerState(circuit=circuit, failures=entry.failures, until=entry.until / 1000)

    def _entry(self, instance: str) -> BreakerEntry:
        entry = self._store.breakers.get(instance)
        if entry is None or entry.forgotten <= self._store.now_ms:
            entry = self._store.breakers[instance] = BreakerEntry(
                forgotten=self._store.after(kept(self._settings))
            )
        return entry

    def _token(self) -> str:
        return f"{id(self)}:{threading.get_ident()}"
