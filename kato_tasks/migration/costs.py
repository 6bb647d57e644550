"""What the sessions of a migration cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kato_tasks.ledger import Ledger


def cost(ledger: Ledger, migration: str) -> dict[str, float | None]:
    """Return what the moved sessions cost: pauses in milliseconds, and HTTP calls of each.

    All items are read: a second for a hundred thousand.
    """
    pauses: list[float] = []
    calls = moved = 0
    for item in ledger.items(migration):
        if item.pause is not None:
            pauses.append(item.pause * 1000)
            calls, moved = calls + item.calls, moved + 1
    pauses.sort()
    return {
        "pause_p50_ms": _share(pauses, 0.5),
        "pause_p99_ms": _share(pauses, 0.99),
        "calls_per_session": round(calls / moved, 2) if moved else None,
    }


def _share(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 2)
