"""The ledger: what hands take, keep and settle. On every kind of database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TypeVar

import pytest
from ledger_steps import Book, Clock, new_items, new_migration

from kato_tasks.errors import SessionsMigrating
from kato_tasks.ledger import ItemState, Ledger, MigrationState, Outcome

R = TypeVar("R")

MOVED, FAILED, PENDING = ItemState.MOVED, ItemState.FAILED, ItemState.PENDING


@pytest.fixture
def book(ledger_url: str) -> Iterator[Book]:
    clock = Clock()
    ledger = Ledger(ledger_url, now=clock)
    ledger.upgrade()
    yield Book(ledger, clock)
    ledger.close()


def together(works: Sequence[Callable[[], R]]) -> list[R]:
    """Run works at the same time; return what they return, or raise."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], R]) -> R:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_the_first_items_are_taken_and_marked(book: Book) -> None:
    begun = book.begin(*"abc")
    book.clock.time += 5
    taken = book.ledger.claim(begun.id, "hand", most=2, seconds=30)
    assert [one.key for one in taken] == ["a", "b"]
    assert all(one.state is ItemState.MOVING and one.attempts == 1 for one in taken)
    assert all(one.began_at == book.clock() for one in taken)
    assert book.ledger.get(begun.id).beat_at == book.clock()
    assert book.claim(begun, "other") == ["c"]
    assert book.claim(begun, "third") == []


def test_an_item_whose_hand_died_is_taken_by_another(book: Book) -> None:
    begun = book.begin("a")
    began = book.clock()
    book.claim(begun, "dead")
    book.clock.time += 29
    assert book.claim(begun, "other") == []
    book.clock.time += 1
    [taken] = book.ledger.claim(begun.id, "other", most=1, seconds=30)
    assert (taken.attempts, taken.began_at) == (2, began)
    assert not book.ledger.note_made(begun.id, "a", "dead", "s-1")
    assert book.settle(begun, "dead", "a", state=FAILED) == 0
    assert book.settle(begun, "other", "a", state=MOVED) == 1


