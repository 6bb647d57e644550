"""Which store the sessions of a migration are in; what undoes a migration is found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add column and index; migrations from before are anybody's."""
    op.add_column("kt_migrations", sa.Column("store", sa.String(64)))
    op.create_index("kt_migrations_rolls_back", "kt_migrations", ["rolls_back"])
