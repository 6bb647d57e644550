"""A site with one worker for all tests of this folder, and sites of their own for the others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from integration_site import QUICK, DevServer, Processes, Site, open_site

from kato_tasks import Settings
from kato_tasks.worker.names import Queue

MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def shared_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("site"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def server(shared_processes: Processes) -> Iterator[DevServer]:
    """A development server without costs."""
    started = shared_processes.devserver()
    yield started
    started.close()


@pytest.fixture(scope="session")
def site(store_url: str, server: DevServer, shared_processes: Processes) -> Iterator[Site]:
    """A site with one worker, which all tests share."""
    name = f"site-{secrets.token_hex(6)}"
    settings = Settings.load(
        redis_url=store_url,
        prefix=name,
        queue_prefix=f"{name}.",
        instances={"default": server.url},
        **QUICK,
    )
    with open_site(settings, server, shared_processes, workers=1) as opened:
        yield opened


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes of this test's own."""
    started = Processes(tmp_path)
    yield started
    started.close()


@pytest.fixture
def make_site(
    settings: Settings, server: DevServer, processes: Processes, store: redis.Redis
) -> Iterator[MakeSite]:
    """Makes a site of this test's own: ``make_site(workers=1, server=..., **settings)``."""
    with ExitStack() as stack:

        def make(*, workers: int = 0, server: DevServer = server, **overrides: object) -> Site:
            own = {
                "instances": {"default": server.url},
                "queue_prefix": f"{settings.prefix}.",
                **QUICK,
                **overrides,
            }
            changed = Settings.load(redis_url=settings.redis_url, prefix=settings.prefix, **own)
            return stack.enter_context(open_site(changed, server, processes, workers=workers))

        yield make
        processes.close()
        # Wake-ups that no worker took; the check for keys without a lifetime is not about them.
        store.delete(*(f"{settings.prefix}.{queue}" for queue in Queue))


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A session key that no other test uses."""
    # Not "test_…", because the key is the node too, and KATO deletes such nodes.
    return f"{request.node.originalname.removeprefix('test_')}-{secrets.token_hex(4)}"
