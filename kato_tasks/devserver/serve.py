"""Runs a development server until it is told to stop."""

import ipaddress
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kato_tasks.devserver.app import create_app
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.wire import ABORT

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE_SECONDS = 5
_BACKLOG = 2048


def serve(
    options: Options,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    Args:
        options: How the server behaves.
        host: Address to listen on; loopback unless ``options.allow_remote``.
        port: Port to listen on; 0 takes a free one.
        ready: Called once with the port, when connections are accepted.

    Raises:
        ValueError: The address is not loopback and that was not allowed.
        StateInUseError: Another server has the state directory.
        OSError: The address cannot be listened on.
    """
    _refuse_remote(host, allowed=options.allow_remote)
    with _listening(host, port) as listener:
        app = create_app(options)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            limit_concurrency=options.limit_concurrency * options.workers,
            timeout_keep_alive=options.keep_alive,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        bound: int = listener.getsockname()[1]
        try:
            _Server(config, lambda: ready(bound) if ready else None).run(sockets=[listener])
        finally:
            app.engine.close()


class _Protocol(HttpToolsProtocol):
    """HTTP whose connections a request may reset: ASGI itself knows no way to do that."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self._abort}  # type: ignore[dict-item]

    def _abort(self) -> None:
        # Without lingering the kernel sends a reset in place of an orderly end.
        linger = struct.pack("ii", 1, 0)
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


class _Server(uvicorn.Server):
    """A server that says when it listens, and for which a stop signal is no failure."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the signals; uvicorn's own version raises them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only on
    # sockets that say they are TCP; otherwise each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _refuse_remote(host: str, *, allowed: bool) -> None:
    if allowed or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        message = (
            f"The development server has no access control and listens on loopback only, not "
            f"on {host}: --allow-remote opens it to others."
        )
        raise ValueError(message)
