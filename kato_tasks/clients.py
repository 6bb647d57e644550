"""The KATO clients of one process, each within this process's share of connections."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial

from kato_tasks.breakers import Watch
from kato_tasks.connections import BEAT, Connections
from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.kato import KatoClient
from kato_tasks.settings import Settings


class Clients:
    """One pooled KATO client per instance, opened at its first use.

    Args:
        settings: Instances, time-outs and limits.
        connections: Tells how many connections this process may use.
        watch: Told how every call went.
    """

    def __init__(self, settings: Settings, connections: Connections, watch: Watch) -> None:
        self._settings = settings
        self._watch = watch
        self._connections = connections
        self._clients: dict[str, KatoClient] = {}
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
        client = self._clients.get(name)
        if client is not None:
            return client
        url = self._settings.instance_url(name)
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._open(name, url)
            return self._clients[name]

    def close(self) -> None:
        """Close every client that was opened, and leave its connections to others. Idempotent."""
        self._keeper.close()
        self._kept.close()
        with self._lock:
            for name, client in self._clients.items():
                client.close()
                self._leave(name)
            self._clients.clear()

    def _open(self, name: str, url: str) -> KatoClient:
        client = KatoClient(
            url,
            timeout=self._settings.kato_timeout,
            connect_timeout=self._settings.kato_connect_timeout,
            max_connections=self._settings.kato_connections,
            dialect=self._settings.dialects.get(name),
            answered=partial(self._watch.answered, name),
        )
        client.resize(0)
        self._come_by(name, client)
        self._kept.enter_context(self._keeper.keeping(partial(self._come_by, name, client)))
        return client

    def _come_by(self, name: str, client: KatoClient) -> bool:
        before = client.limit
        try:
            client.resize(self._join(name, client, held=max(before, client.connections)))
            if client.limit < before:
                # What this process gives up is for others from here on: no call can take it now.
                self._join(name, client, held=client.connections)
        except StoreUnavailable as error:
            client.resize(client.limit or 1)
            facts = {"instance": name, "connections": client.limit, "reason": str(error)}
            logger.warning("share of connections not renewed", extra=facts)
        return True

    def _join(self, name: str, client: KatoClient, *, held: int) -> int:
        return self._connections.join(name, held=held, under_way=client.under_way)

    def _leave(self, name: str) -> None:
        try:
            self._connections.leave(name)
        except StoreUnavailable as error:
            # They are forgotten when the lease time is over.
            logger.info("connections not left", extra={"instance": name, "reason": str(error)})
