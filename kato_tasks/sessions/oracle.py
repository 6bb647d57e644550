"""Asks servers for predictions, when somebody wants them.

Equal to those of a server that computes them at every observe, at a fortieth of the price, and
without its wedges and leaks (kato-api 0).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kato_tasks.errors import SessionNotFound, WaitTimeout
from kato_tasks.kato import KatoClient, Predictions
from kato_tasks.models import SessionRecord
from kato_tasks.nodes import Nodes
from kato_tasks.registry import Registry
from kato_tasks.sessions.receipts import wait_for


class Oracle:
    """Asks for predictions.

    Args:
        registry: Tells where a session lives and how far its lane has come.
        nodes: Tells who may call a node.
        client: Returns the client of an instance by its name.
        longest_call: How long a call may take, in seconds: a node is held that long.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        nodes: Nodes,
        client: Callable[[str], KatoClient],
        longest_call: float,
    ) -> None:
        self._registry = registry
        self._nodes = nodes
        self._client = client
        self._longest_call = longest_call

    def predictions(self, key: str, *, after: int | None, timeout: float) -> Predictions:
        """Return a session's predictions once its lane is delivered up to ``after``.

        Args:
            key: The session key.
            after: A position in the lane; None for all that is accepted now.
            timeout: Seconds to wait at most.

        Returns:
            The predictions; none for a session that no server has.

        Raises:
            WaitTimeout: The lane was not delivered, or the node not free, in time.
            SessionParked: Nothing is delivered until somebody unparks the session.
            KatoError: The server did not answer, or refused.
        """
        progress = self._registry.progress(key)
        if progress is None:
            return Predictions(predictions=(), future_potentials=())
        until = time.monotonic() + timeout
        wait_for(self._registry, key, progress.appended if after is None else after, timeout)
        record = self._registry.get(key)
        while record is not None and record.session_id is not None:
            try:
                return self._ask(record, record.session_id, max(0.0, until - time.monotonic()))
            except SessionNotFound:
                before, record = record, self._registry.get(key)
                if record is None or record.session_id == before.session_id:
                    raise
                # It was made anew meanwhile: the question is for its successor.
        return Predictions(predictions=(), future_potentials=())

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
