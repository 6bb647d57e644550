"""A proxy that counts how many calls to a server are under way at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class Recorder(ThreadingHTTPServer):
    """Passes every call on.

    Attributes:
        calls: How many calls were made.
        most: The most that were under way at one time.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.client = httpx.Client(base_url=target, timeout=30.0)
        self.calls = self.most = self._now = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.calls += 1
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        with self.server.counted():
            answer = self.server.client.request(
                self.command, self.path, content=body, headers=headers
            )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """Run a recorder in front of a server."""
    with Recorder(target) as recorder, recorder.client:
        thread = threading.Thread(target=recorder.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield recorder
        finally:
            recorder.shutdown()
            thread.join()
