"""Worlds for producers: in memory, and in a real store."""

from __future__ import annotations

from itertools import count

import pytest
from fuzz_world import MakeWorld, World, in_a_store, in_memory

from kato_tasks.nodes import RedisNodes
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings


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
