"""Opens the ledger's database; the one place where its errors become ours."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from kato_tasks.errors import InvalidInput, LedgerUnavailable
from kato_tasks.instrumentation import hide_password

_BUSY_MS: Final = 10_000
"""How long one writer of SQLite waits for another."""
_READS: Final = "kato_tasks_reads"
_POOL: Final = 20
_PATIENCE: Final = 10
_REMEMBERED: Final = 60.0
"""Seconds for which the difference of two machines' clocks is taken for the same."""
_MEMORY: Final = ("", ":memory:")
_DRIVERS: Final = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_ALLOWED: Final = "sqlite:///FILE or postgresql://USER@HOST/NAME"
_ADVISORY: Final = 0x6B61_746F
"""The lock of PostgreSQL under which one at a time changes tables, or begins a migration."""


def default_url() -> URL:
    """Return where the ledger is if nobody says: a file of this user's."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    # Made of its parts: a folder's name may hold what means something in a URL.
    return URL.create("sqlite", database=str(Path(home) / "kato-tasks" / "ledger.db"))


def parse_url(url: str) -> URL:
    """Return the URL of a database that can be a ledger.

    Raises:
        InvalidInput: It is none; the sentence has nothing of a password.
    """
    try:
        parsed = make_url(url) if url else default_url()
    except (ArgumentError, ValueError):
        # The error quotes what may be a part of the password.
        raise InvalidInput("database_url", "is no URL", _ALLOWED) from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise InvalidInput("database_url", f"begins with {parsed.drivername!r}", _ALLOWED)
    if driver == "sqlite" and (parsed.database or "") in _MEMORY:
        raise InvalidInput("database_url", "names no file", _ALLOWED)
    return parsed.set(drivername=driver)


class Database:
    """A database; it connects at its first use. Thread-safe, but not across a fork.

    Args:
        url: Where it is; ``""`` for this user's own file.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._lock = threading.Lock()
        # SQLite's writers look for their turn every so often; a thread is told of it at once.
        self._turn = threading.RLock()
        self._engine: Engine | None = None
        self._ahead = (0.0, 0.0)

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        if self.is_file:
            return f"sqlite:///{self._file}"
        # A password may stand among the options, too.
        return hide_password(self._url.render_as_string())

    @property
    def is_file(self) -> bool:
        """True for SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def exists(self) -> bool:
        """False for a file that is not there; nothing else is looked at."""
        return not self.is_file or self._file.exists()

    @property
    def _file(self) -> Path:
        return Path(self._url.database or "")

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
        """Yield a connection in a transaction, committed at the end.

        Raises:
            LedgerUnavailable: The database did not do what it was asked, or others write to the
                file for too long.
        """
        with self._in_turn(), self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self.is_file:
            yield
            return
        if not self._turn.acquire(timeout=_BUSY_MS / 1000):
            raise LedgerUnavailable(self.shown, f"it is written to for {_BUSY_MS / 1000:g} s")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Make errors of the database ours.

        Raises:
            LedgerUnavailable: The database did not do what it was asked.
        """
        try:
            yield
        except DBAPIError as error:
            raise LedgerUnavailable(self.shown, _first_line(error.orig)) from error
        except SQLAlchemyError as error:
            raise LedgerUnavailable(self.shown, _first_line(error)) from error

    def hold_back_others(self, connection: Connection) -> None:
        """Have others who ask for this wait for the end of the transaction.

        In a file every transaction that writes does.
        """
        if not self.is_file:
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY)))

    def time(self) -> float:
        """Return what time it is there, epoch seconds; it is asked for once a minute.

        Raises:
            LedgerUnavailable: The database did not answer.
        """
        if self.is_file:
            return time.time()
        ahead, until = self._ahead
        if time.monotonic() >= until:
            with self.reading() as connection:
                asked = time.time()
                now = connection.execute(
                    select(func.extract("epoch", func.clock_timestamp()))
                ).scalar_one()
                ahead = float(now) - (asked + time.time()) / 2
            self._ahead = (ahead, time.monotonic() + _REMEMBERED)
        return time.time() + ahead

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
                hide_parameters=True,
                connect_args={"connect_timeout": _PATIENCE},
            )
        except (NoSuchModuleError, ModuleNotFoundError):
            raise InvalidInput(
                "database_url",
                "names PostgreSQL, and its driver is not installed",
                "pip install 'kato-tasks[postgres]'",
            ) from None

    def _open_file(self) -> Engine:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Its folder may be open to others; SQLite gives what lies beside it the same mode.
            self._file.touch(mode=0o600)
        except OSError as error:
            raise LedgerUnavailable(self.shown, error.strerror or str(error)) from error
        engine = create_engine(self._url, pool_size=_POOL, hide_parameters=True)
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
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
