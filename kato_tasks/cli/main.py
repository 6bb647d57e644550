"""The command group, and what becomes of errors."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import click

from kato_tasks.cli.chaos import chaos
from kato_tasks.cli.db import db
from kato_tasks.cli.dead_letters import dead_letters
from kato_tasks.cli.demo import demo
from kato_tasks.cli.doctor import doctor
from kato_tasks.cli.draining import cordon, drain, uncordon
from kato_tasks.cli.ingest import ingest
from kato_tasks.cli.instances import instances
from kato_tasks.cli.lanes import lanes
from kato_tasks.cli.migrate import migrate
from kato_tasks.cli.output import complain, exit_code, print_json
from kato_tasks.cli.processes import beat, devserver, flower, worker
from kato_tasks.cli.schedule import schedule
from kato_tasks.cli.sessions import sessions
from kato_tasks.cli.up import up
from kato_tasks.errors import KatoTasksError


class _Main(click.Group):
    """Makes one sentence and an exit code of every error that is ours."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        try:
            return super().invoke(ctx)
        except KatoTasksError as error:
            code = exit_code(error)
            complain(f"Error: {error}", style="red")
            if "--json" in sys.argv:
                print_json({"error": str(error), "exit_code": code})
            ctx.exit(code)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("kato-tasks"), prog_name="kato-tasks")
def main() -> None:
    """KATO sessions, safe and fast, through Celery.

    Settings come from KATO_TASKS_* variables or, if they name no store, from the stack that
    `kato-tasks up` runs on this machine.

    Exit codes: 0 done, 1 something was found wrong, 2 bad input, 3 store or server not
    available, 4 timed out.
    """


for command in (
    up,
    demo,
    chaos,
    ingest,
    sessions,
    lanes,
    dead_letters,
    instances,
    migrate,
    drain,
    cordon,
    uncordon,
    schedule,
    db,
    doctor,
    devserver,
    worker,
    beat,
    flower,
):
    main.add_command(command)
