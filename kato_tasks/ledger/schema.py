"""Which revision the tables are of, and how they become the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from kato_tasks.ledger.database import Database

_SCRIPTS: Final = "kato_tasks:ledger/revisions"
VERSION_TABLE: Final = "kt_revision"
"""Where Alembic keeps the revision: the database may have tables of others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Revisions:
    """The revision that the tables have, and the newest.

    Attributes:
        current: What they have; None if there are none yet.
        newest: What this release needs.
    """

    current: str | None
    newest: str

    @property
    def up_to_date(self) -> bool:
        """True if nothing has to be done."""
        return self.current == self.newest


def revisions(database: Database) -> Revisions:
    """Return which revision a database has, and which is the newest.

    Raises:
        LedgerUnavailable: It did not answer.
    """
    newest = ScriptDirectory.from_config(_config()).get_current_head() or ""
    with database.reading() as connection:
        options = {"version_table": VERSION_TABLE}
        current = MigrationContext.configure(connection, opts=options).get_current_revision()
    return Revisions(current=current, newest=newest)


def upgrade(database: Database) -> None:
    """Bring the tables to the newest revision, in one transaction.

    Raises:
        LedgerUnavailable: The database did not do it; nothing has changed.
    """
    with database.writing() as connection:
        command.upgrade(_config(connection), "head")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
