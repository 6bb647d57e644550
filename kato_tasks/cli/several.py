"""Commands that take several names: what fails for one is done for the others all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from kato_tasks.cli.output import FOUND_WRONG, complain
from kato_tasks.errors import InvalidInput, KatoTasksError, StoreUnavailable

T = TypeVar("T")

Failures = dict[str, KatoTasksError]
"""Why something was not done, by what it was not done with."""


def each(names: Iterable[str], act: Callable[[str], T]) -> tuple[dict[str, T], Failures]:
    """Do one thing with each of several names, in their order.

    Returns:
        What came of it by name, and why it was not done with the others.

    Raises:
        StoreUnavailable: The rest was not tried; repeating the command is safe.
        InvalidInput: One of the names is none.
    """
    done: dict[str, T] = {}
    failed: Failures = {}
    for name in dict.fromkeys(names):
        try:
            done[name] = act(name)
        except (StoreUnavailable, InvalidInput):
            raise
        except KatoTasksError as error:
            failed[name] = error
    return done, failed


def failures_as_fields(failed: Failures) -> list[dict[str, str]]:
    """Return what was not done, and why, as JSON objects."""
    return [{"name": name, "error": str(error)} for name, error in failed.items()]


def end_with(failed: Failures) -> None:
    """Say why something was not done, and end with 1; do nothing if all was."""
    for error in failed.values():
        complain(f"Error: {error}", style="red")
    if failed:
        raise SystemExit(FOUND_WRONG)
