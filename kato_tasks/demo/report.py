"""What a demo has found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kato_tasks.demo.checking import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A prediction that was asked for.

    Attributes:
        node: Whose patterns it comes from.
        shown: The events that the session had seen.
        expected: The event that the best prediction expects next; empty if there is none.
        predictions: How many predictions there were.
    """

    node: str
    shown: tuple[tuple[str, ...], ...]
    expected: tuple[str, ...]
    predictions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a demo has found.

    Attributes:
        sessions: Sessions that had events.
        observations: Observations that were sent.
        applied: Observations that the server has applied, by its own clocks.
        refused: Lines of the input that were not taken.
        difference: What the servers have against what was sent.
        seconds: From the first event sent to the last one applied.
        http_calls: Calls made to deliver them.
        observe_calls: Of those, how many carried observations.
        latency_p50_ms: From accepted to applied, the middle one; None without observations.
        latency_p99_ms: The same, for the slowest one in a hundred.
        audited: True if every event was compared, not only the last 1,000 of each session.
        forecasts: Some predictions.
    """

    sessions: int
    observations: int
    applied: int
    refused: int
    difference: Difference
    seconds: float
    http_calls: int
    observe_calls: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    audited: bool
    forecasts: tuple[Forecast, ...] = ()

    @property
    def observations_per_second(self) -> float:
        """Observations applied per second of wall time."""
        return self.applied / self.seconds if self.seconds else 0.0

    @property
    def coalescing(self) -> float:
        """Observations per call that carried any."""
        return self.applied / self.observe_calls if self.observe_calls else 0.0

    @property
    def sound(self) -> bool:
        """True if nothing was lost, doubled or out of order."""
        return self.difference == Difference() and self.applied == self.observations

    def as_json(self) -> dict[str, Any]:
        """Return the report as one flat JSON object."""
        return {
            "sessions": self.sessions,
            "observations": self.observations,
            "applied": self.applied,
            **asdict(self.difference),
            "refused": self.refused,
            "seconds": round(self.seconds, 3),
            "observations_per_second": round(self.observations_per_second, 1),
            "http_calls": self.http_calls,
            "coalescing": round(self.coalescing, 1),
            "latency_p50_ms": _rounded(self.latency_p50_ms),
            "latency_p99_ms": _rounded(self.latency_p99_ms),
            "audited": self.audited,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
