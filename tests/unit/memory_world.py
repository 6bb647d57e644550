"""A whole kato_tasks in memory: lanes, registry, nodes, a fake KATO and a deliverer."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.kato import KatoClient
from kato_tasks.lifecycle import Caretaker, look_after
from kato_tasks.lives import Index
from kato_tasks.models import SessionRecord, Turn
from kato_tasks.sessions import DeadLetterOffice, Intake, Oracle, Session, Sessions
from kato_tasks.sessions.places import Places
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    FakeKato,
    MemoryBreakers,
    MemoryDeadLetters,
    MemoryLanes,
    MemoryLives,
    MemoryMoves,
    MemoryNodes,
    MemoryPlacement,
    MemoryRegistry,
    MemoryStore,
    RecordingWake,
    wait_until,
)


class World:
    """Use it as a context manager; settings that matter are given by name."""

    def __init__(self, **overrides: Any) -> None:  # noqa: ANN401 - settings
        self.settings = Settings.load(**{"node_wait": 0.01, "look_wait": 0.01, **overrides})
        self.store = MemoryStore()
        self.lanes = MemoryLanes(self.store, self.settings)
        self.lives = MemoryLives(self.store, self.settings)
        self.letters = MemoryDeadLetters(self.store)
        self.registry = MemoryRegistry(self.store, self.settings)
        self.moves = MemoryMoves(self.store)
        self.placement = MemoryPlacement(self.store, self.settings)
        self.places = Places(self.settings, self.placement, self.registry)
        self.nodes = MemoryNodes(self.store, self.settings)
        self.placement = MemoryPlacement(self.store, self.settings)
        self.places = Places(self.settings, self.placement, self.registry, remembered=0.0)
        self.breakers = MemoryBreakers(self.store, self.settings)
        self.kato = FakeKato()
        self.wake = RecordingWake()
        self.keeper = LeaseKeeper(0.005)
        self.deliverer = self.another_deliverer()
        self.caretaker = Caretaker(self.deliverer.tools, self.keeper)
        intake = Intake(
            lanes=self.lanes,
            registry=self.registry,
            wake=self.wake,
            max_observation_bytes=self.settings.max_observation_bytes,
            places=self.places,
        )
        oracle = Oracle(
            registry=self.registry,
            lives=self.lives,
            wake=self.wake,
            nodes=self.nodes,
            client=self.kato,
            longest_call=35.0,
        )
        self.sessions = Sessions(
            intake=intake, oracle=oracle, registry=self.registry, settings=self.settings
        )
        self.office = DeadLetterOffice(
            letters=self.letters, lanes=self.lanes, sessions=self.sessions, wake=self.wake
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.close()

    def another_deliverer(self) -> Deliverer:
        return Deliverer(
            lanes=self.lanes,
            lives=self.lives,
            nodes=self.nodes,
            breakers=self.breakers,
            client=self.client,
            keeper=self.keeper,
            settings=self.settings,
        )

    def client(self, name: str) -> KatoClient:
        self.settings.instance_url(name)
        return self.kato(name)

    def session(self, key: str = "a", **options: Any) -> Session:  # noqa: ANN401 - its options
        return self.sessions.session(key, **options)

    def deliver(self, key: str = "a") -> Turn:
        return self.deliverer.deliver(key)

    def deliver_all(self, key: str = "a") -> Turn:
        """Deliver as a worker does: again and again while there is more."""
        turn = Turn.MORE
        while turn is Turn.MORE:
            turn = self.deliver(key)
        return turn

    def look_after(self, index: Index) -> Counter[str]:
        """Look at all that is due, as a round does; how many there were of each outcome."""
        cared: Counter[str] = Counter()
        for keys in self.lives.due(index, most=self.settings.due_sessions):
            cared.update(look_after(self.caretaker, index, keys))
        return cared

    def record(self, key: str = "a") -> SessionRecord:
        record = self.registry.get(key)
        assert record is not None
        return record

    def sizes(self) -> list[int]:
        """How many observations each observing call carried."""
        return [len(call.payloads) for call in self.kato.calls if call.payloads]

    def observed(self) -> list[str]:
        """Every observation that was applied to the sessions there are, in order."""
        sessions = self.kato.sessions.values()
        return [payload.decode() for session in sessions for payload in session.observed]

    def lease_is_renewed(self, key: str = "a") -> None:
        """Wait until the lease of a lane has its full length again."""
        full = self.store.after(self.settings.lease)
        wait_until(lambda: self.store.entry(key).token_until == full, message="not renewed")


def strings(*names: str) -> list[str]:
    """The JSON of observations of one string each."""
    return [f'{{"strings":["{name}"]}}' for name in names]
