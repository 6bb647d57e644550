"""Holds on nodes in memory."""

from __future__ import annotations

import secrets

from kato_tasks.keys import Keys
from kato_tasks.models import SessionSpec
from kato_tasks.naming import fold_node
from kato_tasks.nodes import NodeHold, needs_node_alone
from kato_tasks.settings import Settings
from kato_tasks.testing.store import MemoryStore


class MemoryNodes:
    """Holds on nodes in memory: :class:`kato_tasks.nodes.Nodes`. Thread-safe.

    Holds end by the store's clock; ``wait`` is real time.

    Args:
        store: Holds the state.
        settings: Lease and retention times.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def mark(self, spec: SessionSpec) -> None:
        """See :meth:`kato_tasks.nodes.Nodes.mark`."""
        if needs_node_alone(spec):
            with self._store.changed:
                name = self._keys.alone(spec.instance, fold_node(spec.node))
                self._store.alone[name] = self._store.after(self._settings.retention)

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """See :meth:`kato_tasks.nodes.Nodes.acquire`."""
        folded = fold_node(spec.node)
        name = self._keys.node(spec.instance, folded)
        with self._store.changed:
            if not needs_node_alone(spec) and not self.is_marked(spec):
                return NodeHold()
            if not self._store.changed.wait_for(lambda: self._is_free(name), timeout=wait):
                return None
            hold = NodeHold(lease_key=name, token=secrets.token_hex(8))
            self._take(name, hold.token, keep)
            return hold

    def is_marked(self, spec: SessionSpec) -> bool:
        """See :meth:`kato_tasks.nodes.Nodes.is_marked`."""
        name = self._keys.alone(spec.instance, fold_node(spec.node))
        with self._store.changed:
            return self._store.alone.get(name, 0) > self._store.now_ms

    def renew(self, hold: NodeHold) -> bool:
        """See :meth:`kato_tasks.nodes.Nodes.renew`."""
        if hold.lease_key is None:
            return True
        with self._store.changed:
            held = self._holds(hold.lease_key, hold.token)
            if held:
                self._take(hold.lease_key, hold.token)
            return held

    def release(self, hold: NodeHold) -> None:
        """See :meth:`kato_tasks.nodes.Nodes.release`."""
        with self._store.changed:
            if hold.lease_key is not None and self._holds(hold.lease_key, hold.token):
                del self._store.holds[hold.lease_key]
                self._store.changed.notify_all()

    def _is_free(self, name: str) -> bool:
        return self._store.holds.get(name, ("", 0))[1] <= self._store.now_ms

    def _holds(self, name: str, token: str) -> bool:
        return not self._is_free(name) and self._store.holds[name][0] == token

    def _take(self, name: str, token: str, keep: float | None = None) -> None:
        self._store.holds[name] = (token, self._store.after(keep or self._settings.lease))
