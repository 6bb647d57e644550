"""The ledger: the SQL record of migrations, item by item.

The only package that speaks SQL. :mod:`.entries` has its values, :mod:`.tables` its tables,
:mod:`.database` the engine, :mod:`.schema` the revisions, :mod:`.ledger` the verbs, and
:mod:`.statements` what they are made of.
"""

from kato_tasks.ledger.entries import (
    Item,
    ItemState,
    Migration,
    MigrationState,
    NewItem,
    NewMigration,
    Outcome,
    Revisions,
    Tally,
)
from kato_tasks.ledger.ledger import Ledger

__all__ = [
    "Item",
    "ItemState",
    "Ledger",
    "Migration",
    "MigrationState",
    "NewItem",
    "NewMigration",
    "Outcome",
    "Revisions",
    "Tally",
]
