"""Producers on a store of their own, in memory or real, and what stands in its lanes."""

from __future__ import annotations

from collections.abc import Callable

from kato_tasks.lanes import Lanes, RedisLanes
from kato_tasks.lives import Lives, RedisLives
from kato_tasks.models import Claim, Command
from kato_tasks.nodes import Nodes
from kato_tasks.registry import RedisRegistry, Registry
from kato_tasks.scripts import Runner
from kato_tasks.sessions import Intake, Oracle, Sessions
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    FakeKato,
    MemoryLanes,
    MemoryLives,
    MemoryNodes,
    MemoryRegistry,
    MemoryStore,
    RecordingWake,
)

MOST = 10_000


class World:
    """What a producer holds, over one store.

    Attributes:
        sessions: The API under test.
        wake: Whom it called.
    """

    def __init__(
        self, lanes: Lanes, lives: Lives, registry: Registry, nodes: Nodes, settings: Settings
    ) -> None:
        self._lanes = lanes
        self._registry = registry
        self.wake = RecordingWake()
        intake = Intake(
            lanes=lanes,
            registry=registry,
            wake=self.wake,
            max_observation_bytes=settings.max_observation_bytes,
        )
        oracle = Oracle(
            registry=registry,
            lives=lives,
            wake=self.wake,
            nodes=nodes,
            client=FakeKato(),
            longest_call=1.0,
        )
        self.sessions = Sessions(intake=intake, oracle=oracle, registry=registry, settings=settings)

    def lane(self, key: str) -> list[Command]:
        """Return what stands in a lane, in order."""
        claim = self._lanes.claim(key, most=MOST)
        if not isinstance(claim, Claim):
            return []
        self._lanes.release(claim.lease)
        return list(claim.commands)

    def is_untouched(self) -> bool:
        """Tell whether the store knows no session and no work."""
        stats = self._registry.stats()
        return (stats.sessions, stats.ready, self.wake.calls) == (0, 0, [])


MakeWorld = Callable[[], World]


def in_memory(settings: Settings) -> World:
    """Return a world of the in-memory twins."""
    store = MemoryStore()
    return World(
        MemoryLanes(store, settings),
        MemoryLives(store, settings),
        MemoryRegistry(store, settings),
        MemoryNodes(store, settings),
        settings,
    )


def in_a_store(runner: Runner, settings: Settings, nodes: Nodes) -> World:
    """Return a world in a real store, under the prefix of the settings."""
    return World(
        RedisLanes(runner, settings),
        RedisLives(runner, settings),
        RedisRegistry(runner, settings),
        nodes,
        settings,
    )
