"""``kato-tasks dead-letters``: the commands that servers did not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from kato_tasks.cli.fields import letter_fields, print_letters
from kato_tasks.cli.output import counted, print_json, print_table, say
from kato_tasks.cli.several import each, end_with, failures_as_fields
from kato_tasks.errors import LetterGone
from kato_tasks.naming import split_letter_id
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import DeadLetterOffice, Receipt

F = TypeVar("F", bound=Callable[..., object])

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("dead-letters")
def dead_letters() -> None:
    """See the commands that servers did not take; replay them, or discard them."""


@dead_letters.command("list")
@click.option("--key", help="Only those of this session.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", metavar="ID", help="Only those older than this one: the next page.")
@_JSON
def list_(*, key: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """List dead letters, the newest first, with what the servers answered."""
    with KatoTasks() as kato:
        letters = kato.services.letters.list(key=key, limit=limit, before=before)
        count = kato.services.letters.count()
    if as_json:
        print_json([letter_fields(letter) for letter in letters])
    else:
        print_letters(f"{len(letters):,} of {counted(count, 'dead letter')}", letters)


@dead_letters.command()
@click.argument("letter", metavar="ID")
@_JSON
def show(*, letter: str, as_json: bool) -> None:
    """Show one dead letter, with what its command carries."""
    with KatoTasks() as kato:
        found = kato.services.letters.get(letter)
    if found is None:
        raise LetterGone(letter)
    fields = letter_fields(found, payload=True)
    if as_json:
        print_json(fields)
    else:
        print_table(f"dead letter {letter}", ("field", "value"), list(fields.items()))


def _choice(command: F) -> F:
    """Add the ways in which dead letters are chosen."""
    command = click.option(
        "--yes", is_flag=True, help="Do not ask whether --key or --all is meant."
    )(command)
    command = click.option("--all", "everything", is_flag=True, help="All that there are.")(command)
    command = click.option("--key", help="All of this session.")(command)
    return click.argument("ids", metavar="[ID]...", nargs=-1)(command)


@dead_letters.command()
@_choice
@click.option(
    "--recreate",
    is_flag=True,
    help="Also where the session has ended since: into the one that has its key now, or a new one.",
)
@_JSON
def replay(  # noqa: PLR0913 - what a person may choose
    *,
    ids: tuple[str, ...],
    key: str | None,
    everything: bool,
    yes: bool,
    recreate: bool,
    as_json: bool,
) -> None:
    """Have commands tried again, when what they were refused for is gone.

    A command at which its lane is parked is tried again where it stands, before those that wait
    behind it. Any other goes to the end of its lane. Of several the oldest is replayed first.
    """
    with KatoTasks() as kato:
        office = kato.services.office
        chosen = _choose(office, ids, key, everything=everything, ask="" if yes else "Replay")
        done, failed = each(chosen, lambda letter: office.replay(letter, recreate=recreate))
    if as_json:
        replayed = [{"id": name, "receipt": _receipt(one)} for name, one in done.items()]
        print_json({"replayed": replayed, "failed": failures_as_fields(failed)})
    else:
        say(f"{counted(len(done), 'dead letter')} replayed.")
    end_with(failed)


@dead_letters.command()
@_choice
@_JSON
def discard(
    *, ids: tuple[str, ...], key: str | None, everything: bool, yes: bool, as_json: bool
) -> None:
    """Put dead letters away for good. A lane that is parked at one goes on without it."""
    with KatoTasks() as kato:
        office = kato.services.office
        chosen = _choose(office, ids, key, everything=everything, ask="" if yes else "Discard")
        done, failed = each(chosen, office.discard)
    if as_json:
        print_json({"discarded": list(done), "failed": failures_as_fields(failed)})
    else:
        say(f"{counted(len(done), 'dead letter')} discarded.")
    end_with(failed)


def _choose(
    office: DeadLetterOffice, ids: tuple[str, ...], key: str | None, *, everything: bool, ask: str
) -> list[str]:
    """Return the ids that are meant; with ``ask`` a person has to agree to more than was named."""
    if (bool(ids), key is not None, everything).count(True) != 1:
        raise click.UsageError("Name the ids of dead letters, or give --key or --all: one of them.")
    if ids:
        for letter in ids:
            split_letter_id(letter)
        return list(ids)
    found = office.ids(key=key)
    if found and ask:
        click.confirm(f"{ask} {counted(len(found), 'dead letter')}?", abort=True, err=True)
    return found


def _receipt(receipt: Receipt | None) -> dict[str, object] | None:
    """Return where a command stands now; None if it stands where it stood."""
    return None if receipt is None else {"key": receipt.key, "seq": receipt.seq}
