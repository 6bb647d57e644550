"""The ledger: migrations as people see them begin, end, and go on. On every kind of database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import pytest
from ledger_steps import Book, Clock, new_items, new_migration

from kato_tasks.errors import InvalidInput, SessionsMigrating, StoreUnavailable, UnknownMigration
from kato_tasks.ledger import ItemState, Ledger, MigrationState, NewItem, Outcome, Tally

MOVED, FAILED, PENDING = ItemState.MOVED, ItemState.FAILED, ItemState.PENDING
CANCELLED, STOPPED = MigrationState.CANCELLED, MigrationState.STOPPED


@pytest.fixture
def book(ledger_url: str) -> Iterator[Book]:
    clock = Clock()
    ledger = Ledger(ledger_url, now=clock)
    ledger.upgrade()
    yield Book(ledger, clock)
    ledger.close()


def test_a_migration_is_read_as_it_was_begun(book: Book) -> None:
    begun = book.begin("a", "b")
    assert re.fullmatch(r"m-20270115-080000-[0-9a-f]{8}", begun.id)
    assert book.ledger.get(begun.id) == begun
    new = new_migration()
    assert all(getattr(begun, name) == getattr(new, name) for name in new.__slots__)
    assert (begun.state, begun.reason, begun.total) == (MigrationState.RUNNING, "", 2)
    assert (begun.created_at, begun.beat_at, begun.ended_at) == (book.clock(), book.clock(), None)


def test_items_are_read_as_they_were_given_in_their_order(book: Book) -> None:
    begun = book.begin("b", "a")
    first, second = book.ledger.items(begun.id)
    assert (first.key, first.position, second.key, second.position) == ("b", 0, "a", 1)
    assert (first.migration, first.node) == (begun.id, "shop")
    assert (first.source, first.target) == ("blue", "green")
    assert (first.state, first.attempts, first.calls, first.error) == (PENDING, 0, 0, "")
    assert (first.made, first.before, first.after, first.pause) == (None, None, None, None)
    assert (first.began_at, first.ended_at, first.kept_until) == (None, None, None)


def test_keys_of_any_text_come_back_as_they_were(book: Book) -> None:
    keys = ("nul\0", "back\\slash\\0", "\\\\0\0", "ünïcödé 🙂", "' OR 1=1", "x" * 512, "\0" * 512)
    begun = book.begin(*keys)
    assert tuple(one.key for one in book.ledger.items(begun.id)) == keys
    assert set(book.claim(begun, "hand")) == set(keys)
    assert book.settle(begun, "hand", *keys, state=MOVED) == len(keys)


def test_a_migration_of_nothing_is_refused_and_leaves_nothing(book: Book) -> None:
    with pytest.raises(InvalidInput, match="has no session"):
        book.ledger.create(new_migration(), [])
    assert book.ledger.recent(limit=9) == []


def test_a_session_twice_is_refused_in_its_own_words(book: Book) -> None:
    far = chain(map(str, range(1_500)), ["7"])
    for keys in (["a", "a"], far):
        with pytest.raises(InvalidInput, match="the migration has a session twice"):
            book.ledger.create(new_migration(), new_items(keys))
    assert book.ledger.recent(limit=9) == []


def test_a_session_can_be_in_one_open_migration_only(book: Book) -> None:
    begun = book.begin("a", "b")
    with pytest.raises(SessionsMigrating) as refused:
        book.begin("x", "b", "a")
    assert (refused.value.first, refused.value.migration) == ("b", begun.id)
    assert refused.value.args == (2, "b", begun.id)
    assert book.ledger.recent(limit=9) == [begun]


def test_all_that_are_taken_are_counted_not_those_of_a_first_part(book: Book) -> None:
    keys = [f"k{number}" for number in range(2_500)]
    book.begin(*keys)
    with pytest.raises(SessionsMigrating) as refused:
        book.begin("new", *keys)
    assert refused.value.args[:2] == (2_500, "k0")


def test_a_session_that_is_done_with_can_be_migrated_again(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "hand", most=1)
    book.settle(begun, "hand", "a", state=MOVED)
    assert book.begin("a").total == 1
    with pytest.raises(SessionsMigrating):
        book.begin("b")


def test_an_error_of_whoever_gives_items_leaves_nothing(book: Book) -> None:
    def broken() -> Iterator[NewItem]:
        yield from new_items(map(str, range(1_200)))
        raise StoreUnavailable("redis://h", "gone", ())

    with pytest.raises(StoreUnavailable):
        book.ledger.create(new_migration(), broken())
    assert book.ledger.recent(limit=9) == []


def test_items_may_come_from_the_ledger_itself(book: Book) -> None:
    """As those of a rollback do."""
    begun = book.begin(*(f"k{number}" for number in range(1_100)))
    book.settle(begun, "hand", *book.claim(begun, "hand", 2_000), state=ItemState.MOVED)
    assert book.ledger.finish(begun.id)
    again = (
        NewItem(key=one.key, node=one.node, source=one.target, target=one.source)
        for one in book.ledger.items(begun.id)
    )
    back = book.ledger.create(new_migration(rolls_back=begun.id), again)
    assert back.total == 1_100
    assert book.ledger.rolled_back_by(begun.id) == back.id
    assert book.ledger.rolled_back_by(back.id) is None


def test_an_unknown_id_is_answered_with_the_latest_ones(book: Book) -> None:
    with pytest.raises(UnknownMigration, match="there was none yet"):
        book.ledger.get("m-x")
    begun = book.begin()
    with pytest.raises(UnknownMigration, match=begun.id):
        book.ledger.get("m-x")


def test_the_latest_come_first_and_those_that_run_are_found(book: Book) -> None:
    begun = []
    for key in "abc":
        book.clock.time += 1
        begun.append(book.begin(key))
    assert book.ledger.recent(limit=2) == [begun[2], begun[1]]
    book.ledger.cancel(begun[1].id)
    assert {one.id for one in book.ledger.running()} == {begun[0].id, begun[2].id}


def test_items_are_read_in_steps_by_state(book: Book) -> None:
    begun = book.begin(*(f"k{number:04}" for number in range(2_345)))
    book.claim(begun, "hand", most=3)
    read = book.ledger.items
    assert [one.position for one in read(begun.id)] == list(range(2_345))
    assert [one.position for one in read(begun.id, states=[ItemState.MOVING])] == [0, 1, 2]
    assert next(iter(read(begun.id, states=[PENDING]))).position == 3
    assert list(read(begun.id, states=[FAILED])) == []


def test_the_tally_counts_each_state(book: Book) -> None:
    begun = book.begin(*"abcdef")
    book.claim(begun, "hand", most=4)
    book.settle(begun, "hand", "a", state=MOVED)
    book.settle(begun, "hand", "b", state=FAILED)
    book.settle(begun, "hand", "c", state=ItemState.SKIPPED)
    tally = book.ledger.tally(begun.id)
    assert tally == Tally(pending=2, moving=1, moved=1, failed=1, skipped=1)
    assert tally.done == 3
    book.ledger.cancel(begun.id)
    assert book.ledger.tally(begun.id).cancelled == 2
    assert book.ledger.tally("m-x") == Tally()


def test_it_tells_whether_an_item_has_failed(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "hand", most=2)
    book.settle(begun, "hand", "a", state=MOVED)
    assert not book.ledger.has_failures(begun.id)
    book.settle(begun, "hand", "b", state=FAILED)
    assert book.ledger.has_failures(begun.id)
    assert not book.ledger.has_failures("m-x")


def test_a_cancelled_migration_lets_moving_items_finish(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "hand", most=1)
    book.clock.time += 5
    assert book.ledger.cancel(begun.id, state=STOPPED, reason="too many failed")
    found = book.ledger.get(begun.id)
    assert (found.state, found.reason, found.ended_at) == (
        STOPPED,
        "too many failed",
        book.clock(),
    )
    assert book.states(begun) == {"a": "moving", "b": "cancelled"}
    assert book.ledger.renew(begun.id, "hand", seconds=30) is STOPPED
    assert book.settle(begun, "hand", "a", state=MOVED) == 1
    assert not book.ledger.cancel(begun.id)
    assert book.ledger.get(begun.id).reason == "too many failed"


def test_a_resumed_migration_goes_on_with_what_was_not_moved(book: Book) -> None:
    begun = book.begin(*"abc")
    book.claim(begun, "hand", most=2)
    book.settle(begun, "hand", "a", state=MOVED)
    book.settle(begun, "hand", "b", state=FAILED)
    book.ledger.cancel(begun.id)
    book.clock.time += 100
    assert book.ledger.resume(begun.id)
    found = book.ledger.get(begun.id)
    assert (found.state, found.reason, found.ended_at) == (MigrationState.RUNNING, "", None)
    assert found.beat_at == book.clock()
    assert book.states(begun) == {"a": "moved", "b": "pending", "c": "pending"}
    assert book.item(begun, "b").error == ""
    assert book.ledger.resume(begun.id)


def test_one_that_is_done_is_resumed_if_something_failed_only(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "hand")
    book.settle(begun, "hand", "a", state=MOVED)
    book.settle(begun, "hand", "b", state=FAILED)
    assert book.ledger.finish(begun.id)
    assert book.ledger.get(begun.id).state is MigrationState.DONE
    assert book.ledger.resume(begun.id)
    book.claim(begun, "hand")
    book.settle(begun, "hand", "b", state=MOVED)
    assert book.ledger.finish(begun.id)
    assert not book.ledger.resume(begun.id)
    assert not book.ledger.resume("m-x")


def test_a_session_that_another_migration_has_by_now_is_not_resumed(book: Book) -> None:
    begun = book.begin(*"abc")
    book.ledger.cancel(begun.id)
    other = book.begin("c", "b")
    with pytest.raises(SessionsMigrating) as refused:
        book.ledger.resume(begun.id)
    assert refused.value.args == (2, "b", other.id)
    assert book.ledger.get(begun.id).state is CANCELLED
    assert set(book.states(begun).values()) == {"cancelled"}
    book.ledger.cancel(other.id)
    assert book.ledger.resume(begun.id)


def test_one_caller_finishes_and_only_what_is_done(book: Book) -> None:
    begun = book.begin("a")
    assert not book.ledger.finish(begun.id)
    book.claim(begun, "hand")
    assert not book.ledger.finish(begun.id)
    book.settle(begun, "hand", "a", state=MOVED)
    book.clock.time += 3
    assert [book.ledger.finish(begun.id) for _ in range(2)] == [True, False]
    found = book.ledger.get(begun.id)
    assert (found.state, found.ended_at) == (MigrationState.DONE, book.clock())


def test_one_that_was_cancelled_is_not_finished(book: Book) -> None:
    begun = book.begin("a")
    book.ledger.cancel(begun.id)
    assert not book.ledger.finish(begun.id)


def test_one_caller_looks_after_a_migration_without_a_sign_of_life(book: Book) -> None:
    begun = book.begin("a")
    book.clock.time += 10
    assert not book.ledger.beat(begun.id, older=10)
    book.clock.time += 1
    assert [book.ledger.beat(begun.id, older=10) for _ in range(2)] == [True, False]
    book.clock.time += 11
    book.claim(begun, "hand")
    assert not book.ledger.beat(begun.id, older=10)
    book.clock.time += 11
    book.ledger.renew(begun.id, "hand", seconds=30)
    assert not book.ledger.beat(begun.id, older=10)
    book.clock.time += 11
    book.ledger.cancel(begun.id)
    assert not book.ledger.beat(begun.id, older=10)


def test_sources_that_are_kept_are_found_until_they_are_gone(book: Book) -> None:
    begun = book.begin("a", "b", "c")
    book.claim(begun, "hand")
    kept = [("a", book.clock() + 20), ("b", book.clock() + 10), ("c", None)]
    outcomes = [Outcome(key=key, state=MOVED, kept_until=until) for key, until in kept]
    book.ledger.settle(begun.id, "hand", outcomes)
    assert [one.key for one in book.ledger.kept(due=False, limit=9)] == ["b", "a"]
    assert book.ledger.kept(due=True, limit=9) == []
    book.clock.time += 10
    assert [one.key for one in book.ledger.kept(due=True, limit=9)] == ["b"]
    book.ledger.kept_gone(begun.id, "b")
    assert [one.key for one in book.ledger.kept(due=False, limit=1)] == ["a"]


@pytest.mark.parametrize("name", ["\udcff", "m-\0", "m-\u00fc", ""])
def test_an_id_that_no_migration_can_have_is_not_known(book: Book, name: str) -> None:
    with pytest.raises(UnknownMigration):
        book.ledger.get(name)


def test_what_is_rolled_back_does_not_go_on(book: Book) -> None:
    begun = book.begin("a", "b")
    book.claim(begun, "hand")
    book.settle(begun, "hand", "a", state=ItemState.MOVED)
    with pytest.raises(InvalidInput, match="is not done"):
        book.ledger.create(new_migration(begun.id), new_items("a"))
    book.settle(begun, "hand", "b", state=ItemState.FAILED)
    book.ledger.finish(begun.id)
    back = book.ledger.create(new_migration(begun.id), new_items("a"))
    with pytest.raises(InvalidInput, match=f"is rolled back by {back.id}"):
        book.ledger.resume(begun.id)
    with pytest.raises(InvalidInput, match=f"is rolled back by {back.id}"):
        book.ledger.create(new_migration(begun.id), new_items("b"))
    assert book.states(begun) == {"a": "moved", "b": "failed"}
