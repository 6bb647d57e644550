"""Rights to nodes in memory."""

from __future__ import annotations

import secrets

from kato_tasks.keys import Keys
from kato_tasks.models import Lease, SessionSpec
from kato_tasks.naming import fold_node
from kato_tasks.nodes import NodeHold, needs_node_alone
from kato_tasks.settings import Settings
from kato_tasks.testing.store import MemoryStore


class MemoryNodes:
    """Rights to nodes in memory: :class:`kato_tasks.nodes.Nodes`. Thread-safe.

    They end by the store's clock; ``wait`` is real time.

    Args:
        store: Holds the state.
        settings: Limits, lease and retention times.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """See :meth:`kato_tasks.nodes.Nodes.acquire`."""
        name = self._keys.holders(spec.instance, fold_node(spec.node))
        with self._store.changed:
            if needs_node_alone(spec):
                self._store.alone[self._mark(spec)] = self._store.after(self._settings.retention)
            if not self._store.changed.wait_for(lambda: self._is_free(spec, name), timeout=wait):
                return None
            hold = NodeHold(holders=name, token=secrets.token_hex(8), alone=self._limit(spec) == 1)
            until = self._store.after(keep or self._settings.lease)
            self._store.holds.setdefault(name, {})[hold.token] = until
            return hold

    def is_marked(self, spec: SessionSpec) -> bool:
        """See :meth:`kato_tasks.nodes.Nodes.is_marked`."""
        with self._store.changed:
            return self._store.alone.get(self._mark(spec), 0) > self._store.now_ms

    def renew(self, hold: NodeHold) -> bool:
        """See :meth:`kato_tasks.nodes.Nodes.renew`."""
        with self._store.changed:
            held = self._held(hold.holders)
            if hold.token not in held:
                return False
            held[hold.token] = max(held[hold.token], self._store.after(self._settings.lease))
            return True

    def release(self, hold: NodeHold) -> None:
        """See :meth:`kato_tasks.nodes.Nodes.release`."""
        with self._store.changed:
            self._held(hold.holders).pop(hold.token, None)
            self._store.changed.notify_all()

    def take_learning(self, spec: SessionSpec, lease: Lease, *, again: bool = False) -> bool:
        """See :meth:`kato_tasks.nodes.Nodes.take_learning`."""
        with self._store.changed:
            name = self._keys.learner(spec.instance, fold_node(spec.node))
            owner, until = self._store.learners.get(name, (lease, 0))
            if again and self._store.learned.get(name) != lease.key:
                return False
            if until > self._store.now_ms and not self._may_take_over(owner.key, lease.key):
                return False
            kept = self._store.after(self._settings.learning_kept)
            self._store.learners[name] = (lease, kept)
            self._store.learned[name] = lease.key
            return True

    def give_learning(self, spec: SessionSpec, lease: Lease) -> None:
        """See :meth:`kato_tasks.nodes.Nodes.give_learning`."""
        with self._store.changed:
            name = self._keys.learner(spec.instance, fold_node(spec.node))
            owner = self._store.learners.get(name, (lease, 0))[0]
            if (owner.key, owner.token) == (lease.key, lease.token):
                self._store.learners.pop(name, None)

    def _may_take_over(self, owner: str, key: str) -> bool:
        entry = self._store.entry(owner)
        return owner == key or (entry.token is None and entry.intent is None)

    def _is_free(self, spec: SessionSpec, name: str) -> bool:
        return len(self._held(name)) < self._limit(spec)

    def _limit(self, spec: SessionSpec) -> int:
        return 1 if self.is_marked(spec) else self._settings.node_calls

    def _held(self, name: str) -> dict[str, int]:
        """Return the living holds of a node, and until when; the others are dropped."""
        holds, now = self._store.holds.setdefault(name, {}), self._store.now_ms
        for token in [token for token, until in holds.items() if until <= now]:
            del holds[token]
        return holds

    def _mark(self, spec: SessionSpec) -> str:
        return self._keys.alone(spec.instance, fold_node(spec.node))
