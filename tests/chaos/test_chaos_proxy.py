"""A proxy that loses answers: what was asked for happens, and nobody hears of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from kato_tasks.chaos.proxy import LossyProxy
from kato_tasks.scripts import open_redis
from kato_tasks.settings import Settings


@contextmanager
def lossy(settings: Settings, *, loses: float) -> Iterator[LossyProxy]:
    port = int(settings.redis_url.rpartition(":")[2].partition("/")[0])
    with LossyProxy(port, loses=loses, seed=1) as proxy:
        yield proxy


def ask(proxy: LossyProxy, request: str) -> bytes:
    """Send one request on a connection of its own; its answer, or nothing if that was lost."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as connection:
        connection.sendall(request.encode() + b"\r\n")
        return connection.recv(100)


def test_without_losses_it_passes_everything_on(settings: Settings) -> None:
    with lossy(settings, loses=0.0) as proxy:
        with open_redis(f"redis://127.0.0.1:{proxy.port}/0", timeout=5.0) as client:
            long = "x" * 1_000_000
            client.set(f"{settings.prefix}:a", long, ex=60)
            assert client.get(f"{settings.prefix}:a") == long.encode()
        assert proxy.lost == 0


def test_a_request_whose_answer_is_lost_has_been_run(
    settings: Settings, store: redis.Redis
) -> None:
    with lossy(settings, loses=1.0) as proxy:
        assert ask(proxy, f"SET {settings.prefix}:a 1 EX 60") == b""
        assert proxy.lost == 1
    assert store.get(f"{settings.prefix}:a") == b"1"


def test_some_answers_are_lost_and_every_request_is_run_once(
    settings: Settings, store: redis.Redis
) -> None:
    counter = f"{settings.prefix}:counter"
    store.set(counter, 0, ex=60)
    with lossy(settings, loses=0.2) as proxy:
        answers = [ask(proxy, f"INCR {counter}") for _ in range(100)]
        assert answers.count(b"") == proxy.lost
    assert 5 < proxy.lost < 50
    assert store.get(counter) == b"100"


def test_a_target_that_is_away_cuts_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with (
        LossyProxy(port, loses=0.0, seed=1) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client,
    ):
        assert client.recv(1) == b""


def test_its_threads_end_with_it() -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as target:
        proxy = LossyProxy(target.getsockname()[1], loses=0.0, seed=1)
        with proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
            client.sendall(b"x")
            accepted, _ = target.accept()
            with accepted:
                assert accepted.recv(1) == b"x"
    assert threading.active_count() == before
