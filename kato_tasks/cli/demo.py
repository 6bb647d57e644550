"""``kato-tasks demo``: real events through the whole stack, and proof that they arrived."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from kato_tasks.cli.arguments import instances_from
from kato_tasks.cli.demo_lifecycle import demo_lifecycle
from kato_tasks.cli.ending import ending_cleanly
from kato_tasks.cli.output import (
    FOUND_WRONG,
    complain,
    counted,
    print_json,
    print_table,
    progress,
    say,
)
from kato_tasks.demo import Report, run_demo, write_clickstream
from kato_tasks.ingest import open_source
from kato_tasks.local import LocalStack, Ports, make_plan
from kato_tasks.producer import KatoTasks

_FREE: Final = Ports(store=None, devserver=None, flower=None)
_OF_THE_MAIN_JOB: Final = {
    "source": "--input",
    "sessions": "--sessions",
    "observations": "--observations",
    "urls": "--kato",
}


@click.command()
@click.option("--input", "source", help="A JSON Lines file; a sample is made by default.")
@click.option("--sessions", default=200, show_default=True, type=click.IntRange(1))
@click.option("--observations", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--kato", "urls", multiple=True, metavar="[NAME=]URL", help="A real KATO server.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--lifecycle", is_flag=True, help="Show how sessions are kept alive, end, sleep and wake."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def demo(  # noqa: PLR0913 - what a person may choose
    context: click.Context,
    *,
    source: str | None,
    sessions: int,
    observations: int,
    urls: tuple[str, ...],
    workers: int,
    lifecycle: bool,
    as_json: bool,
) -> None:
    """Run the main job: start a stack, send events, wait, compare, ask for predictions.

    Everything runs in a temporary folder and ends by itself. The exit code is 0 only if something
    was sent, and nothing was lost, doubled or out of order. Lines that are refused are named and
    do not change it.

    With --kato the sessions are deleted in the end. What predictions need is learned under a node
    of the demo's own, kato-tasks-demo, whose patterns stay.

    With --lifecycle it has sessions of its own, with lives of seconds: some are kept alive, some
    end, some sleep and are woken. The exit code is 0 only if each lived as it was to, and nothing
    was lost.
    """
    if lifecycle:
        _refuse_beside_lifecycle(context)
        demo_lifecycle(workers=workers, as_json=as_json)
        return
    with ending_cleanly(), tempfile.TemporaryDirectory(prefix="kato-tasks-demo-") as name:
        folder = Path(name)
        if source is None:
            source = str(folder / "clickstream.jsonl")
            write_clickstream(Path(source), sessions, observations)
        # Opened first: a stack takes seconds to start, only to find that there is no file.
        with open_source(source) as file, progress(shown=not as_json) as told:
            plan = make_plan(
                folder,
                instances=instances_from(urls) if urls else None,
                workers=workers,
                ports=_FREE,
            )
            told("starting the stack", 0, 0)
            with LocalStack(plan).running(), KatoTasks(plan.settings) as kato:
                report = run_demo(kato, file, source=source, audited=not urls, told=told)
    print_json(report.as_json()) if as_json else print_report(report)
    if not report.sound:
        raise SystemExit(FOUND_WRONG)


def _refuse_beside_lifecycle(context: click.Context) -> None:
    """Refuse options of the main job beside ``--lifecycle``.

    Raises:
        UsageError: One was given.
    """
    for name, option in _OF_THE_MAIN_JOB.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--lifecycle has sessions of its own: {option} has no place.")


def print_report(report: Report) -> None:
    """Print a report for people: what was refused or failed goes to standard error."""
    rows: list[tuple[str, object]] = [
        ("sessions", report.sessions),
        ("observations sent", report.observations),
        ("observations applied", report.applied),
        ("wall time, s", report.seconds),
        ("observations/s", report.observations_per_second),
        ("HTTP calls to KATO", report.http_calls),
        ("observations per call", report.coalescing),
        ("latency p50, ms (accepted to applied)", report.latency_p50_ms),
        ("latency p99, ms", report.latency_p99_ms),
        ("lost", report.difference.lost),
        ("duplicated", report.difference.duplicated),
        ("reordered", report.difference.reordered),
    ]
    if report.refused:
        rows.append(("LINES REFUSED", report.refused))
    print_table("What the servers have against what was sent", ("", "figure"), rows)
    for problem in report.problems:
        complain(problem)
    if report.refused > len(report.problems):
        complain(f"… and {counted(report.refused - len(report.problems), 'more line')} refused")
    for note in report.notes:
        complain(note)
    for forecast in report.forecasts:
        shown = " → ".join("+".join(event) for event in forecast.shown)
        expected = "+".join(forecast.expected) or "nothing"
        say(
            f"{forecast.session}: after {shown} KATO expects {expected} "
            f"({counted(forecast.predictions, 'prediction')})"
        )
    say(report.verdict)
