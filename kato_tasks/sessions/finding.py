"""Finds lanes by what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kato_tasks.models import SessionRecord, SessionState
from kato_tasks.registry import Registry
from kato_tasks.views import Views


class LaneState(StrEnum):
    """What can be asked of lanes. One lane may fit several."""

    READY = "ready"
    """It has work, and the sweep looks at it."""
    DOUBT = "doubt"
    """Its last call, or all of its session, has to be looked at first."""
    PARKED = "parked"
    """Nothing is sent until somebody unparks it."""
    WAITING = "waiting"
    """Commands wait in it, for whatever reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLane:
    """A lane that was found.

    Attributes:
        record: What is known of its session.
        next_look: When the sweep looks at it if nobody did before, epoch seconds; None if it has
            no work, or is parked.
    """

    record: SessionRecord
    next_look: float | None


def find_lanes(
    registry: Registry, views: Views, state: LaneState | None, *, limit: int
) -> list[FoundLane]:
    """Return lanes of one state.

    Those that are ready come in the order in which the sweep looks at them. There is no index of
    the others: all sessions are gone through until enough are found, and they come in no order.

    Args:
        registry: What is known of the sessions.
        views: What stands in the lanes.
        state: What is asked for; None for all that wait, are in doubt or parked.
        limit: Most lanes to return, at least 1.
    """
    found: dict[str, SessionRecord] = {}
    if state is LaneState.READY:
        records = (registry.get(key) for key in views.ready(limit=limit))
    else:
        records = (record for record in registry.walk() if _fits(record, state))
    for record in records:
        if record is not None:
            found[record.key] = record
        if len(found) == limit:
            break
    looks = views.next_looks(list(found))
    return [FoundLane(record=one, next_look=looks.get(key)) for key, one in found.items()]


def _fits(record: SessionRecord, state: LaneState | None) -> bool:
    match state:
        case LaneState.PARKED:
            return record.parked is not None
        case LaneState.DOUBT:
            return record.state is SessionState.DOUBT
        case LaneState.WAITING:
            return record.waiting > 0
        case _:
            troubled = record.state in (SessionState.PARKED, SessionState.DOUBT)
            return troubled or record.waiting > 0
