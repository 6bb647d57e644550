"""The KATO clients of one process, each within this process's share of connections."""

from __future__ import annotations

import math
import threading
from collections import deque
from contextlib import ExitStack
from functools import partial
from typing import Final

from kato_tasks.connections import BEAT, LINGER, Connections
from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.kato import KatoClient
from kato_tasks.settings import Settings

_BEATS: Final = math.ceil(LINGER / BEAT) + 1


class _Opened:
    """A client, and how many connections it may have had open lately."""

    def __init__(self, client: KatoClient) -> None:
        self.client = client
        self._peaks: deque[int] = deque(maxlen=_BEATS)

    def held(self) -> int:
        """Return how many connections may be open now; to be asked once per beat."""
        self._peaks.append(self.client.gate.take_peak())
        return max(self._peaks)


class Clients:
    """One pooled KATO client per instance, opened at its first use.

    Args:
        settings: Instances, time-outs and limits.
        connections: Tells how many connections this process may use.
    """

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self._settings = settings
        self._connections = connections
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()
        self._keeper = LeaseKeeper(BEAT)
        self._kept = ExitStack()

    def __call__(self, name: str) -> KatoClient:
        """Return the client of an instance.

        Where the store cannot be asked for this process's share, it uses one connection until
        the store is there again.

        Raises:
            UnknownInstance: No instance of that name is configured.
        """
        opened = self._opened.get(name)
        if opened is not None:
            return opened.client
        url = self._settings.instance_url(name)
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name, url)
            return self._opened[name].client

    def close(self) -> None:
        """Close every client that was opened, and leave its connections to others. Idempotent."""
        self._keeper.close()
        self._kept.close()
        with self._lock:
            for name, opened in self._opened.items():
                opened.client.close()
                self._leave(name)
            self._opened.clear()

    def _open(self, name: str, url: str) -> _Opened:
        client = KatoClient(
            url,
            timeout=self._settings.kato_timeout,
            connect_timeout=self._settings.kato_connect_timeout,
            max_connections=self._settings.kato_connections,
            dialect=self._settings.dialects.get(name),
        )
        client.gate.resize(1)
        opened = _Opened(client)
        self._come_by(name, opened)
        self._kept.enter_context(self._keeper.keeping(partial(self._come_by, name, opened)))
        return opened

    def _come_by(self, name: str, opened: _Opened) -> bool:
        gate = opened.client.gate
        try:
            share = self._connections.join(name, held=opened.held(), under_way=gate.under_way)
        except StoreUnavailable as error:
            facts = {"instance": name, "connections": gate.size, "reason": str(error)}
            logger.warning("share of connections not renewed", extra=facts)
        else:
            gate.resize(share)
        return True

    def _leave(self, name: str) -> None:
        try:
            self._connections.leave(name)
        except StoreUnavailable as error:
            # They are forgotten when the lease time is over.
            logger.info("connections not left", extra={"instance": name, "reason": str(error)})
