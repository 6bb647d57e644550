"""A real store, settings of its own for each test, and both backends of the contract suite."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateSchema, DropSchema

from kato_tasks.breakers import Breakers, RedisBreakers
from kato_tasks.connections import Connections, RedisConnections
from kato_tasks.keys import PERMANENT
from kato_tasks.lanes import Lanes, RedisLanes
from kato_tasks.ledger.database import parse_url
from kato_tasks.letters import DeadLetters, RedisDeadLetters
from kato_tasks.lives import Lives, RedisLives
from kato_tasks.moves import Moves, RedisMoves
from kato_tasks.nodes import Nodes, RedisNodes
from kato_tasks.placement import Placement, RedisPlacement
from kato_tasks.registry import RedisRegistry, Registry
from kato_tasks.schedule import RedisSchedule, Schedule
from kato_tasks.scripts import Runner, open_redis
from kato_tasks.settings import Settings
from kato_tasks.stack import find_store_binary, free_port, ping_store, store_command
from kato_tasks.testing import (
    MemoryBreakers,
    MemoryConnections,
    MemoryDeadLetters,
    MemoryLanes,
    MemoryLives,
    MemoryMoves,
    MemoryNodes,
    MemoryPlacement,
    MemoryRegistry,
    MemorySchedule,
    MemoryStore,
    MemoryViews,
    wait_until,
)
from kato_tasks.views import RedisViews, Views

POSTGRES_URL = os.environ.get("KATO_TASKS_TEST_POSTGRES_URL")

LetPass = Callable[[float], None]
Offenders = Callable[[], list[str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "with_settings(**overrides): what differs from the default settings"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which services the tests had, and why they had not the others."""
    terminalreporter.section("services")
    terminalreporter.write_line(_store_in_words())
    terminalreporter.write_line(_service("RabbitMQ", "AMQP"))
    terminalreporter.write_line(_service("PostgreSQL", "POSTGRES"))


def _store_in_words() -> str:
    binary = find_store_binary()
    return f"store: {'none found, its tests fail' if binary is None else f'{binary.name}, real'}"


def _service(name: str, variable: str) -> str:
    variable = f"KATO_TASKS_TEST_{variable}_URL"
    if variable in os.environ:
        return f"{name}: the one in {variable}, real"
    return f"{name}: its tests are skipped, because {variable} names none"


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real store, started once per run."""
    binary = find_store_binary()
    assert binary is not None, "no store binary: install the extra 'embedded'"
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = store_command(binary, port=port, data_dir=tmp_path_factory.mktemp("store"))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: ping_store(url), message="the store did not start")
            yield url
        finally:
            process.terminate()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of a real PostgreSQL, with an empty schema of this test's own."""
    if not POSTGRES_URL:
        pytest.skip("KATO_TASKS_TEST_POSTGRES_URL names no PostgreSQL")
    schema = f"kato_tasks_test_{secrets.token_hex(6)}"
    engine = create_engine(parse_url(POSTGRES_URL))
    with engine.begin() as connection:
        connection.execute(CreateSchema(schema))
    yield f"{POSTGRES_URL}?options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.execute(DropSchema(schema, cascade=True))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; its tests run with every kind of it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def settings(store_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings for the real store with a key prefix, and a ledger, of this test's own."""
    marker = request.node.get_closest_marker("with_settings")
    prefix = f"test-{secrets.token_hex(6)}"
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    overrides = {"database_url": ledger, **(marker.kwargs if marker else {})}
    return Settings.load(redis_url=store_url, prefix=prefix, **overrides)


