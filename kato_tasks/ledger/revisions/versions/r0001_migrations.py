"""Migrations and their items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_OPEN = sa.text("state IN ('pending', 'moving')")
_KEPT = sa.text("kept_until IS NOT NULL")


def upgrade() -> None:
    """Make the tables."""
    _make_migrations()
    _make_items()
    op.create_index("kt_items_key", "kt_migration_items", ["migration", "key"], unique=True)
    op.create_index(
        "kt_items_next", "kt_migration_items", ["migration", "state", "attempts", "position"]
    )
    op.create_index(
        "kt_items_open",
        "kt_migration_items",
        ["key"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index(
        "kt_items_kept",
        "kt_migration_items",
        ["kept_until"],
        sqlite_where=_KEPT,
        postgresql_where=_KEPT,
    )


def _make_migrations() -> None:
    op.create_table(
        "kt_migrations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(63), nullable=False),
        sa.Column("target", sa.String(63)),
        sa.Column("wanted", sa.JSON, nullable=False),
        sa.Column("parallel", sa.Integer, nullable=False),
        sa.Column("rate", sa.Float),
        sa.Column("keep_for", sa.Float, nullable=False),
        sa.Column("accept_empty_node", sa.Boolean, nullable=False),
        sa.Column("most_failures", sa.Float, nullable=False),
        sa.Column("rolls_back", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("beat_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("kt_migrations_state", "kt_migrations", ["state"])
    op.create_index("kt_migrations_created", "kt_migrations", ["created_at"])


def _make_items() -> None:
    op.create_table(
        "kt_migration_items",
        sa.Column("migration", sa.String(64), sa.ForeignKey("kt_migrations.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("node", sa.String(1024), nullable=False),
        sa.Column("source", sa.String(63), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_by", sa.String(64)),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("made", sa.String),
        sa.Column("before", sa.String),
        sa.Column("after", sa.String),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("began_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("pause", sa.Float),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("kept_until", sa.Float),
    )
