"""``kato-tasks ingest``: put a file's events into their sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import click

from kato_tasks.cli.output import (
    FOUND_WRONG,
    complain,
    counted,
    print_json,
    progress,
    say,
)
from kato_tasks.ingest import Loader, Problem, Span, Totals, makes_wait, open_source, read_events
from kato_tasks.instrumentation import Told
from kato_tasks.producer import KatoTasks
from kato_tasks.registry import Registry
from kato_tasks.sessions import wait_for

LISTED: Final = 1_000
"""Most problems in the JSON; further ones are printed."""


@click.command()
@click.argument("file")
@click.option("--wait", is_flag=True, help="Wait until all of it is applied.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ingest(*, file: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Put the events of FILE into their sessions; `-` is standard input.

    One JSON object a line, plain or gzip: session (the key), node_id, strings, vectors,
    emotives, metadata; optional command_id, config, ttl, tags, timestamp (not used).
    Bad lines are reported and passed over; then the exit code is 1. It is also 1 if KATO refused
    an observation, which only --wait can tell.
    """
    began = time.monotonic()
    problems = Problems(listed=LISTED if as_json else 0)
    with KatoTasks() as kato, progress(shown=not as_json) as told, open_source(file) as source:
        # The loader is patient with a store that goes away; one that is not there is said at once.
        registry = kato.services.registry
        registry.stats()
        loader = Loader(kato.services.sessions, file)
        limit = kato.settings.max_observation_bytes
        totals = Totals()
        events = read_events(source, file, max_observation_bytes=limit)
        for totals in loader.load(events, waits=makes_wait(source)):
            told("accepted", totals.accepted, 0)
            problems.add(totals.problems)
        refused = wait_for_spans(registry, loader.spans, timeout, told) if wait else None
    done = Done(
        totals=totals,
        sessions=len(loader.spans),
        refused_by_kato=refused,
        seconds=time.monotonic() - began,
    )
    print_json(done.as_json(problems)) if as_json else say(str(done))
    if totals.refused or refused:
        raise SystemExit(FOUND_WRONG)


class Problems:
    """The lines that were not taken: each is listed or, beyond a number, printed as it comes.

    Args:
        listed: How many are listed; the memory that they take is bounded by it.

    Attributes:
        listed: Those that were not printed.
        cut: True if some were printed.
    """

    def __init__(self, *, listed: int) -> None:
        self.listed: list[str] = []
        self.cut = False
        self._most = listed

    def add(self, problems: tuple[Problem, ...]) -> None:
        """Take some more."""
        for problem in problems:
            if len(self.listed) < self._most:
                self.listed.append(str(problem))
            else:
                self.cut = True
                complain(str(problem))


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What an ingest has come to.

    Attributes:
        totals: What became of the lines.
        sessions: Sessions that had any.
        refused_by_kato: Accepted commands that the servers refused; None if nobody waited.
        seconds: How long it took.
    """

    totals: Totals
    sessions: int
    refused_by_kato: int | None
    seconds: float

    def as_json(self, problems: Problems) -> dict[str, object]:
        """Return it as one JSON object."""
        return {
            "read": self.totals.read,
            "accepted": self.totals.accepted,
            "repeated": self.totals.repeated,
            "refused": self.totals.refused,
            "refused_by_kato": self.refused_by_kato,
            "sessions": self.sessions,
            "applied": self.refused_by_kato == 0,
            "seconds": round(self.seconds, 3),
            "problems": problems.listed,
            "problems_cut": problems.cut,
        }

    def __str__(self) -> str:
        what = counted(self.totals.accepted, "observation")
        where = counted(self.sessions, "session")
        lines = counted(self.totals.refused, "line")
        return (
            f"{what} for {where} {self._state()} in {self.seconds:.1f} s; "
            f"{self.totals.repeated:,} known before, {lines} refused."
        )

    def _state(self) -> str:
        if self.refused_by_kato is None:
            return "accepted"
        if self.refused_by_kato:
            return f"accepted, KATO REFUSED {self.refused_by_kato:,} and applied the others"
        return "accepted and applied"


def wait_for_spans(registry: Registry, spans: dict[str, Span], timeout: float, told: Told) -> int:
    """Wait until the commands of all spans are delivered; how many of them KATO refused.

    Of one session, no more refusals are known than the ``outcomes`` setting lets it remember.

    Raises:
        SessionParked: A session is parked.
        WaitTimeout: It took longer than ``timeout`` seconds.
    """
    until, refused = time.monotonic() + timeout, 0
    for done, (key, span) in enumerate(spans.items(), start=1):
        wait_for(registry, key, span.last, max(0.0, until - time.monotonic()))
        outcomes = registry.outcomes(key, span.first, span.last).values()
        refused += sum(outcome.refusal is not None for outcome in outcomes)
        told("sessions applied", done, len(spans))
    return refused
