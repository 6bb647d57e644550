"""What was accepted: every call with its positions, in the order of acceptance of each session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kato_tasks.models import Kind

NUMBER = "n"
"""The metadata under which an observation carries its number within its session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What a producer asks for under one ``command_id``.

    Attributes:
        key: The session key.
        command_id: Its name.
        kind: What it does.
        observations: For observes, their fields, in order.
        poison: True if the server must refuse it, whatever happens.
    """

    key: str
    command_id: str
    kind: Kind
    observations: Sequence[Mapping[str, Any]] = ()
    poison: bool = False

    @property
    def commands(self) -> int:
        """How many positions of the lane it takes."""
        return len(self.observations) if self.kind is Kind.OBSERVE else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """A call that was accepted.

    Attributes:
        call: The call.
        first: The position of its first command, from 1.
        seq: The position of its last command.
    """

    call: Call
    first: int
    seq: int


@dataclass(slots=True)
class Acceptances:
    """All that was accepted. Each session is written by one thread only.

    Attributes:
        of: The acceptances of each session in their order.
        problems: What producers saw that must not be, as sentences.
        unsettled: Sessions with a call of which nobody knows whether it was accepted.
    """

    of: defaultdict[str, list[Acceptance]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)

    def commands(self) -> int:
        """Return how many commands were accepted so far."""
        return sum(taken[-1].seq for taken in list(self.of.values()) if taken)

    def observations(self) -> int:
        """Return how many good observations were accepted so far."""
        return sum(
            len(one.call.observations)
            for taken in list(self.of.values())
            for one in list(taken)
            if not one.call.poison
        )


def misplaced(accepted: Sequence[Acceptance]) -> list[Acceptance]:
    """Return the acceptances whose positions do not follow the one before without a gap."""
    found, last = [], 0
    for one in accepted:
        if (one.first, one.seq) != (last + 1, last + one.call.commands):
            found.append(one)
        last = one.seq
    return found
