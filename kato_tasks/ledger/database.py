"""Opens the ledger's database; the one place where its errors become ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from kato_tasks.errors import InvalidInput, LedgerUnavailable

_BUSY_MS: Final = 10_000
"""How long one writer of SQLite waits for another."""
_READS: Final = "kato_tasks_reads"
_POOL: Final = 20
_PATIENCE: Final = 10


def default_url() -> str:
    """Return where the ledger is if nobody says: a file of this user's."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite:///{home}/kato-tasks/ledger.db"


def parse_url(url: str) -> URL:
    """Return the URL of a database that can be a ledger.

    Raises:
        InvalidInput: It is none; the sentence has nothing of a password.
    """
    try:
        parsed = make_url(url or default_url())
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise InvalidInput("database_url", "is no URL", _ALLOWED) from None
    if backend == "postgresql" and parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if backend not in ("sqlite", "postgresql"):
        raise InvalidInput("database_url", f"names the database {backend!r}", _ALLOWED)
    return parsed


_ALLOWED: Final = "sqlite:///FILE or postgresql://USER@HOST/NAME"


class Database:
    """A database; it connects at its first use. Thread-safe, but not across a fork.

    Args:
        url: Where it is; ``""`` for this user's own file.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def is_file(self) -> bool:
        """True for SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def exists(self) -> bool:
        """False for a file that is not there; nothing else is looked at."""
        name = self._url.database
        return not self.is_file or not name or name == ":memory:" or Path(name).exists()

    @property
    def engine(self) -> Engine:
        """The engine.

        Raises:
            InvalidInput: The driver of the database is not installed.
            LedgerUnavailable: The folder of the file cannot be made.
        """
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection to read from."""
        with self.translated(), self.engine.connect() as connection:
            yield connection.execution_options(**{_READS: True})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction, committed at the end."""
        with self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Make errors of the database ours.

        Raises:
            LedgerUnavailable: The database did not do what it was asked.
        """
        try:
            yield
        except DBAPIError as error:
            raise LedgerUnavailable(self.shown, _first_line(error.orig)) from None
        except SQLAlchemyError as error:
            raise LedgerUnavailable(self.shown, _first_line(error)) from None

    def close(self) -> None:
        """Close all connections. Idempotent."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _open(self) -> Engine:
        try:
            if self.is_file:
                return self._open_file()
            return create_engine(
                self._url,
                pool_pre_ping=True,
                pool_size=_POOL,
                connect_args={"connect_timeout": _PATIENCE},
            )
        except (NoSuchModuleError, ModuleNotFoundError):
            raise InvalidInput(
                "database_url",
                "names PostgreSQL, and its driver is not installed",
                "pip install 'kato-tasks[postgres]'",
            ) from None

    def _open_file(self) -> Engine:
        name = self._url.database
        if name and name != ":memory:":
            try:
                Path(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise LedgerUnavailable(self.shown, error.strerror or str(error)) from None
        engine = create_engine(self._url)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 - sqlite3's own
    # The driver would begin transactions by itself, and too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # One that has read and wants to write then would fail at once where another writes.
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
