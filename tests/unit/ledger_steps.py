"""What the tests of the ledger share: a clock of their own, and migrations to begin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kato_tasks.ledger import Item, ItemState, Ledger, Migration, NewItem, NewMigration, Outcome


@dataclass
class Clock:
    """Shows the time that a test has set, in epoch seconds."""

    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Book:
    """A ledger, its clock, and steps that take a line each."""

    ledger: Ledger
    clock: Clock = field(default_factory=Clock)

    def begin(self, *keys: str) -> Migration:
        return self.ledger.create(new_migration(), new_items(keys or ("a", "b", "c")))

    def states(self, migration: Migration) -> dict[str, str]:
        return {one.key: one.state.value for one in self.ledger.items(migration.id)}

    def item(self, migration: Migration, key: str) -> Item:
        return next(one for one in self.ledger.items(migration.id) if one.key == key)

    def claim(self, migration: Migration, by: str, most: int = 10) -> list[str]:
        return [one.key for one in self.ledger.claim(migration.id, by, most=most, seconds=30)]

    def settle(self, migration: Migration, by: str, *keys: str, state: ItemState) -> int:
        outcomes = [Outcome(key=key, state=state) for key in keys]
        return self.ledger.settle(migration.id, by, outcomes)


def new_migration(rolls_back: str | None = None) -> NewMigration:
    return NewMigration(
        source="blue",
        target="green",
        wanted={"tags": ["x"], "prefix": ""},
        parallel=4,
        rate=2.5,
        keep_for=60.0,
        accept_empty_node=True,
        most_failures=0.1,
        rolls_back=rolls_back,
    )


def new_items(keys: Iterable[str]) -> Iterable[NewItem]:
    return (NewItem(key=key, node="shop", source="blue", target="green") for key in keys)
