"""Nodes whose calls go one at a time.

Sessions of one (folded) node share one processor on a server. Where one of them has predictions
computed at every observe, two concurrent calls wedge the server for good, or put the events of
one session into another (kato-api 6). So such a node is marked, and every call on it is made
under the node's lease, by all workers.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.models import PredictionMode, SessionSpec
from kato_tasks.naming import fold_node
from kato_tasks.scripts import Runner, calls
from kato_tasks.settings import Settings

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeHold:
    """The right to call a node.

    Attributes:
        lease_key: The lease that gives it; None if the node's calls may overlap.
        token: Random per hold.
    """

    lease_key: str | None = None
    token: str = ""


class Nodes(Protocol):
    """Who may call a node."""

    def mark(self, spec: SessionSpec) -> None:
        """Mark the session's node if the session needs it called one at a time."""
        ...

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """Return the right to call the session's node.

        Args:
            spec: The session that is about to be called.
            wait: How long to wait for the node, in seconds.
            keep: How long the hold lasts unless it is renewed, in seconds; the lease time if
                None.

        Returns:
            The hold; None if the node was not free in time.
        """
        ...

    def is_marked(self, spec: SessionSpec) -> bool:
        """Tell whether the calls of the session's node go one at a time."""
        ...

    def renew(self, hold: NodeHold) -> bool:
        """Renew a hold; False once it is lost."""
        ...

    def release(self, hold: NodeHold) -> None:
        """Give a hold back."""
        ...


def needs_node_alone(spec: SessionSpec) -> bool:
    """Tell whether a session makes its node one that is called one at a time."""
    return spec.predictions is PredictionMode.ALWAYS


class RedisNodes:
    """Holds on nodes as leases in Redis or Valkey.

    Args:
        runner: Reaches the store.
        settings: Lease and retention times.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def mark(self, spec: SessionSpec) -> None:
        """See :meth:`Nodes.mark`."""
        if needs_node_alone(spec):
            with self._runner.translated():
                self._client.set(
                    self._keys.alone(spec.instance, fold_node(spec.node)),
                    1,
                    px=round(self._settings.retention * 1000),
                )

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """See :meth:`Nodes.acquire`."""
        if not needs_node_alone(spec) and not self.is_marked(spec):
            return NodeHold()
        name = self._keys.node(spec.instance, fold_node(spec.node))
        hold = NodeHold(lease_key=name, token=secrets.token_hex(8))
        until, pause = time.monotonic() + wait, _FIRST_PAUSE
        while not self._take(hold, keep or self._settings.lease):
            if time.monotonic() >= until:
                return None
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
        return hold

    def is_marked(self, spec: SessionSpec) -> bool:
        """See :meth:`Nodes.is_marked`."""
        with self._runner.translated():
            name = self._keys.alone(spec.instance, fold_node(spec.node))
            return bool(self._client.exists(name))

    def renew(self, hold: NodeHold) -> bool:
        """See :meth:`Nodes.renew`."""
        if hold.lease_key is None:
            return True
        return self._runner.run(calls.renew(hold.lease_key, hold.token, self._settings.lease))

    def release(self, hold: NodeHold) -> None:
        """See :meth:`Nodes.release`."""
        if hold.lease_key is not None:
            self._runner.run(calls.unlock(hold.lease_key, hold.token))

    def _take(self, hold: NodeHold, keep: float) -> bool:
        milliseconds = round(keep * 1000)
        with self._runner.translated():
            return bool(self._client.set(str(hold.lease_key), hold.token, nx=True, px=milliseconds))
