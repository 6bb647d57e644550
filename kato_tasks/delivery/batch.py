"""Cuts what one call carries from the head of a lane."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.models import Command, Kind


def cut(
    commands: Sequence[Command], *, learns: bool, most: int, max_bytes: int
) -> Sequence[Command]:
    """Return the commands that go out in the next call: consecutive observes, or one other.

    Args:
        commands: The head of the lane, at least one.
        learns: The server learns by itself in this session: observes go out one at a time,
            because a call must never reach across such a point.
        most: Most commands of one call.
        max_bytes: Most JSON of one call, unless the first observation alone is longer.
    """
    if commands[0].kind is not Kind.OBSERVE or learns:
        return commands[:1]
    size = 0
    for count, command in enumerate(commands):
        size += len(command.payload)
        if command.kind is not Kind.OBSERVE or count == most or (count and size > max_bytes):
            return commands[:count]
    return commands
