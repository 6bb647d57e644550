"""What delivery makes of a dialect: how much one call carries, and what can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.errors import KatoUnreachable
from kato_tasks.kato import TIME_UNKNOWN
from kato_tasks.models import Append, Group, Kind, SessionRecord, SessionSpec, Turn
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    FakeKato,
    MemoryBreakers,
    MemoryLanes,
    MemoryLives,
    MemoryNodes,
    MemoryRegistry,
    MemoryStore,
)


class UnknownDialect(FakeKato):
    """A server that is away when it is asked how it speaks."""

    @property
    def max_batch(self) -> int | None:
        raise KatoUnreachable("GET /openapi.json", "ConnectError")

    @max_batch.setter
    def max_batch(self, value: int | None) -> None:
        del value


PAYLOADS: Final = tuple(b'{"strings":["%d"]}' % number for number in range(3))


@dataclass(kw_only=True)
class Lane:
    """One session's lane with three observations, and who delivers it."""

    kato: FakeKato
    deliverer: Deliverer
    registry: MemoryRegistry

    def deliver(self) -> Turn:
        return self.deliverer.deliver("s")

    @property
    def record(self) -> SessionRecord:
        record = self.registry.get("s")
        assert record is not None
        return record


def lane(kato: FakeKato, keeper: LeaseKeeper) -> Lane:
    settings, store = Settings.load(), MemoryStore()
    lanes = MemoryLanes(store, settings)
    group = Group(command_id="c", kind=Kind.OBSERVE, payloads=PAYLOADS)
    lanes.append([Append(key="s", spec=SessionSpec(node="n", instance="default"), groups=(group,))])
    deliverer = Deliverer(
        lanes=lanes,
        lives=MemoryLives(store, settings),
        nodes=MemoryNodes(store, settings),
        breakers=MemoryBreakers(store, settings),
        client=kato,
        keeper=keeper,
        settings=settings,
    )
    return Lane(kato=kato, deliverer=deliverer, registry=MemoryRegistry(store, settings))


@pytest.fixture
def keeper() -> Iterator[LeaseKeeper]:
    keeper = LeaseKeeper(1.0)
    yield keeper
    keeper.close()


def test_a_call_carries_no_more_than_the_dialect_takes(keeper: LeaseKeeper) -> None:
    kato = FakeKato()
    kato.max_batch = 1
    one = lane(kato, keeper)
    assert one.deliver() is Turn.DONE
    assert kato.verbs() == ["create_session", "observe", "observe", "observe", "look"]
    assert kato.sessions["session-1"].observed == list(PAYLOADS)


def test_a_time_that_no_answer_tells_is_no_anomaly(keeper: LeaseKeeper) -> None:
    kato = FakeKato()
    kato.answer_time(TIME_UNKNOWN)
    one = lane(kato, keeper)
    assert one.deliver() is Turn.DONE
    assert (one.record.applied, one.record.time) == (3, 3)


def test_a_time_that_is_wrong_is_an_anomaly(keeper: LeaseKeeper) -> None:
    kato = FakeKato()
    kato.answer_time(2)
    one = lane(kato, keeper)
    assert one.deliver() is Turn.DONE
    assert one.record.why == "the server's time is 2, not 3"
    assert kato.sessions["session-2"].observed == list(PAYLOADS)


def test_a_server_whose_dialect_cannot_be_told_was_sent_nothing(keeper: LeaseKeeper) -> None:
    one = lane(UnknownDialect(), keeper)
    assert one.deliver() is Turn.PAUSED
    assert one.kato.verbs() == ["create_session"]
    assert (one.record.applied, one.record.doubt) == (0, None)