@pytest.fixture
def store(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the real store."""
    with open_redis(settings.redis_url, timeout=settings.store_timeout) as client:
        yield client


@pytest.fixture
def runner(store: redis.Redis, settings: Settings) -> Runner:
    return Runner(store, settings.redis_url)


@pytest.fixture
def offenders(store: redis.Redis, settings: Settings) -> Offenders:
    """Names this test's keys that stay for ever without being allowed to."""
    return lambda: _without_lifetime(store, settings.prefix)


@pytest.fixture(autouse=True)
def no_key_without_lifetime(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test with ``settings`` no key may be left that nothing will ever remove."""
    if "settings" not in request.fixturenames:
        yield
        return
    settings: Settings = request.getfixturevalue("settings")
    yield
    with open_redis(settings.redis_url, timeout=settings.store_timeout) as client:
        # Read key by key, beside whatever still runs: only what stays an offender counts.
        wait_until(
            lambda: not _without_lifetime(client, settings.prefix),
            timeout=1.0,
            message=f"keys without a lifetime: {_without_lifetime(client, settings.prefix)}",
        )
        for key in client.scan_iter(f"{settings.prefix}*", count=1000):
            client.unlink(key)


def _without_lifetime(client: redis.Redis, prefix: str) -> list[str]:
    names = [key.decode() for key in client.scan_iter(f"{prefix}*", count=1000)]
    return [name for name in names if client.ttl(name) == -1 and not _may_stay(client, name)]


def _may_stay(client: redis.Redis, name: str) -> bool:
    slot, _, rest = name.partition("}:")
    kind, _, key = rest.partition(":")
    if not key:
        return kind in PERMANENT
    session, lane = f"{slot}}}:s:{key}", f"{slot}}}:l:{key}"
    if kind == "l":
        return bool(client.exists(session))
    waits = client.exists(lane) or client.hexists(session, "bind")
    return kind in ("s", "j") and bool(waits)


@dataclass(frozen=True, kw_only=True)
class Backend:
    lanes: Lanes
    lives: Lives
    moves: Moves
    placement: Placement
    letters: DeadLetters
    registry: Registry
    views: Views
    nodes: Nodes
    schedule: Schedule
    new_breakers: Callable[[], Breakers]
    new_connections: Callable[[], Connections]
    let_pass: LetPass


@pytest.fixture(params=["memory", "valkey"])
def backend(request: pytest.FixtureRequest, settings: Settings) -> Backend:
    if request.param == "memory":
        memory = MemoryStore()
        return Backend(
            lanes=MemoryLanes(memory, settings),
            lives=MemoryLives(memory, settings),
            moves=MemoryMoves(memory),
            placement=MemoryPlacement(memory, settings),
            letters=MemoryDeadLetters(memory),
            registry=MemoryRegistry(memory, settings),
            views=MemoryViews(memory),
            nodes=MemoryNodes(memory, settings),
            schedule=MemorySchedule(memory, settings),
            new_breakers=lambda: MemoryBreakers(memory, settings),
            new_connections=lambda: MemoryConnections(memory, settings),
            let_pass=memory.advance,
        )
    runner: Runner = request.getfixturevalue("runner")
    return Backend(
        lanes=RedisLanes(runner, settings),
        lives=RedisLives(runner, settings),
        moves=RedisMoves(runner, settings),
        placement=RedisPlacement(runner, settings),
        letters=RedisDeadLetters(runner, settings),
        registry=RedisRegistry(runner, settings),
        views=RedisViews(runner, settings),
        nodes=RedisNodes(runner, settings),
        schedule=RedisSchedule(runner, settings),
        # Without what a process remembers for a moment: that is no part of the contract.
        new_breakers=lambda: RedisBreakers(runner, settings, look=0.0),
        new_connections=lambda: RedisConnections(runner, settings),
        let_pass=lambda seconds: _let_pass(runner.client, seconds),
    )


def _let_pass(client: redis.Redis, seconds: float) -> None:
    end = _now(client) + seconds
    wait_until(lambda: _now(client) > end)


def _now(client: redis.Redis) -> float:
    whole, micros = client.time()
    return float(whole) + micros / 1e6


@pytest.fixture
def lanes(backend: Backend) -> Lanes:
    return backend.lanes


@pytest.fixture
def lives(backend: Backend) -> Lives:
    return backend.lives


@pytest.fixture
def placement(backend: Backend) -> Placement:
    return backend.placement


@pytest.fixture
def moves(backend: Backend) -> Moves:
    return backend.moves


@pytest.fixture
def registry(backend: Backend) -> Registry:
    return backend.registry


@pytest.fixture
def letters(backend: Backend) -> DeadLetters:
    return backend.letters


@pytest.fixture
def views(backend: Backend) -> Views:
    return backend.views


@pytest.fixture
def nodes(backend: Backend) -> Nodes:
    return backend.nodes


@pytest.fixture
def schedule(backend: Backend) -> Schedule:
    return backend.schedule


@pytest.fixture
def new_breakers(backend: Backend) -> Callable[[], Breakers]:
    """Makes the breakers as another process has them."""
    return backend.new_breakers


@pytest.fixture
def new_connections(backend: Backend) -> Callable[[], Connections]:
    """Makes the connections as another process has them."""
    return backend.new_connections


@pytest.fixture
def let_pass(backend: Backend) -> LetPass:
    """Lets time pass by the store's clock, in seconds."""
    return backend.let_pass
