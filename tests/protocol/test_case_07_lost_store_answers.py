"""Scripts that were run and not answered are run again, and nothing happens twice.

A client that repeats by itself would do so unseen; ours does not. Tasks that Celery delivers again
repeat their appends too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from celery import Celery
from conftest import MakeSite, MakeWorld
from protocol_losing import LosingRunner, again, script_names
from protocol_server import Fault
from protocol_site import DevServer
from protocol_world import ProtocolWorld, strings

from kato_tasks.breakers import RedisBreakers
from kato_tasks.chaos.judging import Finding
from kato_tasks.chaos.proxy import LossyProxy
from kato_tasks.clock import SteadyClock
from kato_tasks.delivery import LeaseKeeper, sweep
from kato_tasks.errors import StoreUnavailable
from kato_tasks.lanes import RedisLanes
from kato_tasks.lifecycle import Caretaker
from kato_tasks.lives import Index
from kato_tasks.models import (
    Adoption,
    Append,
    Bound,
    Claim,
    Departure,
    Group,
    Kind,
    Learning,
    Looks,
    PoisonPolicy,
    PredictionMode,
    SessionSpec,
)
from kato_tasks.moves import RedisMoves
from kato_tasks.registry import RedisRegistry
from kato_tasks.schedule import RedisSchedule
from kato_tasks.scripts import Runner, open_redis
from kato_tasks.settings import Settings
from kato_tasks.testing import RecordingWake, wait_until
from kato_tasks.worker import make_app, names, process
from kato_tasks.worker.names import Queue

CARE = ("breaker_ask", "breaker_fail", "connections_join", "connections_leave")
"""Scripts that only clients of real servers run."""
DELIVERY = [name for name in script_names() if name not in (*CARE, "breaker_withdraw")]
TIMES = 4
"""All three attempts at one step, and one at the next such step, if there is any."""
POISON = strings(["poison"])
HOUR = 3_600.0
TTL = 1
"""So short that the session has to be extended at every look."""


@pytest.fixture
def lose(
    store: redis.Redis, settings: Settings, make_world: MakeWorld
) -> Callable[[str], tuple[ProtocolWorld, LosingRunner]]:
    """Makes a world whose store loses answers."""

    def make(script: str) -> tuple[ProtocolWorld, LosingRunner]:
        runner = LosingRunner(store, settings.redis_url, script=script, times=TIMES)
        world = make_world(
            runner=runner, poison=PoisonPolicy.PARK, lease=0.5, idle_after=0.001, ttl=TTL
        )
        world.kato.refused.add(POISON)
        return world, runner

    return make


def live(world: ProtocolWorld) -> None:
    """Have a session go through all that there are scripts for."""
    world.spec = SessionSpec(
        node="n", instance="default", predictions=PredictionMode.ALWAYS, ttl=TTL
    )
    world.observe("a", *"01234")
    world.kato.faults.extend([Fault.NONE, Fault.LOST_BEFORE])
    world.deliver("a")
    world.append("a", Kind.LEARN)
    world.steps["before learn"] = partial(world.kato.faults.append, Fault.FAILS)
    world.deliver("a")
    for _ in range(TIMES):
        world.observe("a", "5")
        world.append("a", Kind.LEARN)
        world.drain()
    world.observe("a", "6")
    world.kato.faults.extend([Fault.AWAY])
    world.deliver("a")
    world.append("a", Kind.OBSERVE, POISON)
    world.drain()
    again(partial(world.lanes.unpark, "a", drop=True))
    world.append("a", Kind.DELETE)
    world.kato.faults.extend([Fault.LOST_BEFORE] * 2)
    world.deliver("a")
    world.observe("a", "7", "8")
    again(world.lanes.forget)
    again(partial(sweep, world.lanes, RecordingWake()))
    go_on_living(world)


def go_on_living(world: ProtocolWorld) -> None:
    """Have it be kept alive, looked at, put to sleep and woken."""
    world.drain()
    caretaker = Caretaker(world.worker().tools, world.keeper)
    again(partial(world.lives.keep, "a", alive=True))
    again(partial(world.lives.touch, "a"))
    own = iter([0.0, 0.0, -HOUR, -HOUR, 0.0, 0.0])
    clock = SteadyClock(world.runner, world.settings, lambda: next(own, 0.0))
    for _ in range(TIMES):
        with suppress(StoreUnavailable):
            clock.tick()
    world.set_clock_right()
    for index in (Index.REFRESH, Index.IDLE) * TIMES:
        again(partial(world.lives.due, index, most=9))
        with suppress(StoreUnavailable):
            caretaker.look(index, "a")
        world.kill("a")
    again(partial(world.lives.keep, "a", alive=False))
    for _ in range(TIMES):
        with suppress(StoreUnavailable):
            caretaker.look(Index.IDLE, "a")
        world.kill("a")
    schedule = RedisSchedule(world.runner, world.settings)
    for _ in range(TIMES):
        assert again(partial(schedule.hold, "token", "somebody", 60.0))
    # A tick whose answer was lost is not sent twice: the next one makes up for it.
    again(partial(schedule.fire, "token", "sweep", 60.0))
    assert again(partial(schedule.fire, "token", "sweep", 60.0))
    again(partial(schedule.release, "token"))
    again(partial(world.lives.suspect, "a", world.record("a").session_id, "somebody asks"))
    world.drain()
    move(world)


def move(world: ProtocolWorld) -> None:
    """Have it move there and back, change its instance alone, and one that is adopted live on."""
    moves = RedisMoves(world.runner, world.settings)
    for number in range(TIMES):
        token, place = f"token-{number}", f"place-{number}"
        assert isinstance(again(partial(moves.depart, "a", token, seconds=60.0)), Departure)
        assert again(partial(moves.on_the_way, "a", token, seconds=60.0, give_way=60.0))
        claim = again(partial(world.lanes.claim, "a", most=1, idle=True))
        if isinstance(claim, Claim):
            again(partial(moves.relocate, claim.lease, claim.applied, place, claim.learning))
            again(partial(moves.relocate, claim.lease, claim.applied, "default", claim.learning))
            again(partial(world.lanes.release, claim.lease))
        world.kill("a")
        again(partial(moves.arrive, "a", token))
        again(partial(moves.arrive, "a", token))
    bound = Bound(session_id="theirs", learning=Learning(), lifetime=None, looks=Looks())
    found = Adoption(key="b", spec=world.spec, to=bound, time=1, journal=(b"{}",), older=0, age=0.0)
    for _ in range(TIMES):
        assert again(partial(world.lives.adopt, found))


@pytest.mark.parametrize("script", DELIVERY)
def test_a_script_that_was_run_and_not_answered_does_nothing_twice(
    lose: Callable[[str], tuple[ProtocolWorld, LosingRunner]], script: str
) -> None:
    world, runner = lose(script)
    if script == "renew":
        world.keeper = LeaseKeeper(0.001)
    live(world)
    world.finish()
    assert runner.lost > 0
    assert world.verdict() == []


@pytest.mark.parametrize("script", CARE)
def test_neither_does_one_that_spares_the_servers(
    make_site: MakeSite,
    server: DevServer,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    runners: list[LosingRunner] = []

    def losing(client: redis.Redis, url: str) -> Runner:
        runners.append(LosingRunner(client, url, script=script, times=TIMES))
        return runners[-1]

    monkeypatch.setattr("kato_tasks.services.Runner", losing)
    site = make_site(server, settings={"breaker_failures": 1, "breaker_open": 0.01})
    site.observe(4)
    server.arm("503:2,route=sequence", "reset_after:4,route=sequence")
    site.drain()
    assert site.finding() == Finding()
    for _ in range(TIMES):
        site.services.clients.close()
        site.services.clients("default")
    assert runners[0].lost >= TIMES - 1


@pytest.mark.with_settings(breaker_failures=1, breaker_open=0.01, breaker_most=0.01)
def test_a_probe_that_was_withdrawn_without_an_answer_is_free(
    runner: Runner, store: redis.Redis, settings: Settings
) -> None:
    losing = LosingRunner(store, settings.redis_url, script="breaker_withdraw", times=1)
    prober, other = RedisBreakers(losing, settings), RedisBreakers(runner, settings)
    prober.report("default", sound=False)
    wait_until(lambda: prober.ask("default") == 0.0)
    with pytest.raises(StoreUnavailable):
        prober.withdraw("default")
    assert other.ask("default") == 0.0


def test_the_client_of_the_store_repeats_nothing(settings: Settings) -> None:
    with open_redis(settings.redis_url, timeout=1.0) as client:
        assert client.get_retry() is None or client.get_retry().get_retries() == 0
        connection = client.connection_pool.make_connection()
        assert connection.retry.get_retries() == 0


def test_a_lost_answer_is_asked_for_once(settings: Settings, store: redis.Redis) -> None:
    """Counted on the wire: one request, one lost answer, and the command is there once."""
    port = int(store.connection_pool.connection_kwargs["port"])
    with LossyProxy(port, loses=0.0, seed=1) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with open_redis(url, timeout=1.0) as client:
            lanes = RedisLanes(Runner(client, url), settings)
            lanes.append([request("a", "first")])
            proxy._loses = 1.0  # noqa: SLF001 - from here on, so that connecting worked
            with pytest.raises(StoreUnavailable):
                lanes.append([request("a", "second")])
            assert proxy.lost == 1
    record = RedisRegistry(Runner(store, settings.redis_url), settings).get("a")
    assert record is not None
    assert record.appended == 2


def request(key: str, command_id: str) -> Append:
    group = Group(command_id=command_id, kind=Kind.OBSERVE, payloads=(strings(["0"]),))
    return Append(key=key, spec=SessionSpec(node="n", instance="default"), groups=(group,))


@pytest.fixture
def app(settings: Settings, store: redis.Redis) -> Iterator[Celery]:
    """The tasks, to be run here; what they wake is taken away."""
    changed = settings.model_copy(update={"queue_prefix": f"{settings.prefix}."})
    app = make_app(changed)
    app.loader.import_default_modules()
    yield app
    process.close()
    app.close()
    store.delete(*(f"{settings.prefix}.{queue}" for queue in Queue))


TASKS: dict[str, dict[str, Any]] = {
    names.OBSERVE: {"key": "a", "observation": {"strings": ["0"]}},
    names.FAN_OUT: {"keys": ["a", "b", "c"], "observation": {"strings": ["0"]}},
    names.LEARN: {"key": "a"},
    names.CLEAR_STM: {"key": "a"},
    names.DELETE_SESSION: {"key": "a"},
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_that_is_delivered_again_adds_nothing(
    app: Celery, store: redis.Redis, settings: Settings, task: str
) -> None:
    first = app.tasks[task].apply(kwargs=TASKS[task], task_id="one").get()
    second = app.tasks[task].apply(kwargs=TASKS[task], task_id="one").get()
    assert (first["repeated"], second["repeated"]) in ((False, True), (0, 3))
    assert appended(store, settings) == 1
    app.tasks[task].apply(kwargs=TASKS[task], task_id="two").get()
    assert appended(store, settings) == 2


@pytest.mark.parametrize("task", TASKS)
def test_a_task_that_has_lost_the_answer_and_is_tried_again_adds_nothing(
    app: Celery,
    store: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    losing = partial(LosingRunner, script="append", times=2)
    monkeypatch.setattr("kato_tasks.services.Runner", losing)
    app.tasks[task].apply(kwargs=TASKS[task], task_id="one")
    assert appended(store, settings) == 1


def appended(store: redis.Redis, settings: Settings) -> int:
    record = RedisRegistry(Runner(store, settings.redis_url), settings).get("a")
    return 0 if record is None else record.appended
