"""Plans and migrations as flat JSON objects."""

from __future__ import annotations

from typing import Any

from kato_tasks.cli.output import iso
from kato_tasks.ledger import Item
from kato_tasks.migration import Plan, Standing


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
        "began": iso(one.created_at),
        "ended": None if ended is None else iso(ended),
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
        "kept_until": None if item.kept_until is None else iso(item.kept_until),
    }
