"""``kato-tasks ingest``: put a file's events into their sessions."""

from __future__ import annotations

import time
from typing import Final

import click

from kato_tasks.cli.output import FOUND_WRONG, Told, console, errors, print_json, progress
from kato_tasks.ingest import Loader, Problem, Totals, open_source, read_events
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import wait_for

_SHOWN: Final = 20


@click.command()
@click.argument("file")
@click.option("--wait", is_flag=True, help="Wait until all of it is applied.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ingest(*, file: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Put the events of FILE into their sessions; `-` is standard input.

    One JSON object a line, plain or gzip: session (the key), node_id, strings, vectors,
    emotives, metadata; optional command_id, config, ttl, tags, timestamp (not used).
    Bad lines are reported and passed over; then the exit code is 1.
    """
    began = time.monotonic()
    problems: list[Problem] = []
    with KatoTasks() as kato, progress(shown=not as_json) as told, open_source(file) as source:
        # The loader is patient with a store that goes away; one that is not there is said at once.
        kato.services.registry.stats()
        loader = Loader(kato.services.sessions, file)
        limit = kato.settings.max_observation_bytes
        totals = Totals()
        for totals in loader.load(read_events(source, file, max_observation_bytes=limit)):
            told("accepted", totals.accepted, 0)
            problems += totals.problems[: max(0, _SHOWN - len(problems))]
        if wait:
            _wait(kato, loader.last, timeout, told)
    seconds = time.monotonic() - began
    _print(totals, problems, len(loader.last), seconds, as_json=as_json, applied=wait)
    if totals.refused:
        raise SystemExit(FOUND_WRONG)


def _wait(kato: KatoTasks, last: dict[str, int], timeout: float, told: Told) -> None:
    until = time.monotonic() + timeout
    for done, (key, seq) in enumerate(last.items(), start=1):
        wait_for(kato.services.registry, key, seq, max(0.0, until - time.monotonic()))
        told("sessions applied", done, len(last))


def _print(  # noqa: PLR0913 - what a person wants to know at the end
    totals: Totals,
    problems: list[Problem],
    sessions: int,
    seconds: float,
    *,
    as_json: bool,
    applied: bool,
) -> None:
    if as_json:
        print_json(
            {
                "read": totals.read,
                "accepted": totals.accepted,
                "repeated": totals.repeated,
                "refused": totals.refused,
                "sessions": sessions,
                "applied": applied,
                "seconds": round(seconds, 3),
                "problems": [str(problem) for problem in problems],
            }
        )
        return
    for problem in problems:
        errors().print(str(problem), style="yellow", markup=False, soft_wrap=True)
    if totals.refused > len(problems):
        errors().print(f"… and {totals.refused - len(problems)} more", style="yellow")
    done = "accepted and applied" if applied else "accepted"
    console().print(
        f"{totals.accepted:,} observations for {sessions:,} sessions {done} in {seconds:.1f} s; "
        f"{totals.repeated:,} known before, {totals.refused:,} lines refused."
    )
