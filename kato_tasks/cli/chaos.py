"""``kato-tasks chaos``: a whole stack under faults, and what survived."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from kato_tasks.chaos import Options, Report, run_chaos
from kato_tasks.cli.ending import ending_cleanly
from kato_tasks.cli.output import FOUND_WRONG, complain, print_json, print_table, progress, say
from kato_tasks.errors import InvalidInput


@click.command()
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(5, 86_400))
@click.option("--seed", default=1, show_default=True, type=int)
@click.option("--sessions", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option("--migrate", is_flag=True, help="Move all sessions to a second server and back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep data and log in this folder.")
def chaos(  # noqa: PLR0913 - what a person may choose
    *,
    seconds: float,
    seed: int,
    sessions: int,
    workers: int,
    migrate: bool,
    as_json: bool,
    keep: Path | None,
) -> None:
    """Kill, stop and disturb a whole stack while it works, then prove that nothing is lost.

    A stack of its own runs in a temporary folder: store, devserver, workers, beat. Every two
    seconds or so something strikes: a process is killed or stopped, or the server misbehaves. What
    strikes when is decided by the seed. The exit code is 0 only if something was sent, nothing was
    lost, doubled or out of order, and no session is stuck. With --migrate every session is on one
    server alone, too, and it is the one that the ledger of migrations says.
    """
    options = Options(
        seconds=seconds, seed=seed, sessions=sessions, workers=workers, migrate=migrate
    )
    with ending_cleanly(), _folder(keep) as folder, progress(shown=not as_json) as told:
        report = run_chaos(options, folder, told)
    print_json(report.as_json()) if as_json else print_report(report)
    if not report.sound:
        raise SystemExit(FOUND_WRONG)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="kato-tasks-chaos-") as name:
            yield Path(name)
        return
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{keep} cannot be used: {error.strerror or error}"
        raise InvalidInput("--keep", problem, "an empty folder, or one to be made") from None
    if any(keep.iterdir()):
        # The data of an earlier run would be taken for that of this one.
        raise InvalidInput("--keep", f"{keep} is not empty", "an empty folder, or one to be made")
    yield keep.resolve()


def print_report(report: Report) -> None:
    """Print a report for people: what is wrong goes to standard error."""
    fields = report.as_json()
    faults = sorted(report.faults.items())
    rows = [(name, fields[name]) for name in fields if name not in ("faults", "problems", "sound")]
    print_table("What struck", ("fault", "times"), faults)
    print_table("What the servers have against what was accepted", ("", "figure"), rows)
    for problem in report.problems:
        complain(problem)
    found = "Sound: nothing is" if report.sound else "NOT SOUND: something is"
    say(f"{found} lost, doubled, out of order or stuck.")
