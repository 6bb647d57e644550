"""Worlds in this process, and sites with real servers, on the real store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis
from protocol_site import QUICK, DevServer, Processes, Site
from protocol_world import ProtocolWorld

from kato_tasks.settings import Settings
from kato_tasks.worker.names import Queue

MakeWorld = Callable[..., ProtocolWorld]
MakeSite = Callable[..., Site]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat a step at the store at once: here it is away for steps, not for time."""
    monkeypatch.setattr("kato_tasks.delivery.insist._PAUSES", (0.0, 0.0))


@pytest.fixture
def make_world(store: redis.Redis, settings: Settings) -> Iterator[MakeWorld]:
    """Makes worlds: ``make_world(config={...}, runner=..., **settings)``."""
    with ExitStack() as stack:

        def make(**options: Any) -> ProtocolWorld:  # noqa: ANN401 - those of a world
            return stack.enter_context(closing(ProtocolWorld(store, settings, **options)))

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> ProtocolWorld:
    """A world whose server learns nothing by itself."""
    return make_world()


@pytest.fixture(scope="session")
def shared_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with closing(Processes(tmp_path_factory.mktemp("servers"))) as started:
        yield started


@pytest.fixture(scope="session")
def server(shared_processes: Processes) -> DevServer:
    """A development server of one process."""
    return shared_processes.devserver()


@pytest.fixture(scope="session")
def wide_server(shared_processes: Processes) -> DevServer:
    """A development server that behaves like four processes."""
    return shared_processes.devserver("--workers", "4")


@pytest.fixture(params=["server", "wide_server"])
def any_server(request: pytest.FixtureRequest) -> DevServer:
    """A server of one process, then one of four."""
    server: DevServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes of this test's own."""
    with closing(Processes(tmp_path)) as started:
        yield started


@pytest.fixture
def make_site(store: redis.Redis, settings: Settings) -> Iterator[MakeSite]:
    """Makes a session on a server, with no faults armed: ``make_site(server, settings={...})``."""
    with ExitStack() as stack:

        def make(server: DevServer, **options: Any) -> Site:  # noqa: ANN401 - of a session
            own = {
                "instances": {"default": server.url},
                "queue_prefix": f"{settings.prefix}.",
                **QUICK,
                **options.pop("settings", {}),
            }
            changed = Settings.load(redis_url=settings.redis_url, prefix=settings.prefix, **own)
            site = Site(store, changed, server, f"case-{secrets.token_hex(4)}", **options)
            stack.callback(site.close)
            server.arm()
            return site

        yield make
        # Of workers; the check for keys without a lifetime is about ours.
        store.delete(*(f"{settings.prefix}.{queue}" for queue in Queue))
