"""The registry in memory."""

from __future__ import annotations

from collections.abc import Iterator

from kato_tasks.deadlines import state_of
from kato_tasks.models import Outcome, Progress, SessionRecord, SessionState
from kato_tasks.registry import Stats
from kato_tasks.settings import Settings
from kato_tasks.testing.store import Entry, MemoryStore

_LATENCY = "latency:"


class MemoryRegistry:
    """The registry in memory: :class:`kato_tasks.registry.Registry`. Thread-safe.

    Args:
        store: Holds the state.
        settings: When a session is idle, and when it is expiring.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def get(self, key: str) -> SessionRecord | None:
        """See :meth:`kato_tasks.registry.Registry.get`."""
        with self._store.changed:
            return self._record(key)

    def progress(self, key: str) -> Progress | None:
        """See :meth:`kato_tasks.registry.Registry.progress`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.spec is None:
                return None
            return Progress(appended=entry.appended, applied=entry.applied, parked=entry.parked)

    def knows(self, key: str, command_id: str, first: int) -> bool:
        """See :meth:`kato_tasks.registry.Registry.knows`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.spec is None or command_id in entry.ids:
                return entry.spec is not None and entry.ids[command_id] == first
            return not entry.ids or min(entry.ids.values()) > first

    def outcomes(self, key: str, first: int, last: int) -> dict[int, Outcome]:
        """See :meth:`kato_tasks.registry.Registry.outcomes`."""
        with self._store.changed:
            known = self._store.entry(key).outcomes
            return {seq: known[seq] for seq in sorted(known) if first <= seq <= last}

    def recent(self, *, limit: int, offset: int = 0) -> list[SessionRecord]:
        """See :meth:`kato_tasks.registry.Registry.recent`."""
        with self._store.changed:
            latest = sorted(((at, key) for key, at in self._store.activity.items()), reverse=True)
            return list(self._records([key for _, key in latest[offset : offset + limit]]))

    def walk(self) -> Iterator[SessionRecord]:
        """See :meth:`kato_tasks.registry.Registry.walk`."""
        with self._store.changed:
            records = list(self._records(list(self._store.activity)))
        yield from records

    def stats(self) -> Stats:
        """See :meth:`kato_tasks.registry.Registry.stats`."""
        with self._store.changed:
            counts = dict(self._store.counts)
            latency = {name: counts.pop(name) for name in list(counts) if name.startswith(_LATENCY)}
            return Stats(
                counts=counts,
                latency={int(name.removeprefix(_LATENCY)): n for name, n in latency.items()},
                ready=len(self._store.ready),
                sessions=len(self._store.activity),
            )

    def _records(self, keys: list[str]) -> Iterator[SessionRecord]:
        for key in keys:
            record = self._record(key)
            if record is not None:
                yield record

    def _record(self, key: str) -> SessionRecord | None:
        entry = self._store.entry(key)
        if entry.spec is None:
            return None
        return SessionRecord(
            key=key,
            spec=entry.spec,
            state=self._state(entry),
            session_id=entry.sid,
            time=entry.time,
            epoch=entry.epoch,
            appended=entry.appended,
            applied=entry.applied,
            created_at=entry.created_ms / 1000,
            active_at=entry.active_ms / 1000,
            doubt=entry.doubt or entry.suspect,
            parked=entry.parked,
            attempts=entry.attempts,
            rehomed=entry.rehomed,
            why=entry.why,
            life=entry.life,
            asleep=entry.state is SessionState.HIBERNATED,
            read_ms=self._store.now_ms,
        )

    def _state(self, entry: Entry) -> SessionState:
        if entry.parked is not None:
            return SessionState.PARKED
        if entry.doubt or entry.suspect:
            return SessionState.DOUBT
        if entry.moving_until > self._store.now_ms:
            return SessionState.MIGRATING
        return state_of(entry.state, entry.life, self._store.now_ms, self._settings)
