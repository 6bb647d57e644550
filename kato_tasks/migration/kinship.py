"""What two instances have in common, and what a server does where a session says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from kato_tasks.delivery.making import learning_of
from kato_tasks.errors import KatoError
from kato_tasks.kato import KatoClient
from kato_tasks.models import Learning, SessionSpec

_REMEMBERED: Final = 60.0
"""Seconds: a server that is given another store, or other defaults, is started anew for it."""
_PROBE: Final = "kato-tasks-probe"
_PROBE_SECONDS: Final = 600


@dataclass(slots=True)
class Kinship:
    """Asks servers, with a session of its own, what they share and what their defaults are.

    Answers are remembered for a minute. Thread-safe.

    Args:
        client: Returns the client of an instance by its name.
    """

    client: Callable[[str], KatoClient]
    _shares: dict[tuple[str, str], tuple[float, bool]] = field(default_factory=dict)
    _configs: dict[str, tuple[float, Mapping[str, JsonValue]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def shares_store(self, source: str, target: str) -> bool:
        """Tell whether two instances show the same sessions.

        A session made at one of them shows at the other then. That cannot be told, and counts as
        no, while one of them does not answer.
        """
        with self._lock:
            known = self._shares.get((source, target))
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        shares = self._probe(source, target)
        if shares is None:
            return False
        with self._lock:
            self._shares[source, target] = (time.monotonic() + _REMEMBERED, shares)
        return shares

    def learning(self, instance: str, spec: SessionSpec) -> Learning:
        """Return how a server learns by itself in a session of this spec.

        Only what the spec says comes from the session; the rest is that server's own.

        Raises:
            KatoError: The server did not answer.
        """
        return learning_of({**self._defaults(instance), **spec.config})

    def probe(self, instance: str) -> None:
        """See that a server makes and deletes a session.

        Raises:
            KatoError: It does not.
        """
        client = self.client(instance)
        client.discard_session(_make(client))

    def _defaults(self, instance: str) -> Mapping[str, JsonValue]:
        with self._lock:
            known = self._configs.get(instance)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        client = self.client(instance)
        if not client.can_configure:
            # The guide's dialect shows no defaults.
            return {}
        session_id = _make(client)
        try:
            config = client.get_config(session_id)
        finally:
            _drop(client, session_id)
        with self._lock:
            self._configs[instance] = (time.monotonic() + _REMEMBERED, config)
        return config

    def _probe(self, source: str, target: str) -> bool | None:
        at_source, at_target = self.client(source), self.client(target)
        try:
            session_id = _make(at_source)
            try:
                return at_target.exists(session_id)
            finally:
                _drop(at_source, session_id)
        except KatoError:
            return None


def _make(client: KatoClient) -> str:
    return client.create_session(node_id=_PROBE, ttl_seconds=_PROBE_SECONDS).session_id


def _drop(client: KatoClient, session_id: str) -> None:
    with suppress(KatoError):
        client.discard_session(session_id)
