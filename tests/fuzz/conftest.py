"""Worlds for producers, in memory and in a real store; a site for tasks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import redis
from fuzz_tasks import Site, devserver
from fuzz_world import MakeWorld, World, in_a_store, in_memory

from kato_tasks.nodes import RedisNodes
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.worker import make_app, process


@pytest.fixture(params=["memory", "valkey"])
def make_world(request: pytest.FixtureRequest, settings: Settings) -> MakeWorld:
    """Makes an empty world, again and again: one for each case."""
    if request.param == "memory":
        return lambda: in_memory(settings)
    runner: Runner = request.getfixturevalue("runner")
    numbers = count()

    def make() -> World:
        # A prefix that begins with the test's own, so that its keys are looked at and removed.
        own = Settings.load(
            redis_url=settings.redis_url, prefix=f"{settings.prefix}-{next(numbers)}", shards=1
        )
        return in_a_store(runner, own, RedisNodes(runner, own))

    return make


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a development server."""
    with devserver() as url:
        yield url


@pytest.fixture
def site(settings: Settings, store: redis.Redis, server: str) -> Iterator[Site]:
    """Tasks on a store of this test's own."""
    own = Settings.load(
        redis_url=settings.redis_url,
        prefix=settings.prefix,
        queue_prefix=f"{settings.prefix}.",
        instances={"default": server},
        shards=1,
    )
    app = make_app(own)
    made = Site(app, own, store)
    yield made
    made.empty()
    process.close()
    app.close()
