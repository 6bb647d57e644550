"""``kato-tasks db``: the tables of the ledger of migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from kato_tasks.cli.output import FOUND_WRONG, print_json, say
from kato_tasks.ledger import Ledger, Revisions
from kato_tasks.local import find_settings

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def db() -> None:
    """See to the tables of the ledger, the SQL record of migrations.

    A file of SQLite needs none of it: its first use brings the tables to this release.
    """


@db.command()
@_JSON
def upgrade(*, as_json: bool) -> None:
    """Bring the tables to this release. May be repeated; nothing happens if they are of it."""
    with _ledger() as ledger:
        before = ledger.upgrade()
        after = ledger.revisions()
    if as_json:
        print_json({**as_fields(ledger, after), "before": before.current})
        return
    say(upgraded_in_words(ledger, before, after))


@db.command()
@_JSON
def current(*, as_json: bool) -> None:
    """Show which revision the tables have, and which they need.

    The exit code is 1 if `kato-tasks db upgrade` has to be run.
    """
    with _ledger() as ledger:
        found = ledger.revisions()
    if as_json:
        print_json(as_fields(ledger, found))
    else:
        say(in_words(ledger, found))
    if found.outdated:
        click.get_current_context().exit(FOUND_WRONG)


def as_fields(ledger: Ledger, found: Revisions) -> dict[str, Any]:
    """Return revisions as one JSON object; ``current`` is null if there are no tables."""
    return {
        "ledger": ledger.shown,
        "current": found.current,
        "newest": found.newest,
        "up_to_date": found.up_to_date,
    }


def in_words(ledger: Ledger, found: Revisions) -> str:
    """Return the sentence that says which revision the tables have, and what to do."""
    has = "no tables yet" if found.current is None else f"the revision {found.current}"
    if found.up_to_date:
        return f"The ledger at {ledger.shown} has {has}, the newest."
    todo = "run kato-tasks db upgrade" if found.outdated else "its first use sees to that"
    return f"The ledger at {ledger.shown} has {has} and needs {found.newest}; {todo}."


def upgraded_in_words(ledger: Ledger, before: Revisions, after: Revisions) -> str:
    """Return the sentence that says what was done."""
    if before.up_to_date:
        return f"The ledger at {ledger.shown} has the revision {after.current} already."
    had = "no tables" if before.current is None else f"the revision {before.current}"
    return f"The ledger at {ledger.shown} had {had} and now has the revision {after.current}."


@contextmanager
def _ledger() -> Iterator[Ledger]:
    ledger = Ledger(find_settings().database_url)
    try:
        yield ledger
    finally:
        ledger.close()
