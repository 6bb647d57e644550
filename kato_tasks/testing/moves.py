"""Moves in memory."""

from __future__ import annotations

from dataclasses import replace

from kato_tasks.models import Departure, Journal, Learning, Lease, NoMove, SessionState
from kato_tasks.testing.store import Entry, MemoryStore


class MemoryMoves:
    """Moves in memory: :class:`kato_tasks.moves.Moves` with the answers of the Lua scripts.

    Thread-safe.

    Args:
        store: Holds the state.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def depart(self, key: str, token: str, *, seconds: float) -> Departure | NoMove:
        """See :meth:`kato_tasks.moves.Moves.depart`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.spec is None:
                return NoMove.UNKNOWN
            if entry.state is SessionState.ENDED and entry.appended == entry.applied:
                return NoMove.ENDED
            if entry.parked is not None:
                return NoMove.PARKED
            if entry.moving not in (None, token) and entry.moving_until > self._store.now_ms:
                return NoMove.MOVING
            entry.moving, entry.moving_until = token, self._store.after(seconds)
            return Departure(
                spec=entry.spec,
                session_id=entry.sid,
                journal=Journal(entries=tuple(entry.journal), cut=entry.cut),
            )

    def on_the_way(
        self, key: str, token: str, *, seconds: float, give_way: float | None = None
    ) -> bool:
        """See :meth:`kato_tasks.moves.Moves.on_the_way`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.moving != token:
                return False
            entry.moving_until = self._store.after(seconds)
            if give_way is not None:
                entry.way_until = self._store.after(give_way)
            return True

    def arrive(self, key: str, token: str) -> int | None:
        """See :meth:`kato_tasks.moves.Moves.arrive`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.moving != token:
                return None
            entry.moving, entry.moving_until, entry.way_until = None, 0, 0
            return entry.appended - entry.applied

    def relocate(
        self, lease: Lease, applied: int, instance: str, learning: Learning
    ) -> Lease | None:
        """See :meth:`kato_tasks.moves.Moves.relocate`."""
        with self._store.changed:
            entry = self._store.entry(lease.key)
            if entry.token != lease.token or entry.spec is None:
                return None
            if entry.spec.instance == instance and entry.epoch == lease.epoch + 1:
                return replace(lease, epoch=entry.epoch)
            if entry.intent is not None:
                return None
            if entry.epoch != lease.epoch or entry.applied != applied:
                return None
            move_to(self._store, entry, instance)
            entry.learning = learning
            entry.epoch += 1
            return replace(lease, epoch=entry.epoch)


def move_to(store: MemoryStore, entry: Entry, instance: str) -> None:
    """Note on which instance a session is from now on; call it with ``changed`` held."""
    if entry.spec is None:
        return
    entry.placed = entry.placed or entry.spec.instance
    entry.spec = replace(entry.spec, instance=instance)
    store.counts["moved"] += 1
