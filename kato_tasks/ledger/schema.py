"""Which revision the tables are of, and how they become the newest.

The only module that imports Alembic; it is imported when it is needed.
"""

from __future__ import annotations

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from kato_tasks.errors import LedgerUnavailable
from kato_tasks.ledger.database import Database
from kato_tasks.ledger.entries import Revisions

_SCRIPTS: Final = "kato_tasks:ledger/revisions"
VERSION_TABLE: Final = "kt_revision"
"""Where Alembic keeps the revision: the database may have tables of others."""
_lock: Final = threading.Lock()
"""Alembic keeps what it works on in a module."""


def known_revisions() -> list[str]:
    """Return all revisions that this release knows, the oldest first."""
    return [one.revision for one in _scripts().walk_revisions()][::-1]


def revisions(database: Database) -> Revisions:
    """Return which revision a database has, and which is the newest. Makes no file.

    Raises:
        LedgerUnavailable: It did not answer, or is of a newer release.
    """
    current = _current(database) if database.exists else None
    if current is not None and current not in known_revisions():
        reason = f"its tables have the revision {current}, of a newer release; upgrade kato-tasks"
        raise LedgerUnavailable(database.shown, reason)
    newest = _scripts().get_current_head() or ""
    return Revisions(current=current, newest=newest, by_itself=database.is_file)


def upgrade(database: Database, to: str = "head") -> None:
    """Bring the tables to a revision, in one transaction; nothing happens if they have it.

    Args:
        database: Their database.
        to: The revision; the newest if absent.

    Raises:
        LedgerUnavailable: The database did not do it; nothing has changed.
    """
    with _lock, database.writing() as connection:
        database.hold_back_others(connection)
        command.upgrade(_config(connection), to)


def _current(database: Database) -> str | None:
    with database.reading() as connection:
        options = {"version_table": VERSION_TABLE}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
