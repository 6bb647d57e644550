"""``kato-tasks demo --lifecycle``: lives of seconds, and proof that each was as it was to be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from kato_tasks.cli.ending import ending_cleanly
from kato_tasks.cli.output import FOUND_WRONG, complain, print_json, print_table, progress, say
from kato_tasks.demo.lifecycle import VARIABLES, LifecycleReport, run_lifecycle
from kato_tasks.local import LocalStack, Ports, make_plan
from kato_tasks.producer import KatoTasks

_FREE: Final = Ports(store=None, devserver=None, flower=None)


def demo_lifecycle(*, workers: int, as_json: bool) -> None:
    """Start a stack with short times, let sessions live and end, compare, print.

    Args:
        workers: How many worker processes.
        as_json: Print one JSON object instead of a table.

    Raises:
        SystemExit: 1 if what was found is not sound.
        StackError: The stack does not start.
        KatoTasksError: The store or the server was away before all was accepted.
    """
    with (
        ending_cleanly(),
        tempfile.TemporaryDirectory(prefix="kato-tasks-demo-") as name,
        progress(shown=not as_json) as told,
    ):
        plan = make_plan(
            Path(name), workers=workers, flower=False, ports=_FREE, variables=VARIABLES
        )
        told("starting the stack", 0, 0)
        with LocalStack(plan).running(), KatoTasks(plan.settings) as kato:
            report = run_lifecycle(kato, told=told)
    print_json(report.as_json()) if as_json else print_lifecycle(report)
    if not report.sound:
        raise SystemExit(FOUND_WRONG)


def print_lifecycle(report: LifecycleReport) -> None:
    """Print a report for people: what failed goes to standard error."""
    wanted = report.wanted
    rows: list[tuple[str, object, object]] = [
        ("kept alive, unused for five times to live", report.kept_alive, wanted.kept),
        ("of those that nobody kept: forgotten by their server", report.forgotten, wanted.left),
        ("  restored when they were asked", report.restored, wanted.left),
        ("ended", report.ended, wanted.ending),
        ("  started empty by a later command", report.started_empty, wanted.ending),
        ("hibernated", report.hibernated, wanted.sleeping),
        ("  woken", report.woken, wanted.sleeping),
        ("  with equal short-term memory", report.stm_equal, wanted.sleeping),
        ("  with equal percept data", report.percept_equal, wanted.sleeping),
        ("  with equal cognition data", report.cognition_equal, wanted.sleeping),
        ("observations", report.observations, ""),
        ("lost", report.difference.lost, 0),
        ("duplicated", report.difference.duplicated, 0),
        ("reordered", report.difference.reordered, 0),
    ]
    print_table("How the sessions lived", ("", "sessions", "of"), rows)
    for note in report.notes:
        complain(note)
    say(report.verdict)
