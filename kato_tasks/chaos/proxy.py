"""A TCP proxy that now and then loses an answer: the request is carried out, nobody hears of it."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

_HOST: Final = "127.0.0.1"
_LOOK: Final = 0.2
_CHUNK: Final = 1 << 16
_ANSWER: Final = 1.0
"""Seconds that the answer which is to be lost is waited for: by then the request has been run."""


class LossyProxy:
    """Passes connections on to a port of this machine, and loses some answers.

    Args:
        port: Where the connections go.
        loses: Which part of the requests loses its answer and its connection, 0 to 1.
        seed: Decides which.

    Attributes:
        port: Where it listens, on loopback.
        lost: How many answers were lost so far.
    """

    def __init__(self, port: int, *, loses: float, seed: int) -> None:
        self._target = port
        self._loses = loses
        self._draw = random.Random(f"proxy {seed}")  # noqa: S311 - repeatable on purpose
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((_HOST, 0))
        self._listener.settimeout(_LOOK)
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut all connections and wait for the threads."""
        self._over.set()
        # The first is the listener's own: after it no other thread is added.
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        # A side that breaks its connection ends the other's too; there is nobody else to tell.
        with ExitStack() as stack, suppress(OSError):
            stack.enter_context(client)
            server = socket.create_connection((_HOST, self._target), timeout=_ANSWER)
            stack.enter_context(server)
            while not self._over.is_set() and self._pass_on(client, server):
                pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what has come; False if the connection is over."""
        ready, _, _ = select.select([client, server], [], [], _LOOK)
        if server in ready:
            answer = server.recv(_CHUNK)
            client.sendall(answer)
            return bool(answer)
        if client not in ready:
            return True
        request = client.recv(_CHUNK)
        server.sendall(request)
        if request and self._is_lost():
            server.recv(_CHUNK)
            return False
        return bool(request)

    def _is_lost(self) -> bool:
        with self._lock:
            lost = self._draw.random() < self._loses
            self.lost += lost
            return lost
