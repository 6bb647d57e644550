"""The KATO clients of a process, and its share of connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kato_tasks import clients as module
from kato_tasks.breakers import Watch
from kato_tasks.clients import Clients
from kato_tasks.connections import Connections
from kato_tasks.errors import StoreUnavailable, UnknownInstance
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryBreakers, MemoryConnections, MemoryStore, wait_until

SETTINGS = Settings.load(
    instances="a=http://127.0.0.1:8001,b=http://127.0.0.1:8002", instance_connections=10
)


class Away(MemoryConnections):
    """Connections whose store may be away."""

    away = True

    def join(self, instance: str, *, held: int = 0, under_way: int = 0) -> int:
        if self.away:
            raise StoreUnavailable("redis://h", "gone")
        return super().join(instance, held=held, under_way=under_way)

    def leave(self, instance: str) -> None:
        if self.away:
            raise StoreUnavailable("redis://h", "gone")
        super().leave(instance)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come by every 5 ms."""
    monkeypatch.setattr(module, "BEAT", 0.005)


@contextmanager
def process(connections: Connections) -> Iterator[Clients]:
    watch = Watch(MemoryBreakers(MemoryStore(), SETTINGS))
    clients = Clients(SETTINGS, connections, watch)
    try:
        yield clients
    finally:
        clients.close()


def test_a_client_is_made_once_per_instance() -> None:
    with process(MemoryConnections(MemoryStore(), SETTINGS)) as clients:
        assert clients("a") is clients("a")
        assert clients("b") is not clients("a")
        with pytest.raises(UnknownInstance):
            clients("c")


def test_a_process_joins_at_the_first_use_and_leaves_at_its_end() -> None:
    store = MemoryStore()
    watcher = MemoryConnections(store, SETTINGS)
    with process(MemoryConnections(store, SETTINGS)) as clients:
        assert watcher.crowds()["a"].processes == 0
        assert clients("a").limit == 10
        assert [watcher.crowds()[name].processes for name in "ab"] == [1, 0]
    assert watcher.crowds()["a"].processes == 0


def test_processes_come_to_equal_shares_by_themselves() -> None:
    store = MemoryStore()
    with (
        process(MemoryConnections(store, SETTINGS)) as first,
        process(MemoryConnections(store, SETTINGS)) as second,
    ):
        assert (first("a").limit, second("a").limit) == (10, 0)
        wait_until(lambda: first("a").limit == second("a").limit == 5)
        first.close()
        wait_until(lambda: second("a").limit == 10)


def test_without_the_store_a_process_uses_one_connection_until_it_is_back() -> None:
    connections = Away(MemoryStore(), SETTINGS)
    with process(connections) as clients:
        assert clients("a").limit == 1
        connections.away = False
        wait_until(lambda: clients("a").limit == 10)
        connections.away = True
    assert connections.crowds()["a"].processes == 1
