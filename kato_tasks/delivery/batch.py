"""Cuts what one call carries from the head of a lane."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.models import Claim, Command, Kind


def cut(claim: Claim, *, most: int, max_bytes: int) -> Sequence[Command]:
    """Return the commands that go out in the next call: consecutive observes, or one other.

    Where the server learns by itself, the observe that may make it learn goes alone: no call
    reaches across such a point, and what is in doubt after one is as little as can be.

    Args:
        claim: The lane, with at least one command.
        most: Most commands of one call.
        max_bytes: Most JSON of one call, unless the first observation alone is longer.
    """
    commands = claim.commands
    if commands[0].kind is not Kind.OBSERVE:
        return commands[:1]
    if claim.learning.limit:
        most = min(most, max(1, claim.learning.limit - claim.events - 1))
    size = 0
    for count, command in enumerate(commands):
        size += len(command.payload)
        if command.kind is not Kind.OBSERVE or count == most or (count and size > max_bytes):
            return commands[:count]
    return commands
