"""How commands speak: tables and bars for people, one JSON value for scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kato_tasks.errors import (
    InvalidInput,
    KatoError,
    KatoTasksError,
    LedgerOutdated,
    LedgerUnavailable,
    SessionConflict,
    StoreUnavailable,
    WaitTimeout,
)
from kato_tasks.instrumentation import Told
from kato_tasks.stack import StackError

FOUND_WRONG: Final = 1
BAD_INPUT: Final = 2
UNAVAILABLE: Final = 3
TIMED_OUT: Final = 4

_CODES: Final[tuple[tuple[type[KatoTasksError], int], ...]] = (
    (InvalidInput, BAD_INPUT),
    (SessionConflict, BAD_INPUT),
    (StoreUnavailable, UNAVAILABLE),
    (KatoError, UNAVAILABLE),
    (StackError, UNAVAILABLE),
    (LedgerUnavailable, UNAVAILABLE),
    (LedgerOutdated, UNAVAILABLE),
    (WaitTimeout, TIMED_OUT),
)

_NOT_FOR_TERMINALS: Final = re.compile("[\x7f-\x9f\ud800-\udfff]")
"""What JSON may hold as it is, and a terminal should not be sent."""


def exit_code(error: KatoTasksError) -> int:
    """Return the exit code of an error: 2 bad input, 3 unavailable, 4 timed out, 1 others."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FOUND_WRONG)


def console() -> Console:
    """Return where people read."""
    return Console(highlight=False)


@cache
def errors() -> Console:
    """Return where people read what went wrong, and where bars are drawn.

    It is always the same one: that is how lines and a bar stay out of each other's way.
    """
    return Console(stderr=True, highlight=False)


def say(sentence: str) -> None:
    """Print a sentence that may hold what others wrote, such as a session key."""
    console().print(Text(printable(sentence)), soft_wrap=True)


def complain(sentence: str, style: str = "yellow") -> None:
    """Print on standard error what is wrong; as :func:`say`."""
    errors().print(Text(printable(sentence), style=style), soft_wrap=True)


def printable(text: str) -> str:
    """Return a text that does nothing to a terminal: what cannot be printed is replaced."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 session``, ``2,000 sessions``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def iso(seconds: float) -> str:
    """Return a moment, in epoch seconds, as people and scripts read it: UTC, to milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print one JSON value."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    click.echo(_NOT_FOR_TERMINALS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; right-aligned where the first row has a number.

    Cells and title may hold what others wrote: none of it is taken for markup.
    """
    table = Table(title=Text(printable(title), style="table.title"), title_justify="left")
    for index, column in enumerate(columns):
        number = bool(rows) and isinstance(rows[0][index], (int, float))
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(_cell(value))) for value in row))
    console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


@contextmanager
def progress(*, shown: bool, ends: bool = False) -> Iterator[Told]:
    """Show the progress of long work on standard error.

    Args:
        shown: False to show nothing, for ``--json``.
        ends: Show in about how much time it will be done.

    Yields:
        What is told: the step, how much is done, how much there is (0 if nobody knows).
    """
    if not shown:
        yield lambda _step, _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *((TextColumn("left"), TimeRemainingColumn()) if ends else ()),
    )
    with Progress(*columns, console=errors(), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def told(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total or None)

        yield told
