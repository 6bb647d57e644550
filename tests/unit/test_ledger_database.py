"""The ledger's database: where it is, who may read it, what its errors become."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledger_steps import Book, new_items, new_migration
from sqlalchemy import Engine, create_engine, event

from kato_tasks.errors import InvalidInput, LedgerUnavailable
from kato_tasks.ledger import ItemState, Ledger, MigrationState
from kato_tasks.ledger.database import Database

BEGINS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ledger_steps import new_items, new_migration
from kato_tasks.ledger import Ledger
ledger = Ledger(sys.argv[2])
ledger.create(new_migration(), new_items([sys.argv[3]]))
ledger.close()
"""

RSS = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from ledger_steps import new_items, new_migration
from kato_tasks.ledger import Ledger
ledger = Ledger(sys.argv[2])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ledger.create(new_migration(), new_items(f"a{number}" for number in range(2_000)))
before = peak()
begun = ledger.create(new_migration(), new_items(f"b{number}" for number in range(100_000)))
assert sum(1 for _ in ledger.items(begun.id)) == 100_000
ledger.cancel(begun.id)
ledger.resume(begun.id)
ledger.close()
print(peak() - before)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "kato-tasks" / "ledger.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    with closing(Ledger(f"sqlite:///{file}")) as ledger:
        yield ledger


def test_a_ledger_opens_nothing_until_it_is_used(ledger: Ledger, file: Path) -> None:
    assert not ledger.exists
    assert ledger.revisions().current is None
    assert not file.parent.exists()
    assert ledger.recent(limit=1) == []
    assert ledger.exists


def test_a_file_is_its_users_own(ledger: Ledger, file: Path) -> None:
    ledger.create(new_migration(), new_items("a"))
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in file.parent.iterdir()} == {0o600}


def test_without_a_url_it_is_in_the_users_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a?b#c%20d"
    monkeypatch.setenv("XDG_STATE_HOME", str(odd))
    with closing(Ledger()) as ledger:
        ledger.recent(limit=1)
    assert (odd / "kato-tasks" / "ledger.db").exists()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Ledger("").shown == f"sqlite:///{tmp_path}/.local/state/kato-tasks/ledger.db"


def test_a_file_is_opened_for_many_writers(file: Path) -> None:
    with closing(Database(f"sqlite:///{file}")) as database, database.reading() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", 1, 1, 10_000]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://u:hush@h/d",
        "postgresql+x://u:hush@h/d",
        "hush",
        "u:hush@h/d",
        "postgresql://u:hush@h:port/d",
        "redis://u:hush@h/0",
    ],
)
def test_what_can_be_no_ledger_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="allowed: sqlite:///FILE or postgresql://") as refused:
        Ledger(url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@127.0.0.1:1/d",
        "postgresql+psycopg://u:hu%2Fsh@127.0.0.1:1/d",
        "postgresql://127.0.0.1:1/d?user=u&password=hush",
    ],
)
def test_a_server_that_is_away_is_named_without_its_password(url: str) -> None:
    ledger = Ledger(url)
    with closing(ledger), pytest.raises(LedgerUnavailable) as failed:
        ledger.recent(limit=1)
    assert "127.0.0.1:1/d is not available" in str(failed.value)
    for text in (str(failed.value), repr(failed.value), ledger.shown):
        assert not any(word in text for word in ("hush", "hu/sh", "hu%2Fsh"))


def test_a_file_that_is_none_of_sqlite_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database " * 1_000)
    with (
        closing(Ledger(f"sqlite:///{file}")) as ledger,
        pytest.raises(LedgerUnavailable, match="file is not a database"),
    ):
        ledger.recent(limit=1)


def test_a_folder_that_cannot_be_made_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        closing(Ledger(f"sqlite:///{tmp_path}/file/ledger.db")) as ledger,
        pytest.raises(LedgerUnavailable, match=r"exists|Not a directory"),
    ):
        ledger.recent(limit=1)


def test_a_writer_that_does_not_end_is_not_waited_for_for_ever(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_tasks.ledger.database._BUSY_MS", 50)
    begun = ledger.create(new_migration(), new_items("a"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="database is locked"):
            ledger.cancel(begun.id)
        assert ledger.get(begun.id).state is MigrationState.RUNNING
        other.execute("ROLLBACK")
    assert ledger.cancel(begun.id)


def test_a_thread_does_not_wait_for_another_for_ever(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for itself: items may not come of what writes to the same ledger."""
    monkeypatch.setattr("kato_tasks.ledger.database._BUSY_MS", 50)
    begun = ledger.create(new_migration(), new_items("a"))
    items = (one for one in new_items("b") if ledger.cancel(begun.id))
    with pytest.raises(LedgerUnavailable, match="database is locked"):
        ledger.create(new_migration(), items)
    assert ledger.cancel(begun.id)


def test_a_closed_ledger_opens_again_when_it_is_used(ledger: Ledger) -> None:
    begun = ledger.create(new_migration(), new_items("a"))
    ledger.close()
    ledger.close()
    assert ledger.get(begun.id) == begun


def test_processes_that_use_a_new_file_at_the_same_time_all_do(file: Path) -> None:
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", BEGINS, folder, f"sqlite:///{file}"]
    running = [subprocess.Popen([*command, key]) for key in "abcd"]
    assert [one.wait(60) for one in running] == [0] * 4
    with closing(Ledger(f"sqlite:///{file}")) as ledger:
        assert len(ledger.recent(limit=9)) == 4


def test_a_hundred_thousand_items_are_written_and_read_in_bounded_memory(file: Path) -> None:
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", RSS, folder, f"sqlite:///{file}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16 * 1024, "kilobytes"


def test_what_is_asked_often_reads_by_an_index(ledger: Ledger, file: Path) -> None:
    """Whatever else a ledger has gathered: none of it reads all items, or sorts them."""
    said: list[tuple[str, object]] = []

    def listen(*facts: object) -> None:
        said.append((str(facts[2]), facts[3]))

    book = Book(ledger)
    begun = book.begin("a", "b")
    event.listen(Engine, "before_cursor_execute", listen)
    try:
        ledger.claim(begun.id, "hand", most=1, seconds=30)
        ledger.renew(begun.id, "hand", seconds=30)
        ledger.note_made(begun.id, "a", "hand", "s")
        book.settle(begun, "hand", "a", state=ItemState.MOVED)
        book.begin("c")
        ledger.cancel(begun.id)
        ledger.resume(begun.id)
        ledger.finish(begun.id)
        ledger.tally(begun.id)
        ledger.running()
        ledger.recent(limit=3)
        ledger.kept(due=True, limit=3)
        list(ledger.items(begun.id))
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert len(said) > 20
    assert [plan for text, given in said for plan in _bad_steps(file, text, given)] == []


def _bad_steps(file: Path, text: str, given: object) -> list[str]:
    """Return what SQLite would do for a statement without an index."""
    if not text.startswith(("SELECT", "UPDATE")):
        return []
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        parameters = given if isinstance(given, tuple) else ()
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
        steps = [str(row[3]) for row in rows]
    engine.dispose()
    bad = [one for one in steps if one.startswith("SCAN") and "USING" not in one]
    return [f"{one}: {text}" for one in bad + [one for one in steps if "TREE FOR ORDER BY" in one]]
