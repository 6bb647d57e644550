"""Free TCP ports, and waiting until somebody listens on one."""

from __future__ import annotations

import socket
import time

from kato_tasks.errors import InvalidInput

_POLL_S = 0.05
_CONNECT_S = 1.0
_HIGHEST_PORT = 65535


def free_port(wanted: int | None = None, host: str = "127.0.0.1") -> int:
    """Find a TCP port that a server can listen on now.

    The port is not reserved: start the server soon, and ask with different ``wanted`` for
    servers that start together.

    Args:
        wanted: The port to prefer, 1 to 65535; None for any.
        host: The local address the server will bind.

    Returns:
        ``wanted`` if it is free and may be bound, else a free port the system chose.

    Raises:
        InvalidInput: ``wanted`` is no port, or ``host`` is no address of this machine.
    """
    if wanted is not None:
        if not 1 <= wanted <= _HIGHEST_PORT:
            raise InvalidInput(
                subject="port", problem=f"is {wanted}", allowed=f"1 to {_HIGHEST_PORT}"
            )
        if _can_listen(host, wanted):
            return wanted
    try:
        with _tcp_socket(host) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise InvalidInput(
            subject="host",
            problem=f"{host!r} cannot be bound ({error})",
            allowed="an address of this machine",
        ) from error


def wait_for_port(host: str, port: int, *, timeout: float) -> bool:
    """Wait until a TCP connection to ``host:port`` succeeds.

    Args:
        host: Where the server listens.
        port: Its port.
        timeout: How long to wait, in seconds; it is tried at least once.

    Returns:
        Whether a connection was made. It says nothing about who answered.
    """
    deadline = time.monotonic() + timeout
    while not _connects(host, port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _tcp_socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM)


def _can_listen(host: str, port: int) -> bool:
    with _tcp_socket(host) as probe:
        # As servers do: a port with nothing but closed connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S) as connection:
            # Trying a closed local port, the system may pick that very port as the source and
            # connect the socket to itself.
            return bool(connection.getsockname() != connection.getpeername())
    except OSError:
        return False
