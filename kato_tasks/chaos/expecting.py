"""What a session must have, given what was accepted for it: the rules of KATO, simulated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from kato_tasks.chaos.acceptances import NUMBER, Acceptance, Call
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.steps import EMPTIED, Step, labelled
from kato_tasks.demo.checking import EventSymbols, Observed
from kato_tasks.demo.witness import STM_EVENTS
from kato_tasks.models import Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a session must have in the end.

    Attributes:
        steps: What must have been applied to it: observations, and where it was emptied.
        stm: Its short-term memory.
        emotives: The last emotives since it was emptied; none if there were none.
        patterns: The names of the patterns that it must have had learned, in order.
        observations: How many good observations were accepted.
        refused: How many of its commands were refused as they must be.
        wronged: How many good commands were refused.
        applied_poison: How many of its poison commands were delivered and not refused.
    """

    steps: tuple[Step, ...]
    stm: tuple[EventSymbols, ...]
    emotives: Mapping[str, float]
    patterns: tuple[str, ...]
    observations: int = 0
    refused: int = 0
    wronged: int = 0
    applied_poison: int = 0


def expect(
    member: Member, accepted: Sequence[Acceptance], *, refused: Container[int], delivered: int
) -> Expected:
    """Return what a session must have.

    Args:
        member: The session.
        accepted: What was accepted for it, in order.
        refused: The positions whose commands became dead letters: they have no effect.
        delivered: The position up to which its lane was delivered. What stands beyond it must be
            there all the same.
    """
    memory = _Memory(member)
    for one in accepted:
        flags = [one.first + index in refused for index in range(one.call.commands)]
        memory.take(one.call, flags, delivered=one.seq <= delivered)
    return memory.expected()


@dataclass(slots=True)
class _Memory:
    """A session as KATO keeps it."""

    member: Member
    steps: list[Step] = field(default_factory=list)
    stm: list[EventSymbols] = field(default_factory=list)
    emotives: Mapping[str, float] = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    observations: int = 0
    refused: int = 0
    wronged: int = 0
    applied_poison: int = 0

    def take(self, call: Call, refused: Sequence[bool], *, delivered: bool) -> None:
        """Apply one call; ``refused`` tells of each of its commands whether it was refused."""
        if call.poison:
            self.refused += sum(refused)
            self.applied_poison += delivered * (len(refused) - sum(refused))
        elif call.kind is Kind.OBSERVE:
            self.observations += len(call.observations)
            for fields, was_refused in zip(call.observations, refused, strict=True):
                self.wronged += was_refused
                if not was_refused:
                    self._observe(fields)
        elif call.kind is Kind.LEARN:
            self._learn(was_refused=refused[0])
        else:
            self.wronged += refused[0]
            if not refused[0]:
                self._empty()

    def expected(self) -> Expected:
        return Expected(
            steps=labelled(self.steps),
            stm=tuple(self.stm[-STM_EVENTS:]),
            emotives=self.emotives,
            patterns=tuple(self.patterns),
            observations=self.observations,
            refused=self.refused,
            wronged=self.wronged,
            applied_poison=self.applied_poison,
        )

    def _observe(self, fields: Mapping[str, object]) -> None:
        observed = Observed.sent(json.dumps(fields).encode())
        metadata, emotives = fields["metadata"], fields.get("emotives")
        number = metadata.get(NUMBER) if isinstance(metadata, Mapping) else None
        self.steps.append(Step(number=number, observed=observed))
        if isinstance(emotives, Mapping) and emotives:
            self.emotives = emotives
        if observed.event:
            self.stm.append(observed.event)
            self._learn_by_itself()

    def _learn_by_itself(self) -> None:
        limit = self.member.learns_at
        if 0 < limit <= len(self.stm):
            self._name()
            del self.stm[: 1 if self.member.rolls else len(self.stm)]

    def _learn(self, *, was_refused: bool) -> None:
        # A learn of nothing is refused (kato-api 1), or known to be before it is sent.
        if not self.stm:
            self.refused += was_refused
        elif was_refused:
            self.wronged += 1
        else:
            del self.stm[:-STM_EVENTS]
            self._name()
            self.stm.clear()

    def _name(self) -> None:
        # One symbol alone makes no pattern (kato-api 4).
        if sum(map(len, self.stm)) > 1:
            self.patterns.append(pattern_name(self.stm))

    def _empty(self) -> None:
        self.steps.append(EMPTIED)
        self.stm.clear()
        self.emotives = {}


def pattern_name(events: Sequence[EventSymbols]) -> str:
    """Return the name that every server gives a pattern of these events (kato-api 8)."""
    printed = str([list(event) for event in events])
    return "PTRN|" + hashlib.sha1(printed.encode(), usedforsecurity=False).hexdigest()
