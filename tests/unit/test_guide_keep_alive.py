"""The guide's SessionKeepAlive, without a worker."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from guide_world import URL, StandIn, stand_in
from memory_world import World

from kato_tasks import InvalidInput, SessionKeepAlive, UnknownSession
from kato_tasks.errors import KatoUnreachable
from kato_tasks.models import SessionState

TTL = 100
INTERVAL = 0.005


@pytest.fixture
def world() -> Iterator[World]:
    with World(retry_first=0.001, doubt_wait=0.001) as opened:
        yield opened


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, world: World) -> list[StandIn]:
    return stand_in(monkeypatch, world)


@pytest.fixture
def quick(opened: list[StandIn]) -> Iterator[SessionKeepAlive]:
    """One whose rounds follow on each other."""
    del opened
    with SessionKeepAlive(URL, refresh_interval=INTERVAL) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
def slow(opened: list[StandIn]) -> Iterator[SessionKeepAlive]:
    """One with the guide's interval."""
    del opened
    with SessionKeepAlive(URL) as made:
        yield made


def used(world: World, key: str = "a", **options: object) -> None:
    world.session(key, **{"ttl": TTL, **options}).observe(["x"])
    world.deliver_all(key)


def prolonged(world: World, key: str = "a") -> int:
    return len(world.kato.sessions[world.record(key).session_id or ""].prolonged)


async def comes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells that it is true
            await asyncio.sleep(0.002)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await body()

    asyncio.run(whole())


def test_a_registered_session_is_kept_alive_by_everybody(
    world: World, slow: SessionKeepAlive
) -> None:
    used(world)

    async def body() -> None:
        await slow.register_session("a")
        assert slow.active_sessions == {"a"}
        assert world.record().life.keep
        await slow.unregister_session("a")
        assert slow.active_sessions == set()
        assert not world.record().life.keep

    run(body)


def test_its_loop_extends_it_in_every_round(world: World, quick: SessionKeepAlive) -> None:
    used(world)
    used(world, "b")

    async def body() -> None:
        await quick.register_session("a")
        await quick.start()
        await comes_true(lambda: prolonged(world) > 2)
        assert prolonged(world, "b") == 0
        await quick.unregister_session("a")
        quick.stop()

    run(body)


def test_it_is_extended_though_it_ends_by_itself(world: World, quick: SessionKeepAlive) -> None:
    used(world, auto_extend=False)
    world.store.advance(TTL - 1)

    async def body() -> None:
        await quick.register_session("a")
        await quick.start()
        await comes_true(lambda: world.record().life.ends_ms == world.store.after(TTL))
        quick.stop()

    run(body)


def test_stop_ends_it_at_once(slow: SessionKeepAlive) -> None:
    async def body() -> None:
        await slow.start()
        running = [slow.running]
        task = slow._task  # noqa: SLF001 - that nobody has to wait for it is the point
        assert task is not None
        slow.stop()
        running.append(slow.running)
        assert running == [True, False]
        await asyncio.wait_for(task, 1.0)

    run(body)


def test_it_may_be_stopped_from_another_thread(slow: SessionKeepAlive) -> None:
    async def body() -> None:
        stopper = threading.Timer(0.05, slow.stop)
        stopper.start()
        await asyncio.wait_for(slow.refresh_loop(), 5.0)
        stopper.join()

    run(body)


def test_starting_it_twice_starts_one_loop(slow: SessionKeepAlive) -> None:
    async def body() -> None:
        before = len(asyncio.all_tasks())
        await slow.start()
        await slow.start()
        assert len(asyncio.all_tasks()) == before + 1
        slow.stop()

    run(body)


def test_it_may_be_started_again(world: World, quick: SessionKeepAlive) -> None:
    used(world)

    async def body() -> None:
        await quick.register_session("a")
        await quick.start()
        quick.stop()
        await quick.start()
        assert quick.running
        await comes_true(lambda: prolonged(world) > 1)
        quick.stop()

    run(body)
    assert not quick.running
    run(body)


