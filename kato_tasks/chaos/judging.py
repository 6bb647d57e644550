"""Compares one session with what was accepted for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.chaos.acceptances import Acceptance, misplaced
from kato_tasks.chaos.checking import Effective, Incarnation, effective
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.expecting import Expected
from kato_tasks.chaos.reading import Found
from kato_tasks.chaos.steps import Step
from kato_tasks.demo.checking import Difference, compare, nameless

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong with one session.

    Attributes:
        difference: What was lost, doubled or reordered.
        problems: The same in sentences.
    """

    difference: Difference = field(default_factory=Difference)
    problems: tuple[str, ...] = ()

    def __add__(self, other: Finding) -> Finding:
        return Finding(
            difference=self.difference + other.difference,
            problems=self.problems + other.problems,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a server says of one session.

    Attributes:
        lineage: Its server-side sessions, the oldest first, with all that was applied to them.
        bound: The one it is bound to; None if to none.
        found: What that one is like now.
    """

    lineage: Sequence[Incarnation]
    bound: str | None
    found: Found


def judge(
    member: Member, expected: Expected, accepted: Sequence[Acceptance], evidence: Evidence
) -> Finding:
    """Compare a session with what it must be.

    Args:
        member: The session.
        expected: What it must be.
        accepted: What was accepted for it, in order.
        evidence: What its server says of it.
    """
    history = _history(member, expected, evidence)
    # What is missing in the history is missing in the memory too: it is not counted twice.
    same = history.difference == Difference()
    memory = _memory(member, expected, evidence.found) if same else Finding()
    return history + memory + _places(member.key, accepted) + _refusals(member.key, expected)


def _history(member: Member, expected: Expected, evidence: Evidence) -> Finding:
    ends = {step.number for step in expected.steps if step.empties}
    there = effective(evidence.lineage, evidence.bound, ends)
    sent, applied = expected.steps, tuple(_whole(expected.steps, there))
    if member.vectors:
        sent = tuple(step.nameless() for step in sent)
        applied = tuple(step.nameless() for step in applied)
    difference = compare(sent, applied)
    finding = Finding(difference=difference, problems=_told(member.key, difference, sent, applied))
    if there.difference != Difference():
        words = f"{member.key}: {_counts(there.difference)} where a session was rebuilt."
        finding += Finding(difference=there.difference, problems=(words,))
    if there.destroyed:
        words = f"{member.key}: a session that counts was overwritten {there.destroyed} times."
        finding += Finding(difference=Difference(lost=there.destroyed), problems=(words,))
    return finding


def _whole(sent: Sequence[Step], there: Effective) -> Iterator[Step]:
    """Return the history, with observations of which only a faded replay is known as they were."""
    faded = {step.faded(): step for step in sent if step.number in there.adopted}
    for step in there.steps:
        yield faded.get(step, step) if step.number in there.adopted else step


def _told(
    key: str, difference: Difference, sent: Sequence[Step], applied: Sequence[Step]
) -> tuple[str, ...]:
    if difference == Difference():
        return ()
    place = next(
        (
            index
            for index, pair in enumerate(zip(sent, applied, strict=False))
            if pair[0] != pair[1]
        ),
        min(len(sent), len(applied)),
    )
    words = (
        f"{key}: {_counts(difference)} of {len(sent)} steps, from step {place + 1} on: "
        f"{_words(sent[place:])} were accepted, {_words(applied[place:])} applied."
    )
    return (words,)


def _counts(one: Difference) -> str:
    return f"{one.lost} lost, {one.duplicated} doubled, {one.reordered} reordered"


def _words(steps: Sequence[Step]) -> str:
    shown = [f"emptied after {one.number}" if one.empties else str(one.number) for one in steps]
    return f"[{', '.join(shown[:_SHOWN])}{', …' if len(shown) > _SHOWN else ''}]"


def _memory(member: Member, expected: Expected, found: Found) -> Finding:
    wanted, there = list(expected.stm), list(found.stm)
    if member.vectors:
        wanted, there = [nameless(event) for event in wanted], [nameless(one) for one in there]
    finding = Finding()
    difference = compare(wanted, there)
    if difference != Difference():
        words = (
            f"{member.key}: the short-term memory has {len(there)} events and must have "
            f"{len(wanted)}: {_counts(difference)}."
        )
        finding += Finding(difference=difference, problems=(words,))
    if dict(expected.emotives) != dict(found.emotives):
        words = (
            f"{member.key}: the last emotives are {dict(found.emotives)} and must be "
            f"{dict(expected.emotives)}."
        )
        finding += Finding(difference=Difference(lost=1), problems=(words,))
    return finding


def _places(key: str, accepted: Sequence[Acceptance]) -> Finding:
    wrong = misplaced(accepted)
    if not wrong:
        return Finding()
    words = (
        f"{key}: {len(wrong)} calls have positions that do not follow the one before, the first "
        f"is {wrong[0].call.command_id!r} at {wrong[0].first}."
    )
    return Finding(difference=Difference(reordered=len(wrong)), problems=(words,))


def _refusals(key: str, expected: Expected) -> Finding:
    problems = []
    if expected.wronged:
        problems.append(f"{key}: {expected.wronged} good commands were refused.")
    if expected.applied_poison:
        problems.append(f"{key}: {expected.applied_poison} poison commands were not refused.")
    return Finding(difference=Difference(lost=expected.wronged), problems=tuple(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """How often patterns were learned that must have been learned once.

    Attributes:
        learns: How many patterns there are.
        twice: How often one was learned once more.
        lost: How many were never learned.
    """

    learns: int = 0
    twice: int = 0
    lost: int = 0

    def __add__(self, other: Learned) -> Learned:
        return Learned(
            learns=self.learns + other.learns,
            twice=self.twice + other.twice,
            lost=self.lost + other.lost,
        )


def count_learns(patterns: Sequence[str], frequency: Mapping[str, int]) -> Learned:
    """Compare patterns with how often each was learned."""
    counts = [frequency[name] for name in patterns]
    return Learned(
        learns=len(counts),
        twice=sum(max(0, count - 1) for count in counts),
        lost=sum(count == 0 for count in counts),
    )
