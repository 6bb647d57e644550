"""One log file for the output of many processes, and the last lines of each in memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from kato_tasks.stack.errors import StackError

LINE_CHARS = 4_000
TAIL_LINES = 20
_CHUNK_BYTES = 4 * LINE_CHARS  # the most that LINE_CHARS of UTF-8 can take


class LogFile:
    """A log that is only appended to, line by line, from any thread.

    Args:
        path: The file; its folder must exist. It is created with, or set to, mode 0600.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Open the file for appending.

        Raises:
            StackError: It cannot be opened.
        """
        try:
            # os.open, because open() would create the file with the mode of the umask.
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._file = os.fdopen(handle, "ab", buffering=0)
            os.fchmod(handle, 0o600)
        except OSError as error:
            raise StackError(
                subject=f"the log {self._path}", problem=f"cannot be opened ({error})"
            ) from error

    def write(self, name: str, text: str) -> None:
        """Append ``text`` as one line behind the time (UTC) and ``name``.

        A full disk loses lines and stops nobody; so does a log that is not open.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = f"{now} {name:<12} | {text}\n".encode(errors="replace")
        with self._lock, suppress(OSError):
            if self._file is not None:
                self._file.write(line)

    def close(self) -> None:
        """Close the file; what is written later is dropped. Closing twice is fine."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None


class Output:
    """Copies what one process writes to the log, and remembers its last lines.

    Args:
        name: The name of the process, as it stands in the log.
        log: The log shared by all.
    """

    def __init__(self, name: str, log: LogFile) -> None:
        self._name = name
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader: threading.Thread | None = None

    def follow(self, pipe: IO[bytes]) -> None:
        """Read ``pipe`` in a thread of its own until its end, then close it."""
        # A daemon: a process that left the group may hold the pipe open, and must not hold us.
        self._reader = threading.Thread(
            target=self._copy, args=(pipe,), name=f"output of {self._name}", daemon=True
        )
        self._reader.start()

    def drain(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for what a process that ended had written last."""
        if self._reader is not None:
            self._reader.join(timeout)

    def tail(self) -> tuple[str, ...]:
        """The last 20 lines at most, oldest first, over all restarts."""
        return tuple(self._tail)

    def _copy(self, pipe: IO[bytes]) -> None:
        with pipe:
            for text in read_lines(pipe):
                self._tail.append(text)
                self._log.write(self._name, text)


def read_lines(pipe: IO[bytes]) -> Iterator[str]:
    """Yield the lines of ``pipe`` without their ends, as UTF-8, each cut at 4,000 characters.

    Memory stays bounded however long a line is; a cut line ends with ``" [cut]"``.
    """
    while chunk := pipe.readline(_CHUNK_BYTES):
        rest = chunk
        while rest and not rest.endswith(b"\n"):
            rest = pipe.readline(_CHUNK_BYTES)
        text = chunk.decode(errors="replace").rstrip("\r\n")
        yield text if len(text) <= LINE_CHARS else text[:LINE_CHARS] + " [cut]"
