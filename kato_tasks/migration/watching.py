"""Watches a migration until nothing of it is under way any more."""

from __future__ import annotations

import time
from typing import Final

from kato_tasks.instrumentation import Told
from kato_tasks.migration.migrations import Migrations, Standing

_LOOK: Final = 0.1
_NOBODY: Final = 15.0
"""Seconds without a first outcome after which a person may wonder whether a worker runs."""


def watch(migrations: Migrations, migration: str, told: Told) -> Standing:
    """Tell of a migration until it is over; return how it stands then.

    Raises:
        UnknownMigration: There is none of that id.
        LedgerUnavailable: The ledger did not answer.
    """
    began, first = time.monotonic(), None
    while True:
        standing = migrations.standing(migration)
        tally = standing.tally
        first = tally.done if first is None else first
        told(
            _words(standing, time.monotonic() - began, first), tally.done, standing.migration.total
        )
        if standing.over:
            return standing
        time.sleep(_LOOK)


def _words(standing: Standing, seconds: float, first: int) -> str:
    tally = standing.tally
    if tally.done == 0 and tally.moving == 0 and seconds > _NOBODY:
        return "no hand has taken a session yet: does a worker run?"
    rate = (tally.done - first) / seconds if seconds > 0 else 0.0
    failed = f", {tally.failed:,} failed" if tally.failed else ""
    return f"{rate:,.0f} sessions/s{failed}"
