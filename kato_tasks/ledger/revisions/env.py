"""Runs revisions on the connection that it is given; Alembic calls it by its path."""

from __future__ import annotations

from alembic import context

from kato_tasks.ledger.schema import VERSION_TABLE
from kato_tasks.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # whoever gives the connection commits
)
context.run_migrations()
