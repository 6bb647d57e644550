from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.stack import free_port, wait_for_port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_any_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert port_of(server) > 1023


def test_the_wanted_port_is_given_when_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_another_port_is_given_when_the_wanted_one_is_taken(listener: socket.socket) -> None:
    taken = port_of(listener)
    other = free_port(taken)
    assert other != taken
    with socket.create_server(("127.0.0.1", other)):
        pass


def test_a_port_with_only_closed_connections_counts_as_free(listener: socket.socket) -> None:
    port = port_of(listener)
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()  # the server's side closes first, so TIME_WAIT stays with its port
    listener.close()
    assert free_port(port) == port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(InvalidInput, match=r"allowed: 1 to 65535"):
        free_port(port)


def test_a_host_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"host '192\.0\.2\.1' cannot be bound"):
        free_port(host="192.0.2.1")


def test_waiting_for_a_port_that_listens_is_over_at_once(listener: socket.socket) -> None:
    assert wait_for_port("127.0.0.1", port_of(listener), timeout=0)


def test_waiting_ends_when_somebody_begins_to_listen() -> None:
    port = free_port()
    servers: list[socket.socket] = []
    begin = threading.Timer(0.2, lambda: servers.append(socket.create_server(("127.0.0.1", port))))
    begin.start()
    assert wait_for_port("127.0.0.1", port, timeout=10)
    begin.join()
    servers[0].close()


def test_waiting_ends_after_the_timeout() -> None:
    started = time.monotonic()
    assert not wait_for_port("127.0.0.1", free_port(), timeout=0.2)
    assert 0.2 <= time.monotonic() - started < 2
