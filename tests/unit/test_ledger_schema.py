"""The ledger's revisions: each becomes the newest, and the newest is what the code expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_steps import new_items, new_migration
from sqlalchemy import column, table, update

from kato_tasks.errors import LedgerOutdated, LedgerUnavailable
from kato_tasks.ledger import Ledger
from kato_tasks.ledger.database import Database
from kato_tasks.ledger.schema import VERSION_TABLE, known_revisions, upgrade
from kato_tasks.ledger.tables import metadata


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    with closing(Database(ledger_url)) as database:
        yield database


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url)) as ledger:
        yield ledger


@pytest.mark.parametrize("revision", [None, *known_revisions()])
def test_every_revision_becomes_the_newest(
    revision: str | None, database: Database, ledger: Ledger
) -> None:
    if revision is not None:
        upgrade(database, revision)
    assert ledger.upgrade().current == revision
    assert ledger.revisions().up_to_date
    assert ledger.create(new_migration(), new_items("ab")).total == 2


def test_the_newest_revision_is_what_the_code_expects(database: Database) -> None:
    upgrade(database)
    options = {"version_table": VERSION_TABLE}
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_an_upgrade_may_be_repeated(ledger: Ledger) -> None:
    assert ledger.upgrade().current is None
    begun = ledger.create(new_migration(), new_items("a"))
    assert ledger.upgrade().up_to_date
    assert ledger.get(begun.id) == begun


def test_a_server_is_upgraded_by_a_person_only(postgres_url: str) -> None:
    with closing(Ledger(postgres_url)) as ledger:
        assert ledger.revisions().outdated
        with pytest.raises(LedgerOutdated, match=r"has the revision none and needs .* db upgrade"):
            ledger.recent(limit=1)
        ledger.upgrade()
        assert not ledger.revisions().outdated
        assert ledger.recent(limit=1) == []


def test_tables_of_a_newer_release_are_left_alone(database: Database, ledger: Ledger) -> None:
    upgrade(database)
    with database.writing() as connection:
        connection.execute(
            update(table(VERSION_TABLE, column("version_num"))).values(version_num="later")
        )
    for use in (ledger.revisions, ledger.upgrade, lambda: ledger.recent(limit=1)):
        with pytest.raises(LedgerUnavailable, match="revision later, of a newer release"):
            use()
