"""Cuts what one call carries from the head of a lane."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.models import Command, Kind, SessionSpec

_LEARNS_BY_ITSELF = "max_pattern_length"


def cut(
    commands: Sequence[Command], spec: SessionSpec, *, most: int, max_bytes: int
) -> Sequence[Command]:
    """Return the commands that go out in the next call: consecutive observes, or one other.

    Args:
        commands: The head of the lane, at least one.
        spec: Where the server learns by itself, observes go out one at a time, because a call
            must never reach across such a point.
        most: Most commands of one call.
        max_bytes: Most JSON of one call, unless the first observation alone is longer.
    """
    if commands[0].kind is not Kind.OBSERVE or spec.config.get(_LEARNS_BY_ITSELF):
        return commands[:1]
    size = 0
    for count, command in enumerate(commands):
        size += len(command.payload)
        if command.kind is not Kind.OBSERVE or count == most or (count and size > max_bytes):
            return commands[:count]
    return commands
