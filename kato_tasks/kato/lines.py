"""Connections to one server, each in the hands of one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx


@dataclass(eq=False, slots=True)
class _Line:
    """A transport for one connection, and since when it is idle, by the monotonic clock."""

    transport: httpx.BaseTransport
    idle_since: float = 0.0


class Lines(httpx.BaseTransport):
    """A pool of connections that a thread has for itself from the request to the answer's end.

    The pool of httpx looks for expired connections in every thread, and was seen to close one
    that another thread had just begun to use: an answer lost for nothing. Here nobody looks at a
    connection but its owner. So it is also known how many there are, idle ones included, and the
    idle ones can be closed when their number has to shrink.

    It does not bound how many are in use; see :class:`kato_tasks.kato.gate.Gate`.

    Args:
        make: Makes a transport for one connection at a time.
        most: Beyond so many connections no idle one is kept.
        keep: How many seconds an idle connection is kept.
    """

    def __init__(self, make: Callable[[], httpx.BaseTransport], *, most: int, keep: float) -> None:
        self._make = make
        self._most = most
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: deque[_Line] = deque()
        self._busy: set[_Line] = set()
        self._closed = False

    @property
    def count(self) -> int:
        """How many connections may be open, idle ones included."""
        with self._lock:
            return len(self._idle) + len(self._busy)

    def shrink(self, most: int) -> None:
        """Keep no idle connection beyond so many from now on, nor any that is too old."""
        with self._lock:
            self._most = most
        self._close_surplus()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the connection that was used last, or a new one."""
        line = self._take()
        try:
            response = line.transport.handle_request(request)
        except BaseException:
            self._drop(line)
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - for mypy
        response.stream = _Lent(response.stream, lambda: self._give_back(line))
        return response

    def close(self) -> None:
        """Close all connections; a request under way is lost."""
        with self._lock:
            self._closed = True
            lines = [*self._idle, *self._busy]
            self._idle.clear()
        for line in lines:
            line.transport.close()

    def _take(self) -> _Line:
        with self._lock:
            # The last one: those that are not needed any more grow old at the other end.
            line = self._idle.pop() if self._idle else _Line(self._make())
            self._busy.add(line)
            return line

    def _give_back(self, line: _Line) -> None:
        with self._lock:
            self._busy.discard(line)
            line.idle_since = time.monotonic()
            self._idle.append(line)
        self._close_surplus()

    def _drop(self, line: _Line) -> None:
        with self._lock:
            self._busy.discard(line)
        line.transport.close()

    def _close_surplus(self) -> None:
        with self._lock:
            surplus = list(self._cut_surplus(time.monotonic() - self._keep))
        for line in surplus:
            line.transport.close()

    def _cut_surplus(self, old: float) -> Iterator[_Line]:
        while self._idle and (
            self._closed
            or self._idle[0].idle_since <= old
            or len(self._idle) + len(self._busy) > self._most
        ):
            yield self._idle.popleft()


class _Lent(httpx.SyncByteStream):
    """The bytes of an answer, whose line is given back at the end."""

    def __init__(self, stream: httpx.SyncByteStream, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._give_back()
