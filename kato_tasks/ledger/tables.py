"""The tables, as the newest revision makes them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)

OPEN: Final = "state IN ('pending', 'moving')"
"""Items that are not over: a session can be in one of these at a time."""

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
    Index("kt_migrations_state", "state"),
    Index("kt_migrations_created", "created_at"),
)

items: Final = Table(
    "kt_migration_items",
    metadata,
    Column("migration", String(64), ForeignKey("kt_migrations.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("key", String(512), nullable=False),
    Column("node", String, nullable=False),
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
