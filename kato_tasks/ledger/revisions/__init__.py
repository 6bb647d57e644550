"""The revisions of the ledger's tables, for Alembic."""
