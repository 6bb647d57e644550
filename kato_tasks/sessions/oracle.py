"""Asks servers for predictions, when somebody wants them.

Equal to those of a server that computes them at every observe, at a fortieth of the price, and
without its wedges and leaks (kato-api 0).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from kato_tasks.errors import SessionNotFound, SessionParked, WaitTimeout
from kato_tasks.kato import KatoClient, Predictions
from kato_tasks.lanes import Wake
from kato_tasks.lives import Lives
from kato_tasks.models import SessionRecord, SessionState
from kato_tasks.nodes import Nodes
from kato_tasks.registry import Registry
from kato_tasks.sessions.receipts import wait_for

_GONE: Final = "the server has lost it"
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.1


class Oracle:
    """Asks for predictions.

    Args:
        registry: Tells where a session lives and how far its lane has come.
        lives: Has a session made anew that its server does not have.
        wake: Calls workers to it.
        nodes: Tells who may call a node.
        client: Returns the client of an instance by its name.
        longest_call: How long a call may take, in seconds: a node is held that long.
    """

    def __init__(  # noqa: PLR0913 - what it asks, and whom it calls
        self,
        *,
        registry: Registry,
        lives: Lives,
        wake: Wake,
        nodes: Nodes,
        client: Callable[[str], KatoClient],
        longest_call: float,
    ) -> None:
        self._registry = registry
        self._lives = lives
        self._wake = wake
        self._nodes = nodes
        self._client = client
        self._longest_call = longest_call

    def predictions(
        self,
        key: str,
        *,
        after: int | None,
        timeout: float,
        revive: Callable[[str], object] | None = None,
    ) -> Predictions:
        """Return a session's predictions once its lane is delivered up to ``after``.

        A session that sleeps, or that its server has lost, is made anew first. To be asked is a
        use: a session that is will not be idle.

        Args:
            key: The session key.
            after: A position in the lane; None for all that is accepted now.
            timeout: Seconds to wait at most.
            revive: Delivers the lane of a session that has to be made anew, again and again; by
                default workers are called to it.

        Returns:
            The predictions; none for a session that no server was ever to have, or that has ended.

        Raises:
            WaitTimeout: The lane was not delivered, or the node not free, in time.
            SessionParked: Nothing is delivered until somebody unparks the session.
            KatoError: The server did not answer, or refused.
        """
        progress = self._registry.progress(key)
        if progress is None:
            return Predictions(predictions=(), future_potentials=())
        until = time.monotonic() + timeout
        self._lives.touch(key)
        wait_for(self._registry, key, progress.appended if after is None else after, timeout)
        record = self._registry.get(key)
        while record is not None:
            if record.asleep:
                record = self._revived(record, "it was asleep", until, timeout, revive)
            if record is None or record.session_id is None:
                break
            try:
                return self._ask(record, record.session_id, max(0.0, until - time.monotonic()))
            except SessionNotFound:
                before, record = record, self._registry.get(key)
                if record is not None and record.session_id == before.session_id:
                    # Unless it was made anew meanwhile: then the question is for its successor.
                    self._must_be_gone(before)
                    record = self._revived(before, _GONE, until, timeout, revive)
        return Predictions(predictions=(), future_potentials=())

    def _must_be_gone(self, record: SessionRecord) -> None:
        """See that a server has lost a session, and not only its own store (kato-api 9)."""
        if self._client(record.spec.instance).exists(record.session_id or ""):
            route = "/sessions/{id}/predictions"
            raise SessionNotFound(route, "the server says that it has it, and does not", 404)

    def _revived(
        self,
        record: SessionRecord,
        why: str,
        until: float,
        timeout: float,
        revive: Callable[[str], object] | None,
    ) -> SessionRecord | None:
        """Wait until a session that no server has is made anew; None if it has ended."""
        key, pause = record.key, _FIRST_PAUSE
        self._lives.suspect(key, record.session_id, why)
        if revive is None:
            self._wake([key])
        found = self._registry.get(key)
        while found is not None and found.session_id in (None, record.session_id):
            if found.parked is not None:
                raise SessionParked(key, found.parked)
            if found.state is SessionState.ENDED:
                return None
            if time.monotonic() >= until:
                raise WaitTimeout(
                    f"session {key!r} to be made anew", timeout, "its server may be down"
                )
            if revive is not None:
                revive(key)
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)
            found = self._registry.get(key)
        return found

    def _ask(self, record: SessionRecord, session_id: str, timeout: float) -> Predictions:
        hold = self._nodes.acquire(record.spec, wait=timeout, keep=self._longest_call)
        if hold is None:
            raise WaitTimeout(
                f"node {record.spec.node!r}", timeout, "it has no call to spare; ask later"
            )
        try:
            return self._client(record.spec.instance).predictions(session_id)
        finally:
            self._nodes.release(hold)
