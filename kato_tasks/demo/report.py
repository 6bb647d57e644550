"""What a demo has found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kato_tasks.demo.checking import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A prediction that was asked for.

    Attributes:
        session: Whose events were learned, under a node of the demo's own, and shown.
        shown: The events that the session had seen.
        expected: The event that the best prediction expects next; empty if there is none.
        predictions: How many predictions there were.
    """

    session: str
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
        problems: Some of them, with the reasons.
        difference: What the servers have against what was sent.
        seconds: From the first event sent to the last one applied.
        http_calls: Calls made to deliver them.
        observe_calls: Of those, how many carried observations.
        latency_p50_ms: From accepted to applied, the middle one; None without observations.
        latency_p99_ms: The same, for the slowest one in a hundred.
        audited: True if all of every observation was compared, not only the symbols of the last
            1,000 events of each session.
        unread: Sessions of which nothing is known, because a server did not answer.
        forecasts: Some predictions.
        notes: What else went wrong, as sentences.
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
    unread: int = 0
    problems: tuple[str, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    notes: tuple[str, ...] = ()

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
        """True if something was sent, and nothing was lost, doubled or out of order.

        Lines that were refused do not count: nobody was told that they were taken.
        """
        return (
            self.observations > 0
            and self.applied == self.observations
            and self.difference == Difference()
            and not self.unread
        )

    @property
    def verdict(self) -> str:
        """The result in a sentence, which says what it rests on."""
        if not self.observations:
            return "NOT SOUND: nothing was sent, so nothing was compared."
        if self.unread:
            return f"NOT SOUND: {self.unread:,} of {self.sessions:,} sessions could not be read."
        found = "Sound: nothing is" if self.sound else "NOT SOUND: something is"
        return f"{found} lost, doubled or out of order. Compared were {self._compared}."

    @property
    def _compared(self) -> str:
        if self.audited:
            return (
                "every observation with its symbols, vectors, emotives and metadata, in order, by "
                "the server's audit; the short-term memories, symbol by symbol; the server's counts"
            )
        return (
            "the last 1,000 events of each session, symbol by symbol, and the server's counts of "
            "observations (not earlier events, nor vectors, emotives and metadata)"
        )

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
            "sound": self.sound,
            "unread": self.unread,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
