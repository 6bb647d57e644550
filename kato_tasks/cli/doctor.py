"""``kato-tasks doctor``: what is wrong with this deployment, and what to do."""

from __future__ import annotations

import dataclasses
from typing import Final

import click

from kato_tasks.cli.output import FOUND_WRONG, UNAVAILABLE, print_json, print_table
from kato_tasks.doctor import Context, Report, examine
from kato_tasks.producer import KatoTasks

_COLUMNS: Final = ("", "subject", "finding", "what to do")


@click.command()
@click.option(
    "--probe", is_flag=True, help="Make a session at each server, write to it and delete it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(*, probe: bool, as_json: bool) -> None:
    """Look at every KATO server and say what is wrong, and what to do.

    Nothing is written to a server without --probe, which finds servers of several processes and
    stores that two servers share. The exit code is 0 if there is neither a warning nor an error,
    1 if there is one, 3 if a server or the store does not answer.
    """
    with KatoTasks() as kato:
        services = kato.services
        context = Context(
            settings=kato.settings,
            registry=services.registry,
            letters=services.letters,
            placement=services.placement,
            client=services.clients,
        )
        report = examine(context, probed=probe)
    _print_json(report) if as_json else _print(report)
    if report.unavailable:
        raise SystemExit(UNAVAILABLE)
    if not report.sound:
        raise SystemExit(FOUND_WRONG)


def _print(report: Report) -> None:
    title = "Nothing is wrong" if report.sound else "Something is wrong"
    rows = [(one.severity.value, one.subject, one.sentence, one.advice) for one in report.findings]
    print_table(title, _COLUMNS, rows)


def _print_json(report: Report) -> None:
    print_json(
        {
            "sound": report.sound,
            "probed": report.probed,
            "unavailable": list(report.unavailable),
            "findings": [dataclasses.asdict(finding) for finding in report.findings],
        }
    )
