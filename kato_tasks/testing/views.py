"""The views of the lanes in memory."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.models import LaneView
from kato_tasks.testing.store import MemoryStore


class MemoryViews:
    """The views of the lanes in memory: :class:`kato_tasks.views.Views`. Thread-safe.

    Args:
        store: Holds the state.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def lane(self, key: str, *, commands: int) -> LaneView | None:
        """See :meth:`kato_tasks.views.Views.lane`."""
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.spec is None:
                return None
            return LaneView(
                applied=entry.applied,
                leased=entry.token is not None,
                intent=entry.intent,
                intent_at=entry.intent_ms / 1000,
                next_look=self.next_looks([key]).get(key),
                commands=tuple(entry.commands[:commands]),
                journal=len(entry.journal),
            )

    def ready(self, *, limit: int) -> Sequence[str]:
        """See :meth:`kato_tasks.views.Views.ready`."""
        with self._store.changed:
            looks = sorted((at, key.encode()) for key, at in self._store.ready.items())
            return [key.decode() for _, key in looks[:limit]]

    def next_looks(self, keys: Sequence[str]) -> dict[str, float]:
        """See :meth:`kato_tasks.views.Views.next_looks`."""
        with self._store.changed:
            ready = self._store.ready
            return {key: ready[key] / 1000 for key in keys if key in ready}
