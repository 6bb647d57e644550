"""What becomes of sessions that a hand has left on their way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from ledger_steps import Book, Clock

from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.ledger import Ledger
from kato_tasks.migration import How, Migrations, Moved, Mover, Planner
from kato_tasks.migration.hands import Hand
from kato_tasks.models import SessionRecord, SessionSpec, SessionState
from kato_tasks.registry import Registry
from kato_tasks.testing import wait_until


@dataclass
class Records:
    """A registry in which all sessions are on one instance."""

    instance: str = "blue"

    def get(self, key: str) -> SessionRecord | None:
        return SessionRecord(
            key=key,
            spec=SessionSpec(node="shop", instance=self.instance),
            state=SessionState.ACTIVE,
            session_id="bound",
            time=0,
            epoch=1,
            appended=0,
            applied=0,
            created_at=0.0,
            active_at=0.0,
        )


@dataclass
class Client:
    """A server that notes what is deleted."""

    dropped: list[str] = field(default_factory=list)

    def discard_session(self, session_id: str) -> None:
        self.dropped.append(session_id)


@dataclass
class Lost:
    """A mover whose store answers nothing more once the session may have moved."""

    records: Records
    server: Client = field(default_factory=Client)
    stopping: bool = False
    busy: bool = False

    def move(self, *_: object, **__: object) -> Moved:
        raise StoreUnavailable("redis://store", "was killed")

    def look(self, key: str, to: str, made: str | None) -> Moved | None:
        if self.busy:
            return None
        record = self.records.get(key)
        assert record is not None
        arrived = record.spec.instance == to
        if made is not None and not arrived:
            self.server.dropped.append(made)
        how = How.ALREADY if arrived else How.LATER
        return Moved(how=how, after=record.session_id)


class Desk:
    """Migrations of a ledger, with a mover and a registry that a test sets."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.records = Records()
        self.mover = Lost(self.records)
        self.migrations = Migrations(
            cast("Planner", None),
            ledger=book.ledger,
            mover=cast("Mover", self.mover),
            registry=cast("Registry", self.records),
            hire=lambda _migration, _hands: None,
            move_home=lambda _node, _to: None,
        )

    def leave(self) -> str:
        """Have a hand die beside a session, and the migration cancelled."""
        begun = self.book.begin("a", "b")
        self.book.claim(begun, "dead", most=1)
        self.book.ledger.note_made(begun.id, "a", "dead", "copy")
        self.book.ledger.cancel(begun.id)
        self.book.clock.time += 31
        return begun.id

    def states(self, migration: str) -> dict[str, str]:
        return self.book.states(self.book.ledger.get(migration))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", now=clock)
    yield Desk(Book(ledger, clock))
    ledger.close()


def test_one_that_has_not_arrived_is_cancelled_and_its_copy_deleted(desk: Desk) -> None:
    migration = desk.leave()
    assert not desk.migrations.standing(migration).over
    desk.migrations.tend()
    assert desk.states(migration) == {"a": "cancelled", "b": "cancelled"}
    assert desk.migrations.standing(migration).over
    assert desk.mover.server.dropped == ["copy"]


def test_one_that_has_arrived_was_moved(desk: Desk) -> None:
    migration = desk.leave()
    desk.records.instance = "green"
    desk.migrations.tend()
    assert desk.states(migration) == {"a": "moved", "b": "cancelled"}
    assert desk.book.item(desk.book.ledger.get(migration), "a").after == "bound"
    assert desk.mover.server.dropped == []


def test_one_that_is_still_on_its_way_is_left_alone(desk: Desk) -> None:
    """Its hand is slow, or clocks differ: neither copy nor item is anybody else's."""
    migration = desk.leave()
    desk.mover.busy = True
    desk.migrations.tend()
    assert desk.states(migration) == {"a": "moving", "b": "cancelled"}
    desk.mover.busy = False
    desk.book.clock.time += 31
    desk.migrations.tend()
    assert desk.states(migration) == {"a": "cancelled", "b": "cancelled"}


def test_a_session_whose_move_breaks_off_is_given_up_at_last(desk: Desk) -> None:
    """The others move, and the migration comes to its end."""
    begun = desk.book.begin("a", "b")

    class Broken(Lost):
        def move(self, *asked: object, **_: object) -> Moved:
            if asked[0] == "a":
                raise RuntimeError("a record that nobody can read")
            return Moved(how=How.MOVED)

    mover = cast("Mover", Broken(desk.records))
    for _ in range(20):
        Hand(desk.book.ledger, mover, lambda _node, _to: None).turn(begun.id)
        desk.book.clock.time += 31
        if desk.book.ledger.finish(begun.id):
            break
    assert desk.states(begun.id) == {"a": "failed", "b": "moved"}
    assert "a record that nobody can read" in desk.book.item(begun, "a").error


def test_a_hand_says_that_it_is_at_work_however_long_one_session_takes(desk: Desk) -> None:
    """Else others would take its sessions, and the sweep send for more hands."""
    begun, book = desk.book.begin("a", "b"), desk.book

    class Slow(Lost):
        def move(self, *_: object, **__: object) -> Moved:
            for _second in range(4):
                book.clock.time += 8
                wait_until(lambda: book.ledger.get(begun.id).beat_at == book.clock(), timeout=5)
            assert not book.ledger.beat(begun.id, older=10)
            assert book.claim(begun, "other") == []
            return Moved(how=How.MOVED)

    keeper, mover = LeaseKeeper(0.01), cast("Mover", Slow(desk.records))
    try:
        assert not Hand(book.ledger, mover, lambda _node, _to: None, keeper).turn(begun.id)
    finally:
        keeper.close()
    assert desk.states(begun.id) == {"a": "moved", "b": "moved"}


def test_a_hand_that_cannot_tell_leaves_it_to_the_next(desk: Desk) -> None:
    """The store may have switched the binding, and the migration may be cancelled by now."""
    begun = desk.book.begin("a", "b")
    hand = Hand(desk.book.ledger, cast("Mover", desk.mover), lambda _node, _to: None)
    with pytest.raises(StoreUnavailable):
        hand.turn(begun.id)
    assert desk.states(begun.id) == {"a": "moving", "b": "pending"}
    desk.records.instance = "green"
    desk.book.ledger.cancel(begun.id)
    desk.migrations.tend()
    assert desk.states(begun.id) == {"a": "moved", "b": "cancelled"}
