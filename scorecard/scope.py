"""Which recorded exchanges the devserver is not asked to reproduce, and why."""

from typing import NamedTuple

from scorecard.recordings import Exchange


class Exclusion(NamedTuple):
    """Exchanges out of scope.

    Attributes:
        reason: Why they are.
        scenario: The transcript they stand in.
        places: Their numbers in it.
    """

    reason: str
    scenario: str
    places: frozenset[int]


def _exclusion(reason: str, scenario: str, *places: int) -> Exclusion:
    return Exclusion(reason, scenario, frozenset(places))


_FIGURES = "figures of a machine, its stores and all its traffic"
_HISTORY = "long history of figures, not recorded whole"

EXCLUSIONS: tuple[Exclusion, ...] = (
    _exclusion(_FIGURES, "h_health_status_metrics", 3, 6, 7, 8),
    _exclusion(_HISTORY, "h_health_status_metrics", 4, 13),
)


NOT_ARRIVED = "sent on a connection that was dead, so the server never saw it"


def reason(exchange: Exchange) -> str | None:
    """Why an exchange is out of scope, or None if it is in."""
    if exchange.status is None:
        return "the client gave up; there is no answer to compare"
    for exclusion in EXCLUSIONS:
        if exchange.scenario == exclusion.scenario and exchange.place in exclusion.places:
            return exclusion.reason
    return None
