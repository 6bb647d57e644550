"""``kato-tasks schedule``: what runs every so often, and which beat has it run."""

from __future__ import annotations

from typing import Any, Final

import click

from kato_tasks.cli.output import iso, print_json, print_table, say
from kato_tasks.producer import KatoTasks
from kato_tasks.schedule import Run, ScheduleView

_COLUMNS: Final = ("entry", "task", "every, s", "last run", "next run")


@click.group()
def schedule() -> None:
    """Look at what runs every so often."""


@schedule.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool) -> None:
    """Show the entries, their last and next run, and which beat holds the lease.

    Times are the store's. A next run that is past will be made once a beat holds the lease.
    """
    with KatoTasks() as kato:
        view = kato.services.schedule.view()
    fields = as_fields(view)
    if as_json:
        print_json(fields)
        return
    print_table("Schedule", _COLUMNS, [list(one.values()) for one in fields["entries"]])
    say(in_words(view))


def as_fields(view: ScheduleView) -> dict[str, Any]:
    """Return the schedule as one JSON object; ``every`` is seconds."""
    return {
        "holder": view.holder,
        "until": None if view.until is None else iso(view.until),
        "entries": [_run_fields(run) for run in view.runs],
    }


def in_words(view: ScheduleView) -> str:
    """Return the sentence that says who holds the lease."""
    if view.holder is None or view.until is None:
        return "No beat holds the lease: nothing runs until one does."
    return f"{view.holder} holds the lease, until {iso(view.until)} unless it renews it."


def _run_fields(run: Run) -> dict[str, Any]:
    return {
        "entry": run.entry.name,
        "task": run.entry.task,
        "every": run.entry.every,
        "last_run": None if run.last is None else iso(run.last),
        "next_run": iso(run.next),
    }
