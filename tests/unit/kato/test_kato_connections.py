"""Real connections: what a server may do to one, and what the next request sees."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

import pytest

from kato_tasks.errors import AnswerLost, KatoUnreachable, NoFreeConnection, ServerFault
from kato_tasks.kato import KatoClient, transport
from kato_tasks.models import DialectName
from kato_tasks.testing import wait_until

OKAY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
FAULT = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 21\r\n\r\nInternal Server Error"
)


class Peer:
    """The server's side of one connection."""

    def __init__(self, link: socket.socket, number: int) -> None:
        self.number = number
        self._link = link
        self._reader: BinaryIO = link.makefile("rb")

    def request(self) -> bool:
        """Read one request without a body; False once the client has closed."""
        line = self._reader.readline()
        if not line:
            return False
        while self._reader.readline().strip():
            pass
        return True

    def send(self, answer: bytes) -> None:
        self._link.sendall(answer)

    def hang_up(self) -> None:
        self._reader.close()
        self._link.close()


@contextmanager
def serving(talk: Callable[[Peer], None]) -> Iterator[str]:
    """Serve on loopback: every connection is closed as soon as ``talk`` returns."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(link: socket.socket, number: int) -> None:
        peer = Peer(link, number)
        try:
            talk(peer)
        except OSError:
            pass  # the client was quicker to hang up
        finally:
            peer.hang_up()

    def accept() -> None:
        number = 0
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(link, number), daemon=True).start()
            number += 1

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_requests_share_a_connection() -> None:
    numbers: list[int] = []

    def talk(peer: Peer) -> None:
        while peer.request():
            numbers.append(peer.number)
            peer.send(OKAY)

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        kato.health()
        kato.health()
    assert numbers == [0, 0]


def test_a_connection_is_thrown_away_after_a_500() -> None:
    """The server closes it without saying so; a request sent on it would die."""
    reused: list[bool] = []

    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(OKAY if peer.number else FAULT)
        reused.append(peer.request())

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        with pytest.raises(ServerFault, match="Internal Server Error"):
            kato.health()
        assert kato.health() == {}
    assert reused[0] is False


@pytest.mark.parametrize(
    "tail",
    [
        b"content-length: 0\r\n\r\n",
        b"content-length: 10\r\n\r\nfirst last",
        b"transfer-encoding: chunked\r\n\r\na\r\nfirst last\r\n0\r\n\r\n",
        b"connection: close\r\n\r\nfirst last",
    ],
)
def test_any_framing_of_a_fault_ends_its_connection(tail: bytes) -> None:
    reused: list[bool] = []

    def talk(peer: Peer) -> None:
        peer.request()
        if peer.number:
            peer.send(OKAY)
            return
        peer.send(b"HTTP/1.1 502 Bad Gateway\r\n" + tail)
        if not tail.startswith(b"connection"):
            reused.append(peer.request())

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        reason = "no reason given" if b"first" not in tail else "first last"
        with pytest.raises(ServerFault, match=reason):
            kato.health()
        assert kato.health() == {}
    assert True not in reused


def test_threads_never_get_a_connection_that_had_a_500() -> None:
    """Between the answer and the close no other thread may take the connection."""

    def talk(peer: Peer) -> None:
        for answer in (OKAY, OKAY, FAULT):
            if not peer.request():
                return
            peer.send(answer)
        peer.request()

    def ask(kato: KatoClient) -> str:
        try:
            kato.health()
        except ServerFault:
            return "fault"
        return "okay"

    with (
        serving(talk) as url,
        KatoClient(url, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(8) as pool,
    ):
        outcomes = list(pool.map(ask, [kato] * 300))
    assert set(outcomes) == {"okay", "fault"}
    assert kato.calls == 300


def test_an_idle_connection_that_the_server_closed_is_not_used() -> None:
    closed = threading.Event()

    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(OKAY)
        peer.hang_up()
        closed.set()

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        kato.health()
        assert closed.wait(10)
        assert kato.health() == {}


def test_an_idle_connection_is_given_up_before_the_server_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server keeps an idle one for 5 s; ours must not last that long."""
    assert transport.KEEPALIVE_SECONDS <= 4
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.0)
    numbers: list[int] = []

    def talk(peer: Peer) -> None:
        while peer.request():
            numbers.append(peer.number)
            peer.send(OKAY)

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        kato.health()
        kato.health()
    assert numbers == [0, 1]


def test_no_server_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        KatoClient(f"http://127.0.0.1:{port}", dialect=DialectName.V3) as kato,
        pytest.raises(KatoUnreachable),
    ):
        kato.health()


def test_a_server_that_hangs_up_leaves_the_outcome_open() -> None:
    def talk(peer: Peer) -> None:
        peer.request()

    with (
        serving(talk) as url,
        KatoClient(url, dialect=DialectName.V3) as kato,
        pytest.raises(AnswerLost),
    ):
        kato.learn("session-1")


