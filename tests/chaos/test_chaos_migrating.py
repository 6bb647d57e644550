"""How the sessions of a chaos run are moved there and back, whatever does not answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kato_tasks.chaos import migrating
from kato_tasks.chaos.migrating import Itinerary, Migrator
from kato_tasks.errors import InvalidInput, StoreUnavailable
from kato_tasks.ledger import MigrationState
from kato_tasks.migration import Migrations, Request
from kato_tasks.registry import Registry
from kato_tasks.testing import wait_until

ITINERARY = Itinerary(seed=1, there="blue", back="green", keys=("k",))


@dataclass
class Fake:
    """Migrations that are over at once; the store is away at every third call.

    Attributes:
        ways: Which ways all sessions of an instance were moved, in order.
        alone: How many moved alone.
        called: How often each verb was called.
        empty: An instance that has no sessions.
        stops: Migrations stop by themselves until they are resumed.
        state: What the latest has come to.
    """

    ways: list[tuple[str, str | None]] = field(default_factory=list)
    alone: int = 0
    called: Counter[str] = field(default_factory=Counter)
    empty: str = ""
    stops: bool = False
    state: MigrationState = MigrationState.DONE

    @property
    def planner(self) -> Fake:
        return self

    @property
    def ledger(self) -> Fake:
        return self

    def plan(self, request: Request) -> Request:
        self._answer("plan")
        if request.source == self.empty:
            raise InvalidInput("the filter", "matches no session", "one that matches some")
        return request

    def start(self, plan: Request) -> Any:  # noqa: ANN401 - a migration
        self.ways.append((plan.source, plan.target))
        self.state = MigrationState.STOPPED if self.stops else MigrationState.DONE
        return SimpleNamespace(id="m")

    def move_one(self, key: str, *, source: str, target: str, accept_empty_node: bool) -> None:
        self._answer("move_one")
        assert key in ITINERARY.keys
        assert (source, target, accept_empty_node) == ("blue", "green", True)
        self.alone += 1

    def finds_any(self, request: Request) -> bool:
        return request.source != self.empty

    def recent(self, *, limit: int) -> list[Any]:
        assert limit
        self._answer("recent")
        return [SimpleNamespace(id="m")]

    def standing(self, migration: str) -> Any:  # noqa: ANN401 - a standing
        assert migration == "m"
        self._answer("standing")
        return SimpleNamespace(migration=SimpleNamespace(state=self.state), over=True)

    def cancel(self, _: str) -> None:
        self.called["cancel"] += 1

    def resume(self, _: str) -> None:
        self.called["resume"] += 1
        self.state = MigrationState.DONE

    def rollback(self, _: str) -> None:
        raise InvalidInput("migration m", "is rolled back", "one that is done")

    def get(self, _: str) -> Any:  # noqa: ANN401 - a record
        return SimpleNamespace(spec=SimpleNamespace(instance="blue"))

    def _answer(self, verb: str) -> None:
        self.called[verb] += 1
        if self.called[verb] % 3 == 2:
            raise StoreUnavailable("redis://store", "was killed")


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PAUSE", "_BETWEEN", "_CANCEL_WITHIN"):
        monkeypatch.setattr(migrating, name, 0.001)


def migrator(fake: Fake) -> Migrator:
    return Migrator(ITINERARY, cast("Migrations", fake), cast("Registry", fake))


def test_sessions_go_there_and_back_until_the_end() -> None:
    fake = Fake()
    with migrator(fake) as driver:
        wait_until(lambda: len(fake.ways) > 9)
        driver.stop()
        wait_until(lambda: not driver.running)
        driver.check()
    assert fake.ways[:4] == [("blue", "green"), ("green", "blue")] * 2
    assert fake.alone > 0
    assert fake.called["cancel"] > 0
    assert fake.called["recent"] > 0


def test_where_nothing_is_left_it_turns_round() -> None:
    fake = Fake(empty="blue")
    with migrator(fake):
        wait_until(lambda: len(fake.ways) > 1)
    assert set(fake.ways) == {("green", "blue")}


def test_one_that_has_stopped_by_itself_goes_on() -> None:
    fake = Fake(stops=True)
    with migrator(fake):
        wait_until(lambda: len(fake.ways) > 2)
    assert fake.called["resume"] > 1


def test_what_it_dies_of_is_raised() -> None:
    fake = Fake()
    fake.start = lambda _plan: 1 / 0  # type: ignore[assignment,method-assign]
    with migrator(fake) as driver:
        wait_until(lambda: not driver.running)
        with pytest.raises(ZeroDivisionError):
            driver.check()
