"""A server that refuses connections beyond its limit, and processes that share them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kato_tasks import clients as module
from kato_tasks.breakers import RedisBreakers, Watch
from kato_tasks.clients import Clients
from kato_tasks.connections import RedisConnections
from kato_tasks.errors import KatoBusy
from kato_tasks.kato import KatoClient, transport
from kato_tasks.models import DialectName
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until

LIMIT = 9
"""At so many open connections, idle ones included, every answer is 503."""

SERVE = f"""
from kato_tasks.devserver import Options, serve
serve(Options(limit_concurrency={LIMIT}), ready=lambda port: print(port, flush=True))
"""


@pytest.fixture
def narrow_url() -> Iterator[str]:
    """The URL of a development server with few connections."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class Caller:
    """Calls with eight threads until it is told to stop."""

    def __init__(self, client: KatoClient) -> None:
        self.client = client
        self.answered = 0
        self.busy = 0
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(8)
        self._calls = [self._pool.submit(self._call) for _ in range(8)]

    def stop(self) -> None:
        self._stopped.set()
        for call in self._calls:
            call.result(30)
        self._pool.shutdown()

    def _call(self) -> None:
        while not self._stopped.is_set():
            try:
                self.client.health()
                self.answered += 1
            except KatoBusy:
                self.busy += 1


def call_in_turn(clients: list[KatoClient]) -> list[Caller]:
    """Let one process after the other begin to call, the next when the one before is served."""
    callers: list[Caller] = []
    try:
        for client in clients:
            callers.append(Caller(client))
            wait_until(lambda caller=callers[-1]: caller.answered > 50, timeout=30)  # type: ignore[misc]
    finally:
        for caller in callers:
            caller.stop()
    return callers


def test_three_processes_never_exceed_what_a_server_takes(
    narrow_url: str, runner: Runner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one has more threads than its share; idle connections are those of a quick server."""
    monkeypatch.setattr(module, "BEAT", 0.1)
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.3)
    few = {"instances": {"default": narrow_url}, "instance_connections": LIMIT - 1}
    own = settings.model_copy(update=few)
    processes = [
        Clients(own, RedisConnections(runner, own), Watch(RedisBreakers(runner, own)))
        for _ in range(3)
    ]
    try:
        callers = call_in_turn([process("default") for process in processes])
    finally:
        for process in processes:
            process.close()
    assert [caller.busy for caller in callers] == [0, 0, 0]


def test_without_shares_they_do(narrow_url: str) -> None:
    """The control: this server does refuse."""
    clients = [KatoClient(narrow_url, dialect=DialectName.V3) for _ in range(2)]
    refused = 0
    with ThreadPoolExecutor(16) as pool:
        for call in [pool.submit(clients[index % 2].health) for index in range(200)]:
            refused += isinstance(call.exception(30), KatoBusy)
    for client in clients:
        client.close()
    assert refused > 0
