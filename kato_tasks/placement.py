"""Placement: where nodes are at home, and which instances take no new sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kato_tasks.keys import Keys
from kato_tasks.naming import fold_node
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings


class Placement(Protocol):
    """What a store knows of it. Every verb may raise StoreUnavailable, and may be repeated.

    Nodes that fold alike are one node here.
    """

    def cordon(self, instance: str) -> bool:
        """Have no new session made on an instance; False if that was so already.

        Raises:
            UnknownInstance: No such instance is configured.
        """
        ...

    def uncordon(self, instance: str) -> bool:
        """Have new sessions made on an instance again; False if that was so already.

        Raises:
            UnknownInstance: It is neither cordoned nor configured.
        """
        ...

    def cordoned(self) -> Mapping[str, float]:
        """Return the instances that take no new session, and since when, epoch seconds.

        An instance that was cordoned and is not configured any more is among them.
        """
        ...

    def homes(self, nodes: Sequence[str]) -> dict[str, str]:
        """Return the instances where nodes are at home, in one round trip; by folded node.

        Nodes that are at home nowhere are left out. A home that is asked for stays for the
        retention setting from then on.
        """
        ...

    def settle(self, node: str, instance: str) -> str:
        """Make an instance a node's home, if it has none.

        Returns:
            Which instance is its home now, for the retention setting from now on.
        """
        ...

    def move_home(self, node: str, instance: str) -> None:
        """Make an instance a node's home, whatever was."""
        ...


class RedisPlacement:
    """Placement in Redis or Valkey. Thread-safe.

    Args:
        runner: Reaches the store.
        settings: The instances; for how long a home stays that nobody asks for: the retention time.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._settings = settings
        self._kept_ms = max(1, round(settings.retention * 1000))
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def cordon(self, instance: str) -> bool:
        """See :meth:`Placement.cordon`."""
        self._settings.instance_url(instance)
        with self._runner.translated():
            now: Any = self._client.time()
            since = now[0] + now[1] / 1e6
            return bool(self._client.hsetnx(self._keys.cordons, instance, f"{since:.3f}"))

    def uncordon(self, instance: str) -> bool:
        """See :meth:`Placement.uncordon`."""
        removed = False
        if instance.isascii():
            with self._runner.translated():
                removed = bool(self._client.hdel(self._keys.cordons, instance))
        if not removed:
            self._settings.instance_url(instance)
        return removed

    def cordoned(self) -> Mapping[str, float]:
        """See :meth:`Placement.cordoned`."""
        with self._runner.translated():
            found: Any = self._client.hgetall(self._keys.cordons)
        return {name.decode(): float(since) for name, since in found.items()}

    def homes(self, nodes: Sequence[str]) -> dict[str, str]:
        """See :meth:`Placement.homes`."""
        folded = list(dict.fromkeys(map(fold_node, nodes)))
        # No MGET: each home has a slot of its own, and is kept for longer by the same command.
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for node in folded:
                pipe.getex(self._keys.home(node), px=self._kept_ms)
            found = pipe.execute()
        return {
            node: home.decode()
            for node, home in zip(folded, found, strict=True)
            if home is not None
        }

    def settle(self, node: str, instance: str) -> str:
        """See :meth:`Placement.settle`."""
        key = self._keys.home(fold_node(node))
        # One transaction: between both the home must not run out.
        with self._runner.translated(), self._client.pipeline() as pipe:
            pipe.set(key, instance, nx=True, px=self._kept_ms)
            pipe.getex(key, px=self._kept_ms)
            _, home = pipe.execute()
        return str(home.decode())

    def move_home(self, node: str, instance: str) -> None:
        """See :meth:`Placement.move_home`."""
        with self._runner.translated():
            self._client.set(self._keys.home(fold_node(node)), instance, px=self._kept_ms)
