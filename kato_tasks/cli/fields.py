"""What commands and dead letters are shown as: flat JSON objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from kato_tasks.cli.output import iso, print_table
from kato_tasks.models import Command, DeadLetter

# So few that an id, which is to be copied, stands in one line of a narrow terminal.
_LETTER_COLUMNS: Final = ("id", "session", "command", "parked", "answer")


def command_fields(command: Command | None, *, payload: bool = False) -> dict[str, Any]:
    """Return a command's fields; None as values where there is none that can be read.

    Args:
        command: The command.
        payload: Also show what it carries: the observation, or the change of a config.
    """
    fields: dict[str, Any] = dict.fromkeys(("kind", "accepted_at", "size"))
    if command is not None:
        fields = {
            "kind": command.kind.name.lower(),
            "accepted_at": iso(command.accepted_ms / 1000),
            "size": len(command.payload),
        }
    if payload:
        fields["payload"] = None if command is None else _read(command.payload)
    return fields


def letter_fields(letter: DeadLetter, *, payload: bool = False) -> dict[str, Any]:
    """Return a dead letter's fields, ``answer`` being what its server said.

    Args:
        letter: The dead letter.
        payload: Also show what its command carries.
    """
    return {
        "id": letter.id,
        "key": letter.key,
        "seq": letter.seq,
        "refused_at": iso(letter.at),
        "parked": letter.parked,
        "answer": letter.outcome.refusal,
        **command_fields(letter.command, payload=payload),
    }


def print_letters(title: str, letters: Sequence[DeadLetter]) -> None:
    """Print a table of dead letters."""
    found = [letter_fields(letter) for letter in letters]
    names = ("id", "key", "kind", "parked", "answer")
    print_table(title, _LETTER_COLUMNS, [[one[name] for name in names] for one in found])


def _read(payload: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a payload says: the JSON value it is, or else its text."""
    try:
        return json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
