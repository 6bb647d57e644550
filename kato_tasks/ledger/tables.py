"""The tables, as the newest revision makes them."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    literal_column,
    text,
)

OPEN: Final = "state IN ('pending', 'moving')"
"""Items that are not over: a session can be in one of these at a time."""

_ESCAPED: Final = re.compile(r"\\([\\0])")


def is_open(table: Any = None) -> ColumnElement[bool]:  # noqa: ANN401 - a table, or its alias
    """Return :data:`OPEN` as a condition.

    Args:
        table: The items, or an alias of them; the items if absent.
    """
    # Written out: with parameters SQLite would not see that the index of open items serves.
    words: list[ColumnElement[str]] = [literal_column("'pending'"), literal_column("'moving'")]
    return (items if table is None else table).c.state.in_(words)


class Name(TypeDecorator[str]):
    r"""A text of others, such as a session key: it may have a NUL, which PostgreSQL does not take.

    So a NUL is stored as ``\0``, and a backslash as two.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what is stored."""
        del dialect
        return None if value is None else value.replace("\\", "\\\\").replace("\0", "\\0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what was meant."""
        del dialect
        if value is None:
            return None
        return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else "\\", value)


metadata: Final = MetaData()

migrations: Final = Table(
    "kt_migrations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", String(63), nullable=False),
    Column("target", String(63)),
    Column("wanted", JSON, nullable=False),
    Column("parallel", Integer, nullable=False),
    Column("rate", Float),
    Column("keep_for", Float, nullable=False),
    Column("accept_empty_node", Boolean, nullable=False),
    Column("most_failures", Float, nullable=False),
    Column("rolls_back", String(64)),
    Column("state", String(16), nullable=False),
    Column("reason", String, nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("ended_at", Float),
    # None for one that was begun before this was noted.
    Column("store", String(64)),
    Index("kt_migrations_state", "state"),
    Index("kt_migrations_created", "created_at"),
    Index("kt_migrations_rolls_back", "rolls_back"),
)

items: Final = Table(
    "kt_migration_items",
    metadata,
    Column("migration", String(64), ForeignKey("kt_migrations.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("key", Name(1024), nullable=False),
    Column("node", Name(1024), nullable=False),
    Column("source", String(63), nullable=False),
    Column("target", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", String(64)),
    # For an item that is moving, until when its hand has it; for one that is pending, until when
    # nobody takes it.
    Column("until", Float, nullable=False),
    Column("made", String),
    Column("before", String),
    Column("after", String),
    Column("error", String, nullable=False),
    Column("began_at", Float),
    Column("ended_at", Float),
    Column("pause", Float),
    Column("calls", Integer, nullable=False),
    Column("kept_until", Float),
    Index("kt_items_key", "migration", "key", unique=True),
    Index("kt_items_next", "migration", "state", "attempts", "position"),
    Index(
        "kt_items_open",
        "key",
        unique=True,
        sqlite_where=text(OPEN),
        postgresql_where=text(OPEN),
    ),
    Index(
        "kt_items_kept",
        "kept_until",
        sqlite_where=text("kept_until IS NOT NULL"),
        postgresql_where=text("kept_until IS NOT NULL"),
    ),
)