def test_a_loop_takes_the_place_of_the_one_before(slow: SessionKeepAlive) -> None:
    async def body() -> None:
        first = asyncio.create_task(slow.refresh_loop())
        await asyncio.sleep(0)
        second = asyncio.create_task(slow.refresh_loop())
        await asyncio.wait_for(first, 1.0)
        assert slow.running
        slow.stop()
        await asyncio.wait_for(second, 1.0)

    run(body)


def test_with_its_event_loop_it_ends(slow: SessionKeepAlive) -> None:
    async def body() -> None:
        await slow.start()
        await asyncio.sleep(0)

    run(body)
    assert not slow.running
    slow.stop()


def test_one_that_could_not_be_extended_is_tried_again(
    world: World, quick: SessionKeepAlive, caplog: pytest.LogCaptureFixture
) -> None:
    used(world)
    for _ in range(4):
        world.kato.fail("prolong", KatoUnreachable("POST", "refused"))

    async def body() -> None:
        await quick.register_session("a")
        await quick.start()
        await comes_true(lambda: prolonged(world) > 0)
        quick.stop()

    with caplog.at_level(logging.WARNING, logger="kato_tasks"):
        run(body)
    assert quick.active_sessions == {"a"}
    assert "not kept alive now" in caplog.messages


def test_one_that_has_ended_is_dropped(
    world: World,
    quick: SessionKeepAlive,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    used(world)
    used(world, "b")

    async def body() -> None:
        await quick.register_session("a")
        await quick.register_session("b")
        world.session().delete()
        await quick.start()
        await comes_true(lambda: quick.active_sessions == {"b"})
        await comes_true(lambda: prolonged(world, "b") > 0)
        quick.stop()

    with caplog.at_level(logging.WARNING, logger="kato_tasks"):
        run(body)
    assert world.record().state is SessionState.ENDED
    assert "kept alive no more" in caplog.messages
    assert capsys.readouterr() == ("", "")


def test_what_nobody_foresaw_costs_the_others_nothing(
    world: World,
    quick: SessionKeepAlive,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    used(world)
    used(world, "b")
    extend = world.caretaker.extend

    def failing(key: str) -> object:
        if key == "a":
            raise RuntimeError
        return extend(key)

    monkeypatch.setattr(world.caretaker, "extend", failing)

    async def body() -> None:
        await quick.register_session("a")
        await quick.register_session("b")
        await quick.start()
        await comes_true(lambda: prolonged(world, "b") > 1)
        quick.stop()

    run(body)
    assert quick.active_sessions == {"a", "b"}
    assert "keeping alive failed" in caplog.messages


def test_one_that_is_not_known_cannot_be_registered(world: World, slow: SessionKeepAlive) -> None:
    used(world)
    world.session().delete()
    world.deliver_all()

    async def body() -> None:
        for key in ("nobody", "a"):
            with pytest.raises(UnknownSession):
                await slow.register_session(key)
            await slow.unregister_session(key)
        with pytest.raises(InvalidInput, match="session key is empty"):
            await slow.register_session("")

    run(body)
    assert slow.active_sessions == set()


def test_the_event_loop_is_not_held_up(
    world: World, quick: SessionKeepAlive, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(world)
    held = threading.Event()
    keep = world.lives.keep

    def slowly(key: str, *, alive: bool) -> bool:
        assert held.wait(5.0)
        return keep(key, alive=alive)

    monkeypatch.setattr(world.lives, "keep", slowly)

    async def body() -> None:
        began = time.monotonic()
        registering = asyncio.create_task(quick.register_session("a"))
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2.0
        held.set()
        await registering

    run(body)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), True, "300", None])
def test_an_interval_that_is_none_is_refused(interval: int) -> None:
    with pytest.raises(InvalidInput, match="refresh_interval is"):
        SessionKeepAlive(URL, interval)


def test_closing_it_stops_it(opened: list[StandIn], slow: SessionKeepAlive, world: World) -> None:
    used(world)

    async def body() -> None:
        await slow.register_session("a")
        await slow.start()
        slow.close()
        assert not slow.running

    run(body)
    assert [one.closed for one in opened] == [1]