def test_a_hand_that_renews_keeps_what_it_has(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    book.clock.time += 29
    assert book.ledger.renew(begun.id, "hand", seconds=30) is MigrationState.RUNNING
    book.clock.time += 29
    assert book.claim(begun, "other") == []


def test_nothing_is_taken_of_one_that_does_not_run(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "dead", most=1)
    book.ledger.cancel(begun.id)
    book.clock.time += 100
    assert book.claim(begun, "hand") == []
    assert book.ledger.claim("m-x", "hand", most=1, seconds=1) == []
    book.ledger.resume(begun.id)
    assert sorted(book.claim(begun, "hand")) == ["a", "b"]


def test_a_copy_is_noted_until_the_session_has_moved(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    assert book.ledger.note_made(begun.id, "a", "hand", "s-1")
    assert book.item(begun, "a").made == "s-1"
    assert book.ledger.note_made(begun.id, "a", "hand", None)
    assert book.item(begun, "a").made is None
    book.ledger.note_made(begun.id, "a", "hand", "s-2")
    book.settle(begun, "hand", "a", state=FAILED)
    assert book.item(begun, "a").made == "s-2"
    book.ledger.resume(begun.id)
    assert not book.ledger.note_made(begun.id, "a", "hand", "s-3")


def test_an_outcome_is_noted_with_all_that_it_says(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    book.clock.time += 2
    outcome = Outcome(
        key="a",
        state=MOVED,
        before="s-1",
        after="s-2",
        pause=0.04,
        calls=7,
        kept_until=book.clock() + 60,
    )
    assert book.ledger.settle(begun.id, "hand", [outcome]) == 1
    item = book.item(begun, "a")
    assert (item.state, item.before, item.after) == (MOVED, "s-1", "s-2")
    assert (item.pause, item.calls, item.error) == (0.04, 7, "")
    assert (item.ended_at, item.kept_until) == (book.clock(), book.clock() + 60)


def test_what_is_tried_again_is_taken_later_and_its_calls_add_up(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    again = Outcome(key="a", state=PENDING, error="busy", calls=3, later=4)
    book.ledger.settle(begun.id, "hand", [again])
    assert (book.item(begun, "a").state, book.item(begun, "a").ended_at) == (PENDING, None)
    assert book.claim(begun, "hand") == []
    book.clock.time += 4
    assert book.claim(begun, "hand") == ["a"]
    book.ledger.settle(begun.id, "hand", [Outcome(key="a", state=MOVED, calls=4)])
    item = book.item(begun, "a")
    assert (item.calls, item.attempts, item.error) == (7, 2, "")


def test_what_was_tried_least_is_taken_first(book: Book) -> None:
    begun = book.begin(*"abc")
    book.claim(begun, "hand", most=1)
    book.settle(begun, "hand", "a", state=PENDING)
    assert book.claim(begun, "hand") == ["b", "c", "a"]


def test_that_a_session_has_moved_is_noted_whoever_says_so(book: Book) -> None:
    """Its binding is switched: nothing else is true any more."""
    begun = book.begin("a")
    book.claim(begun, "slow")
    book.clock.time += 30
    book.claim(begun, "other")
    assert book.ledger.settle(begun.id, "slow", [Outcome(key="a", state=MOVED, after="s")]) == 1
    assert book.settle(begun, "other", "a", state=FAILED) == 0
    assert book.ledger.settle(begun.id, "other", [Outcome(key="a", state=MOVED, after="t")]) == 0
    assert (book.item(begun, "a").state, book.item(begun, "a").after) == (MOVED, "s")


def test_that_a_session_has_moved_wins_over_an_outcome(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "slow")
    book.clock.time += 30
    book.claim(begun, "other")
    book.settle(begun, "other", "a", state=FAILED)
    assert book.settle(begun, "slow", "a", state=MOVED) == 1
    assert book.states(begun) == {"a": "moved"}


def test_other_migrations_and_strangers_are_left_alone(book: Book) -> None:
    first, second = book.begin("a"), book.begin("b")
    book.claim(first, "hand")
    book.claim(second, "hand")
    assert book.settle(first, "hand", "b", "zzz", state=MOVED) == 0
    assert book.ledger.give_back(first.id, "hand") == 1
    assert book.states(second) == {"b": "moving"}


def test_what_a_hand_gives_back_is_as_if_it_had_not_taken_it(book: Book) -> None:
    begun = book.begin(*"abc")
    book.claim(begun, "hand")
    book.settle(begun, "hand", "a", state=MOVED)
    assert book.ledger.give_back(begun.id, "hand") == 2
    assert book.ledger.give_back(begun.id, "hand") == 0
    taken = book.ledger.claim(begun.id, "other", most=9, seconds=30)
    assert [(one.key, one.attempts) for one in taken] == [("b", 1), ("c", 1)]


def test_a_cancelled_migration_keeps_no_session_from_others(book: Book) -> None:
    """Whether its hand gives it back, or would have it tried again."""
    begun = book.begin("a", "b")
    book.claim(begun, "hand")
    book.ledger.cancel(begun.id)
    book.settle(begun, "hand", "a", state=PENDING)
    book.ledger.give_back(begun.id, "hand")
    assert book.states(begun) == {"a": "cancelled", "b": "cancelled"}
    assert book.begin("a", "b").total == 2


def test_an_error_of_any_text_is_kept_within_bounds(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    error = "nul\0 lone\ud800 " + "x" * 9_999
    book.ledger.settle(begun.id, "hand", [Outcome(key="a", state=FAILED, error=error)])
    found = book.item(begun, "a").error
    assert found.startswith("nul\N{REPLACEMENT CHARACTER} lone? xx")
    assert len(found) == 2_000


def test_hands_at_the_same_time_take_different_items(book: Book) -> None:
    begun = book.begin(*map(str, range(200)))

    def work(name: str) -> list[str]:
        taken: list[str] = []
        while step := book.claim(begun, name, most=7):
            taken += step
            book.ledger.renew(begun.id, name, seconds=30)
            book.settle(begun, name, *step, state=MOVED)
        return taken

    hands = [partial(work, f"hand-{number}") for number in range(6)]
    taken = [key for keys in together(hands) for key in keys]
    assert sorted(taken) == sorted(map(str, range(200)))
    assert book.ledger.tally(begun.id).moved == 200


def test_of_those_who_end_a_migration_at_the_same_time_one_does(book: Book) -> None:
    begun = book.begin("a")
    book.claim(begun, "hand")
    book.settle(begun, "hand", "a", state=MOVED)
    assert together([lambda: book.ledger.finish(begun.id)] * 5).count(True) == 1


def test_of_those_who_begin_with_a_session_at_the_same_time_one_does(book: Book) -> None:
    def begin(keys: list[str]) -> bool:
        try:
            book.ledger.create(new_migration(), new_items(keys))
        except SessionsMigrating:
            return False
        return True

    keys = [f"k{number}" for number in range(1_500)]
    orders = [keys, keys[::-1], keys[700:], [*keys[1_000:], *keys[:1_000]]]
    assert together([partial(begin, one) for one in orders]).count(True) == 1
    assert len(book.ledger.recent(limit=9)) == 1


def test_a_cancel_among_working_hands_leaves_no_item_open(book: Book) -> None:
    begun = book.begin(*map(str, range(300)))
    working = threading.Event()

    def work(name: str) -> None:
        while step := book.claim(begun, name, most=5):
            book.settle(begun, name, step[0], state=PENDING)
            book.ledger.give_back(begun.id, name)
            working.set()

    def cancel() -> None:
        assert working.wait(30)
        assert book.ledger.cancel(begun.id)

    hands = [partial(work, f"hand-{number}") for number in range(4)]
    works: list[Callable[[], None]] = [*hands, cancel]
    together(works)
    tally = book.ledger.tally(begun.id)
    assert (tally.pending, tally.moving) == (0, 0)
    assert tally.done + tally.cancelled == 300


def test_what_a_dead_hand_had_of_a_cancelled_migration_is_taken_to_be_looked_at(book: Book) -> None:
    """Only when the hand's time is over, by one, and never while the migration runs."""
    begun = book.begin("a", "b", "c")
    book.claim(begun, "dead", most=2)
    book.clock.time += 31
    assert book.ledger.claim_left("tender", most=9, seconds=10) == []
    book.ledger.cancel(begun.id)
    taken = book.ledger.claim_left("tender", most=9, seconds=10)
    assert [one.key for one in taken] == ["a", "b"]
    assert book.ledger.claim_left("other", most=9, seconds=10) == []
    book.settle(begun, "tender", "a", state=MOVED)
    book.settle(begun, "tender", "b", state=PENDING)
    assert book.states(begun) == {"a": "moved", "b": "cancelled", "c": "cancelled"}


def test_a_session_of_which_a_hand_is_not_sure_is_not_cancelled(book: Book) -> None:
    """It may have been moved; the next hand, or who tends a cancelled migration, looks at once."""
    begun = book.begin("a", "b")
    book.claim(begun, "hand")
    book.ledger.cancel(begun.id)
    assert book.ledger.give_back(begun.id, "hand", unclear="a") == 1
    assert book.states(begun) == {"a": "moving", "b": "cancelled"}
    assert [one.key for one in book.ledger.claim_left("tender", most=9, seconds=10)] == ["a"]
    again = book.begin("x", "y")
    book.claim(again, "hand")
    assert book.ledger.give_back(again.id, "hand", unclear="x") == 1
    assert sorted(book.claim(again, "next")) == ["x", "y"]


@pytest.mark.parametrize("ahead", [3_600.0, -3_600.0])
def test_machines_whose_clocks_differ_agree_on_who_is_at_work(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """A hand that is at work would be taken for dead again and again, and others be sent for."""
    with closing(Ledger(postgres_url)) as one, closing(Ledger(postgres_url)) as other:
        one.upgrade()
        begun = one.create(new_migration(), new_items("ab"))
        assert len(one.claim(begun.id, "hand", most=1, seconds=10)) == 1
        real = time.time
        monkeypatch.setattr("kato_tasks.ledger.database.time.time", lambda: real() + ahead)
        assert not other.beat(begun.id, older=10)
        [free] = other.claim(begun.id, "other", most=2, seconds=10)
        assert free.key == "b"
        monkeypatch.undo()
        assert not one.beat(begun.id, older=10)
