"""Placement in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kato_tasks.naming import fold_node
from kato_tasks.settings import Settings
from kato_tasks.testing.store import MemoryStore


class MemoryPlacement:
    """Placement in memory: :class:`kato_tasks.placement.Placement`. Thread-safe.

    Args:
        store: Holds the state, and its clock.
        settings: The instances; for how long a home stays that nobody asks for.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def cordon(self, instance: str) -> bool:
        """See :meth:`kato_tasks.placement.Placement.cordon`."""
        self._settings.instance_url(instance)
        with self._store.changed:
            new = instance not in self._store.cordons
            self._store.cordons.setdefault(instance, self._store.now_ms / 1000)
            return new

    def uncordon(self, instance: str) -> bool:
        """See :meth:`kato_tasks.placement.Placement.uncordon`."""
        with self._store.changed:
            removed = self._store.cordons.pop(instance, None) is not None
        if not removed:
            self._settings.instance_url(instance)
        return removed

    def cordoned(self) -> Mapping[str, float]:
        """See :meth:`kato_tasks.placement.Placement.cordoned`."""
        with self._store.changed:
            return dict(self._store.cordons)

    def homes(self, nodes: Sequence[str]) -> dict[str, str]:
        """See :meth:`kato_tasks.placement.Placement.homes`."""
        with self._store.changed:
            found = {node: self._home(node) for node in dict.fromkeys(map(fold_node, nodes))}
            return {node: home for node, home in found.items() if home is not None}

    def settle(self, node: str, instance: str) -> str:
        """See :meth:`kato_tasks.placement.Placement.settle`."""
        with self._store.changed:
            home = self._home(fold_node(node)) or instance
            self._keep(fold_node(node), home)
            return home

    def move_home(self, node: str, instance: str) -> None:
        """See :meth:`kato_tasks.placement.Placement.move_home`."""
        with self._store.changed:
            self._keep(fold_node(node), instance)

    def _home(self, folded: str) -> str | None:
        home, until = self._store.homes.get(folded, ("", 0))
        if until <= self._store.now_ms:
            return None
        self._keep(folded, home)
        return home

    def _keep(self, folded: str, home: str) -> None:
        self._store.homes[folded] = (home, self._store.after(self._settings.retention))
