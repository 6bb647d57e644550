"""On how many instances a session is, and whether the ledger knows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from chaos_histories import entry, incarnation

from kato_tasks.chaos.checking import REPLAY, Incarnation, effective
from kato_tasks.chaos.report import Migrated
from kato_tasks.chaos.times import LONGEST_AFTER_SWITCH
from kato_tasks.chaos.whereabouts import compare_ledger, find_astray
from kato_tasks.ledger import ItemState, Ledger, NewItem, NewMigration, Outcome
from kato_tasks.models import SessionRecord, SessionSpec, SessionState
from kato_tasks.registry import Registry

BLUE, GREEN = "http://blue", "http://green"


def at(server: str, one: Incarnation) -> Incarnation:
    return Incarnation(
        session_id=one.session_id, created_at=one.created_at, server=server, entries=one.entries
    )


def left(*delivered_at: float) -> Incarnation:
    """Return the first session of a key, with an observation at each of these times."""
    entries = [entry(number, at=when) for number, when in enumerate(delivered_at, start=1)]
    return at(BLUE, incarnation("a", *entries))


def entered(when: float) -> Incarnation:
    return at(GREEN, incarnation("b", 9, replayed=[1], at=when))


def test_a_session_that_was_left_is_written_to_no_more() -> None:
    assert find_astray("k", [left(1.0, 2.0), entered(3.0)], "b", GREEN) is None


def test_a_call_that_was_under_way_may_come_late() -> None:
    """A worker may have been stopped where it was about to send; there is an end to that."""
    late = 3.0 + LONGEST_AFTER_SWITCH
    assert find_astray("k", [left(1.0, late - 0.1), entered(3.0)], "b", GREEN) is None
    found = find_astray("k", [left(1.0, late + 1.0), entered(3.0)], "b", GREEN)
    assert found is not None
    assert "k: a was written to" in found


def test_what_is_bound_is_where_the_registry_says() -> None:
    found = find_astray("k", [left(1.0), entered(3.0)], "b", BLUE)
    assert found == "k: it is bound to b, which is at http://green, not at http://blue."


def test_a_copy_that_nobody_was_bound_to_is_nowhere() -> None:
    copy = at(GREEN, incarnation("copy", replayed=[1], at=2.0))
    assert find_astray("k", [left(1.0, 99.0), copy], "a", BLUE) is None


def test_a_copy_made_ahead_has_its_turn_when_it_is_caught_up() -> None:
    """The session that it is made of was written to, and even made anew, meanwhile."""
    first = incarnation("a", entry(1, at=1.0))
    again = incarnation("c", entry(2, at=4.0), replayed=[1], at=3.0)
    copy = Incarnation(
        session_id="b",
        created_at=2.0,
        entries=(
            entry(1, at=2.0, source=REPLAY),
            entry(2, at=5.0, source=REPLAY),
            entry("config", at=5.5),
            entry(3, at=6.0),
            entry("config", at=9.0),
        ),
    )
    assert [one.begins for one in (first, again, copy)] == [0.0, 3.0, 5.5]
    lineage = sorted((copy, again, first), key=lambda one: one.begins)
    assert [step.number for step in effective(lineage, "b").steps] == [1, 2, 3]


@dataclass
class Records:
    """A registry of sessions that are on instances."""

    records: dict[str, SessionRecord] = field(default_factory=dict)

    def put(self, key: str, instance: str, *, created_at: float = 0.0) -> None:
        self.records[key] = SessionRecord(
            key=key,
            spec=SessionSpec(node="n", instance=instance),
            state=SessionState.ACTIVE,
            session_id="s",
            time=0,
            epoch=1,
            appended=0,
            applied=0,
            created_at=created_at,
            active_at=0.0,
        )

    def get(self, key: str) -> SessionRecord | None:
        return self.records.get(key)


class Story:
    """A ledger in which one session is moved, by a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", now=lambda: self.now)
        self.records = Records()

    def migrate(self, source: str, target: str, state: ItemState | None) -> str:
        """Begin a migration, and have its session moved, or whatever else becomes of it."""
        new = NewMigration(
            source=source,
            target=target,
            wanted={},
            parallel=1,
            rate=None,
            keep_for=0.0,
            accept_empty_node=False,
            most_failures=1.0,
        )
        item = NewItem(key="k", node="n", source=source, target=target)
        self.now += 10
        begun = self.ledger.create(new, [item]).id
        if state is not None:
            self.end(begun, state)
        return begun

    def end(self, migration: str, state: ItemState) -> None:
        self.ledger.claim(migration, "hand", most=1, seconds=10)
        self.now += 1
        self.ledger.settle(migration, "hand", [Outcome(key="k", state=state)])
        self.ledger.finish(migration)

    def compare(self) -> tuple[Migrated, tuple[str, ...]]:
        registry = cast("Registry", self.records)
        return compare_ledger(self.ledger, registry, ("blue", "green"))


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path)
    yield told
    told.ledger.close()


def test_a_session_is_where_it_was_moved_last(story: Story) -> None:
    story.migrate("blue", "green", ItemState.MOVED)
    story.migrate("green", "blue", ItemState.MOVED)
    story.records.put("k", "blue")
    assert story.compare() == (Migrated(migrations=2, moved=2), ())
    story.records.put("k", "green")
    found, problems = story.compare()
    assert (found.ledger_mismatches, found.sound) == (1, False)
    assert "k: it is on green, and must be on blue by migration" in problems[0]


def test_one_that_failed_is_where_it_was(story: Story) -> None:
    story.migrate("blue", "green", ItemState.FAILED)
    story.records.put("k", "blue")
    assert story.compare() == (Migrated(migrations=1, failed=1), ())
    story.records.put("k", "green")
    assert story.compare()[0].ledger_mismatches == 1
    story.migrate("blue", "green", ItemState.MOVED)
    story.migrate("green", "blue", ItemState.FAILED)
    assert story.compare()[0].ledger_mismatches == 0


def test_a_migration_that_was_resumed_may_have_moved_it_last(story: Story) -> None:
    first = story.migrate("blue", "green", None)
    story.ledger.cancel(first)
    story.migrate("green", "blue", ItemState.MOVED)
    story.ledger.resume(first)
    story.end(first, ItemState.MOVED)
    story.records.put("k", "green")
    assert story.compare()[0].ledger_mismatches == 0


def test_a_session_that_began_anew_was_placed_anew(story: Story) -> None:
    story.migrate("blue", "green", ItemState.MOVED)
    story.records.put("k", "blue", created_at=story.now + 1)
    assert story.compare()[0].ledger_mismatches == 0


def test_a_migration_that_does_not_end_is_told(story: Story) -> None:
    begun = story.migrate("blue", "green", None)
    found, problems = story.compare()
    assert (found.unfinished, found.sound) == (1, False)
    assert problems == (
        f"Migration {begun} is running, and not over: 0 sessions are on their way, 1 wait.",
    )
