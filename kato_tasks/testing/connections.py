"""Shares of connections in memory."""

from __future__ import annotations

from collections.abc import Mapping

from kato_tasks.connections import Crowd, fair_share
from kato_tasks.settings import Settings
from kato_tasks.testing.store import MemoryStore, ProcessEntry


class MemoryConnections:
    """Shares of connections in memory: :class:`kato_tasks.connections.Connections`. Thread-safe.

    Processes are forgotten by the store's clock. One object stands for one process.

    Args:
        store: Holds the state.
        settings: Limits, and the lease time.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def join(self, instance: str, *, held: int = 0, under_way: int = 0) -> int:
        """See :meth:`kato_tasks.connections.Connections.join`."""
        with self._store.changed:
            others = [one for one in self._living(instance) if one.process is not self]
            left = self._settings.instance_connections - sum(one.connections for one in others)
            share = max(0, min(left, fair_share(self._settings, len(others) + 1)))
            own = ProcessEntry(
                process=self,
                until=self._store.after(self._settings.lease),
                connections=max(share, held),
                under_way=under_way,
            )
            self._store.processes[instance] = [*others, own]
            return share

    def leave(self, instance: str) -> None:
        """See :meth:`kato_tasks.connections.Connections.leave`."""
        with self._store.changed:
            others = [one for one in self._living(instance) if one.process is not self]
            self._store.processes[instance] = others

    def crowds(self) -> Mapping[str, Crowd]:
        """See :meth:`kato_tasks.connections.Connections.crowds`."""
        with self._store.changed:
            return {name: _crowd(self._living(name)) for name in self._settings.instances}

    def _living(self, instance: str) -> list[ProcessEntry]:
        entries = self._store.processes.get(instance, [])
        return [one for one in entries if one.until > self._store.now_ms]


def _crowd(entries: list[ProcessEntry]) -> Crowd:
    return Crowd(
        processes=len(entries),
        connections=sum(one.connections for one in entries),
        under_way=sum(one.under_way for one in entries),
    )
