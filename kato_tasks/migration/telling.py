"""What is told of plans and migrations, as flat values that tables and JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kato_tasks.ledger import Item, Ledger
from kato_tasks.migration.migrations import Standing
from kato_tasks.migration.planning import Plan


def plan_fields(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON."""
    request = plan.request
    return {
        "source": request.source,
        "target": request.target,
        "sessions": plan.sessions,
        "nodes": plan.nodes,
        "targets": plan.targets,
        "shared_store": plan.shared,
        "torn_nodes": plan.torn,
        "parallel": request.parallel,
        "limit_rate": request.rate,
        "keep_for": request.keep_for,
        "estimated_seconds": round(plan.seconds, 1),
        "remarks": list(plan.remarks),
    }


def standing_fields(standing: Standing) -> dict[str, Any]:
    """Return how a migration stands as JSON."""
    one, tally = standing.migration, standing.tally
    ended = one.ended_at
    return {
        "migration": one.id,
        "state": one.state.value,
        "reason": one.reason or None,
        "source": one.source,
        "target": one.target,
        "rolls_back": one.rolls_back,
        "rolled_back_by": standing.rolled_back_by,
        "sessions": one.total,
        "moved": tally.moved,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "pending": tally.pending,
        "moving": tally.moving,
        "began": _iso(one.created_at),
        "ended": None if ended is None else _iso(ended),
        "seconds": None if ended is None else round(ended - one.created_at, 1),
    }


def item_fields(item: Item) -> dict[str, Any]:
    """Return one session of a migration as JSON."""
    return {
        "session": item.key,
        "node": item.node,
        "source": item.source,
        "target": item.target,
        "state": item.state.value,
        "attempts": item.attempts,
        "before": item.before,
        "after": item.after,
        "error": item.error or None,
        "pause": item.pause,
        "calls": item.calls,
        "kept_until": None if item.kept_until is None else _iso(item.kept_until),
    }


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


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