@pytest.mark.parametrize("status", [b"200 OK", b"500 Internal Server Error"])
def test_an_answer_that_trickles_in_is_given_up(status: bytes) -> None:
    """A byte now and then would hold the call, and with it the session and the node, for ever."""

    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 " + status + b"\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            peer.send(b" ")
            time.sleep(0.02)

    with (
        serving(talk) as url,
        KatoClient(url, timeout=0.2, dialect=DialectName.V3) as kato,
    ):
        began = time.monotonic()
        with pytest.raises(AnswerLost, match="had no end after"):
            kato.learn("session-1")
        assert 0.2 < time.monotonic() - began < 5


def test_fewer_may_call_once_the_limit_is_lower() -> None:
    """Also those that wait already; who is under way goes on."""
    free = threading.Event()
    together: list[int] = []

    def talk(peer: Peer) -> None:
        while peer.request():
            together.append(kato.under_way)
            free.wait(10)
            peer.send(OKAY)

    with (
        serving(talk) as url,
        KatoClient(url, max_connections=4, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(8) as pool,
    ):
        calls = [pool.submit(kato.health) for _ in range(8)]
        wait_until(lambda: len(together) == 4)
        kato.resize(1)
        free.set()
        assert [call.result(10) for call in calls] == [{}] * 8
    assert max(together[:4]) == 4
    assert max(together[7:]) == 1


def test_there_are_never_more_connections_than_calls_at_a_time() -> None:
    """Idle ones included: a new one is made only where no idle one is left."""
    numbers: set[int] = set()

    def talk(peer: Peer) -> None:
        numbers.add(peer.number)
        while peer.request():
            peer.send(OKAY)

    with (
        serving(talk) as url,
        KatoClient(url, max_connections=32, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(16) as pool,
    ):
        kato.resize(3)
        answers = list(pool.map(lambda _: kato.health(), range(200)))
        assert kato.connections <= 3
    assert answers == [{}] * 200
    assert len(numbers) <= 3


def test_idle_connections_are_closed_when_fewer_are_allowed() -> None:
    """The server counts them against its limit."""
    open_now: set[int] = set()
    all_there = threading.Barrier(4)

    def talk(peer: Peer) -> None:
        open_now.add(peer.number)
        peer.request()
        all_there.wait(10)
        peer.send(OKAY)
        assert not peer.request()
        open_now.discard(peer.number)

    with (
        serving(talk) as url,
        KatoClient(url, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda _: kato.health(), range(4)))
        assert (kato.connections, kato.under_way, len(open_now)) == (4, 0, 4)
        kato.resize(1)
        assert (kato.limit, kato.connections) == (1, 1)
        wait_until(lambda: len(open_now) == 1)


def test_a_connection_that_grows_too_old_is_never_closed_under_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One thread must not tidy up what another has just begun to use."""
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.002)

    def talk(peer: Peer) -> None:
        while peer.request():
            peer.send(OKAY)

    def call_and_rest(kato: KatoClient) -> None:
        for step in range(150):
            kato.health()
            time.sleep(0.0018 + step % 5 * 0.0001)

    with (
        serving(talk) as url,
        KatoClient(url, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(8) as pool,
    ):
        for call in [pool.submit(call_and_rest, kato) for _ in range(8)]:
            call.result(60)


def test_an_answer_that_breaks_off_leaves_the_outcome_open() -> None:
    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(OKAY[:-1])

    with (
        serving(talk) as url,
        KatoClient(url, dialect=DialectName.V3) as kato,
        pytest.raises(AnswerLost),
    ):
        kato.learn("session-1")


def test_a_silent_server_leaves_the_outcome_open() -> None:
    done = threading.Event()

    def talk(peer: Peer) -> None:
        peer.request()
        done.wait(10)

    with serving(talk) as url, KatoClient(url, timeout=0.1, dialect=DialectName.V3) as kato:
        with pytest.raises(AnswerLost, match="ReadTimeout"):
            kato.learn("session-1")
        done.set()


def test_waiting_for_a_free_connection_sends_nothing() -> None:
    asked, done = threading.Event(), threading.Event()

    def talk(peer: Peer) -> None:
        peer.request()
        asked.set()
        done.wait(10)
        peer.send(OKAY)

    with (
        serving(talk) as url,
        KatoClient(url, connect_timeout=0.1, max_connections=1, dialect=DialectName.V3) as kato,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(kato.health)
        assert asked.wait(10)
        with pytest.raises(NoFreeConnection, match="may have 1 connections"):
            kato.health()
        assert kato.calls == 1
        done.set()
        assert first.result(10) == {}


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own 503 could not be told from the server's."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(OKAY)

    with serving(talk) as url, KatoClient(url, dialect=DialectName.V3) as kato:
        assert kato.health() == {}
