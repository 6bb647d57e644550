"""The directory in which a server outlives its process.

One line per applied call, written with one write before the call is answered. Nothing is
forced to the disk: what was answered survives the death of the process (a kill -9 too), as
with the real server and its Redis, but not the death of the machine.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from kato_tasks.devserver.failures import Json

_LOG = "log.jsonl"
_NEW_LOG = "log.new"
_LOCK = "lock"


class StateInUseError(Exception):
    """Another server has the state directory."""


class Store:
    """An append-only log in ``directory``, which is made if it is missing.

    Raises:
        StateInUseError: Another process has it open.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = _locked(directory)
        self._log = self._opened()

    def lines(self) -> Iterator[list[Json]]:
        """Every whole line, oldest first; a torn last one is cut off the file."""
        whole = 0
        with (self._directory / _LOG).open("rb") as log:
            for line in log:
                if not line.endswith(b"\n"):
                    os.truncate(self._log, whole)
                    return
                whole += len(line)
                yield json.loads(line)

    def append(self, line: list[Json]) -> None:
        """Write one line; after a failed write the log is as it was before.

        Raises:
            OSError: The line could not be written wholly.
        """
        data = _encoded(line)
        end = os.lseek(self._log, 0, os.SEEK_END)
        try:
            written = os.write(self._log, data)
        except OSError:
            os.truncate(self._log, end)
            raise
        if written != len(data):
            os.truncate(self._log, end)
            message = f"Only {written} of {len(data)} bytes of the state log could be written."
            raise OSError(message)

    def replace(self, lines: Iterable[list[Json]]) -> None:
        """Put other lines in the place of all, at once: a crash leaves the old or the new."""
        fresh = self._directory / _NEW_LOG
        with fresh.open("wb") as log:
            log.writelines(map(_encoded, lines))
        fresh.replace(self._directory / _LOG)
        os.close(self._log)
        self._log = self._opened()

    def close(self) -> None:
        """Give the directory free for another server."""
        os.close(self._log)
        os.close(self._lock)

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._directory / _LOG, flags, 0o600)


def _locked(directory: Path) -> int:
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        message = (
            f"The state directory {directory} is in use by another development server: "
            "stop that one or name another directory."
        )
        raise StateInUseError(message) from None
    return lock


def _encoded(line: list[Json]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
