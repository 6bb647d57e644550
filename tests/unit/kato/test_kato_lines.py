"""A pool whose connections have one owner at a time."""

from __future__ import annotations

import httpx
import pytest

from kato_tasks.kato.lines import Lines

REQUEST = httpx.Request("GET", "http://kato.test/")


class Stub(httpx.BaseTransport):
    """A connection that answers, or fails, and knows whether it is closed."""

    fails = False

    def __init__(self) -> None:
        self.closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.fails:
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(200, stream=Answer())

    def close(self) -> None:
        self.closed = True


class Answer(httpx.SyncByteStream):
    """An answer's bytes, as they come over a connection."""


class World:
    def __init__(self, *, most: int = 10, keep: float = 60.0) -> None:
        self.made: list[Stub] = []
        self.lines = Lines(self._make, most=most, keep=keep)

    def _make(self) -> Stub:
        self.made.append(Stub())
        return self.made[-1]

    def ask(self, times: int = 1) -> list[httpx.Response]:
        """Begin some calls at the same time; their answers are not read yet."""
        return [self.lines.handle_request(REQUEST) for _ in range(times)]

    def closed(self) -> list[bool]:
        return [stub.closed for stub in self.made]


def end(answers: list[httpx.Response]) -> None:
    for answer in answers:
        answer.close()


def test_the_one_that_was_used_last_is_used_again() -> None:
    world = World()
    first, second = world.ask(2)
    end([second, first])
    end(world.ask())
    assert (len(world.made), world.lines.count) == (2, 2)
    last = world.ask()
    world.lines.shrink(1)
    end(last)
    assert world.closed() == [False, True]


def test_one_in_use_is_never_closed_by_others() -> None:
    """Not if fewer are allowed, and not if it is old."""
    world = World(keep=0.0)
    busy = world.ask(2)
    world.lines.shrink(0)
    assert (world.closed(), world.lines.count) == ([False, False], 2)
    end(busy)
    assert (world.closed(), world.lines.count) == ([True, True], 0)


def test_idle_ones_are_closed_after_their_time() -> None:
    world = World(keep=0.0)
    end(world.ask())
    assert world.closed() == [True]


def test_one_whose_call_failed_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(Stub, "fails", True)
    with pytest.raises(httpx.ReadError):
        world.ask()
    assert (world.closed(), world.lines.count) == ([True], 0)


def test_closing_the_pool_closes_all_of_them() -> None:
    world = World()
    end(world.ask(1))
    busy = world.ask(2)
    world.lines.close()
    assert world.closed() == [True, True]
    end(busy)
    assert world.lines.count == 0
