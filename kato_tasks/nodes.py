"""Who may call a node, and who may learn on it, over all workers.

Sessions of one (folded) node share one processor on a server. Where one of them has predictions
computed at every observe, two concurrent calls wedge the server for good, or put the events of
one session into another (kato-api 6): such a session marks its node, and the node's calls then go
one at a time. Elsewhere a bounded number of calls may overlap, so that one busy node does not
take a server's connections from all the others.

Learning is a right of its own: whether a learn that was not answered has happened is told by its
pattern's frequency, so nobody else may learn on the node until that is known.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.models import Lease, PredictionMode, SessionSpec
from kato_tasks.naming import fold_node
from kato_tasks.scripts import Runner, care_calls
from kato_tasks.settings import Settings

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.05
_ALONE: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeHold:
    """A share in the calls of a node: the right to call it.

    Attributes:
        holders: Where those who may call the node stand in the store.
        token: Random per hold.
        alone: True if nobody else may call the node meanwhile.
    """

    holders: str = ""
    token: str = ""
    alone: bool = False


class Nodes(Protocol):
    """Who may call a node, and who may learn on it. Every verb may raise StoreUnavailable."""

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """Return the right to call the session's node.

        A session that needs its node alone marks it, also if it does not get it now: those who
        call it already may go on, and from then on all wait for their turn.

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
        """Tell whether the calls of the session's node go one at a time.

        Who shares the node with others gives it back once it is marked.
        """
        ...

    def renew(self, hold: NodeHold) -> bool:
        """Renew a hold for the lease time, never shortening it; False once it is lost."""
        ...

    def release(self, hold: NodeHold) -> None:
        """Give a hold back; one that is lost is no error."""
        ...

    def take_learning(self, spec: SessionSpec, lease: Lease, *, again: bool = False) -> bool:
        """Take, or renew, the right to learn on the session's node.

        One session at a time has it, over all workers. It lasts for the ``learning_kept`` setting
        while a worker is at work on the session, or a call of it is in doubt, whatever becomes of
        this worker: who claims the session next takes it over. Where there is neither, somebody
        has died before giving it back, and it is free.

        Args:
            spec: The session that is about to learn.
            lease: The lease of its lane.
            again: Take it only if no other session has had it since this one did.

        Returns:
            False if another session has it, or, with ``again``, may have had it meanwhile.
        """
        ...

    def give_learning(self, spec: SessionSpec, lease: Lease) -> None:
        """Give the right to learn back; no error if somebody else has taken it over."""
        ...


def needs_node_alone(spec: SessionSpec) -> bool:
    """Tell whether a session makes its node one that is called one at a time."""
    return spec.predictions is PredictionMode.ALWAYS


class RedisNodes:
    """Rights to nodes in Redis or Valkey.

    Args:
        runner: Reaches the store.
        settings: Limits, lease and retention times.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def acquire(
        self, spec: SessionSpec, *, wait: float, keep: float | None = None
    ) -> NodeHold | None:
        """See :meth:`Nodes.acquire`."""
        name = self._keys.holders(spec.instance, fold_node(spec.node))
        hold = NodeHold(holders=name, token=secrets.token_hex(8))
        until, pause = time.monotonic() + wait, _FIRST_PAUSE
        while not (share := self._share(spec, hold, keep or self._settings.lease)):
            if time.monotonic() >= until:
                return None
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
        return replace(hold, alone=share == _ALONE)

    def is_marked(self, spec: SessionSpec) -> bool:
        """See :meth:`Nodes.is_marked`."""
        with self._runner.translated():
            return bool(self._client.exists(self._mark(spec)))

    def renew(self, hold: NodeHold) -> bool:
        """See :meth:`Nodes.renew`."""
        call = care_calls.renew_share(hold.holders, hold.token, self._settings.lease)
        return self._runner.run(call)

    def release(self, hold: NodeHold) -> None:
        """See :meth:`Nodes.release`."""
        self._runner.run(care_calls.release_share(hold.holders, hold.token))

    def take_learning(self, spec: SessionSpec, lease: Lease, *, again: bool = False) -> bool:
        """See :meth:`Nodes.take_learning`."""
        if again:
            return not self._take_learning(spec, lease, again=True)
        holder = self._take_learning(spec, lease)
        if holder and self._is_over(care_calls.holder_key(holder)):
            holder = self._take_learning(spec, lease, over=holder)
        return not holder

    def give_learning(self, spec: SessionSpec, lease: Lease) -> None:
        """See :meth:`Nodes.give_learning`."""
        self._runner.run(care_calls.give_learning(self._learner(spec), lease))

    def _share(self, spec: SessionSpec, hold: NodeHold, keep: float) -> int:
        call = care_calls.share(
            hold.holders,
            self._mark(spec),
            hold.token,
            keep=keep,
            limit=self._settings.node_calls,
            alone=needs_node_alone(spec),
            mark_kept=self._settings.retention,
        )
        return self._runner.run(call)

    def _take_learning(
        self, spec: SessionSpec, lease: Lease, *, over: str = "", again: bool = False
    ) -> str:
        learned = self._keys.learned(spec.instance, fold_node(spec.node))
        keys, settings = (self._learner(spec), learned), self._settings
        call = care_calls.take_learning(keys, lease, settings, over=over, again=again)
        return self._runner.run(call)

    def _is_over(self, key: str) -> bool:
        """Tell whether nobody works on a session and no call of it is in doubt."""
        keys = self._keys.session(key)
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            # In this order: without a lease no call is intended any more, and who claims the
            # session meanwhile has the right under another token.
            pipe.exists(keys.lease)
            pipe.hexists(keys.session, "intent")
            leased, intended = pipe.execute()
        return not leased and not intended

    def _mark(self, spec: SessionSpec) -> str:
        return self._keys.alone(spec.instance, fold_node(spec.node))

    def _learner(self, spec: SessionSpec) -> str:
        return self._keys.learner(spec.instance, fold_node(spec.node))
