"""The schedule in memory."""

from __future__ import annotations

from kato_tasks.schedule import ScheduleView, entries, run_of
from kato_tasks.settings import Settings
from kato_tasks.testing.store import MemoryStore, ScheduleLease


class MemorySchedule:
    """The schedule in memory: :class:`kato_tasks.schedule.Schedule`. Thread-safe.

    Args:
        store: Holds the state.
        settings: The entries.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._entries = entries(settings)

    def hold(self, token: str, holder: str, seconds: float) -> bool:
        """See :meth:`kato_tasks.schedule.Schedule.hold`."""
        with self._store.changed:
            lease = self._lease()
            if lease is not None and lease.token != token:
                return False
            until = self._store.after(seconds)
            self._store.schedule_lease = ScheduleLease(token=token, holder=holder, until=until)
            return True

    def release(self, token: str) -> bool:
        """See :meth:`kato_tasks.schedule.Schedule.release`."""
        with self._store.changed:
            ours = self._is_ours(token)
            if ours:
                self._store.schedule_lease = None
            return ours

    def fire(self, token: str, name: str, every: float) -> float | None:
        """See :meth:`kato_tasks.schedule.Schedule.fire`."""
        with self._store.changed:
            if not self._is_ours(token):
                return None
            now = self._store.now_ms
            last = self._store.schedule_runs.get(name, 0)
            left = last + max(1, round(every * 1000)) - now
            if last <= now and left > 0:
                return left / 1000
            self._store.schedule_runs[name] = now
            return 0.0

    def view(self) -> ScheduleView:
        """See :meth:`kato_tasks.schedule.Schedule.view`."""
        with self._store.changed:
            lease, now = self._lease(), self._store.now_ms / 1000
            lasts = {name: at / 1000 for name, at in self._store.schedule_runs.items()}
            return ScheduleView(
                holder=None if lease is None else lease.holder,
                until=None if lease is None else lease.until / 1000,
                runs=[run_of(entry, lasts.get(entry.name), now) for entry in self._entries],
            )

    def _is_ours(self, token: str) -> bool:
        lease = self._lease()
        return lease is not None and lease.token == token

    def _lease(self) -> ScheduleLease | None:
        lease = self._store.schedule_lease
        return lease if lease is not None and self._store.now_ms < lease.until else None
