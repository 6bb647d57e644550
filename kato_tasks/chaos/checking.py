"""What of all that servers have applied is the session: its lineage, read as one history."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.chaos.steps import EMPTIED, Step, labelled
from kato_tasks.demo.checking import Difference, Observed, compare

REPLAY: Final = "replay"
"""The source of what was applied to rebuild a session; all else is a first delivery."""
_EMPTY: Final = frozenset({"clear_stm", "clear_all", "delete"})
_DESTROY: Final = frozenset({"overwrote", "leak"})
_LOST: Final = "gone"
_DELETE: Final = "delete"
_DELIVERIES: Final = frozenset({"observe", "learn", "clear_stm", "clear_all"})
_CONFIG: Final = "config"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One applied operation, as the audit of a development server tells it.

    Attributes:
        kind: observe, learn, clear_stm, delete and so on, as the audit has them.
        at: When, epoch seconds.
        source: ``delivery`` or ``replay``.
        number: The number that an observation of ours carries; None for others.
        observed: What was observed; None for what is no observation.
    """

    kind: str
    at: float = 0.0
    source: str = "delivery"
    number: int | None = None
    observed: Observed | None = None

    @property
    def replayed(self) -> bool:
        """True if it rebuilt a session."""
        return self.source == REPLAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Incarnation:
    """One server-side session of a session key.

    Attributes:
        session_id: The server's name for it.
        created_at: When it was made, epoch seconds.
        server: The URL of its server, where there are several.
        entries: What was applied to it, in order.
    """

    session_id: str
    created_at: float
    server: str = ""
    entries: tuple[Entry, ...] = ()

    @property
    def deliveries(self) -> tuple[Entry, ...]:
        """The commands that were delivered to it, but for an end."""
        return tuple(one for one in self.entries if one.kind in _DELIVERIES and not one.replayed)

    @property
    def delivered(self) -> bool:
        """True if a command was delivered to it.

        A delete alone may have been a clean-up, unless it ended what was made anew, or had moved.
        """
        ended = any(one.kind == _DELETE and not one.replayed for one in self.entries)
        return bool(self.deliveries) or (ended and any(one.replayed for one in self.entries))

    @property
    def begins(self) -> float:
        """When its turn began at the earliest, epoch seconds.

        That is when the last was done that made it what it had to be: a session that moves is
        copied while the one before it is still written to, or even made anew.
        """
        first = self.deliveries[0].at if self.deliveries else math.inf
        made = [
            one.at
            for one in self.entries
            if one.at <= first and (one.kind == _CONFIG or (one.replayed and one.kind != _DELETE))
        ]
        return max([self.created_at, *made])


def in_order(lineages: Iterable[Sequence[Incarnation]]) -> list[Incarnation]:
    """Return the lineages of one key at several servers as one, in the order of their turns."""
    merged = (one for lineage in lineages for one in lineage)
    return sorted(merged, key=lambda one: one.begins)


@dataclass(frozen=True, kw_only=True, slots=True)
class Effective:
    """What a lineage says was applied to a session, whichever server-side session had it then.

    Attributes:
        steps: The history.
        difference: How what was rebuilt differs from what had been applied before.
        destroyed: How often a session that counts was written back over newer changes, or had its
            memory replaced by another one's.
        adopted: The numbers of observations that are known from a replay alone: the server had
            learned them, and what came to light of that was only the pattern.
    """

    steps: tuple[Step, ...] = ()
    difference: Difference = field(default_factory=Difference)
    destroyed: int = 0
    adopted: frozenset[int | None] = frozenset()


def effective(
    lineage: Sequence[Incarnation], bound: str | None, ends: Container[int | None] = ()
) -> Effective:
    """Read a lineage as one history.

    A later server-side session begins with what was replayed into it. That tells how much of the
    earlier one counts: what stands there beyond it was applied to an orphan. Server-side sessions
    that got no first delivery and are not bound are rebuildings that were not finished.

    Args:
        lineage: The server-side sessions of one key, in the order of their turns.
        bound: The one that the key is bound to in the end; None if to none.
        ends: The numbers of the observations after which the session was to be emptied. No audit
            shows the end of a session that its server had lost before, or that was asleep.
    """
    counted = [one for one in lineage if one.delivered or one.session_id == bound]
    found = _History(ends=ends)
    for place, incarnation in enumerate(counted):
        later = counted[place + 1 : place + 2]
        found.go_on(incarnation, left_at=later[0].begins if later else None)
    destroyed = sum(step == _DESTROYED for step in found.steps)
    return Effective(
        steps=labelled(step for step in found.steps if step != _DESTROYED),
        difference=found.difference,
        destroyed=destroyed,
        adopted=frozenset(found.adopted),
    )


_DESTROYED: Final = Step(number=-1)


@dataclass(slots=True)
class _History:
    ends: Container[int | None]
    steps: list[Step] = field(default_factory=list)
    difference: Difference = field(default_factory=Difference)
    begun: bool = False
    lost: bool = False
    adopted: set[int | None] = field(default_factory=set)

    def go_on(self, incarnation: Incarnation, left_at: float | None) -> None:
        """Take in the next server-side session; ``left_at`` is when the next one's turn began."""
        entries = incarnation.entries
        # One without a number stands for many that are too old to be known any more.
        numbered = [one for one in entries if one.replayed and one.number is not None]
        replayed = [step for one in numbered for step in _steps(one)]
        if replayed:
            # Also into the first that counts: the one before was answered, and stored nothing.
            self._rebuild(replayed)
        elif self.begun:
            self._begin_anew(entries)
        self.begun = True
        self.lost = bool(entries) and _ends_unseen(entries[-1])
        for one in entries:
            # The one that was left is deleted, which is no command.
            cleaned = one.kind == "delete" and left_at is not None and one.at >= left_at
            if not one.replayed and not cleaned:
                self.steps += _steps(one)

    def _begin_anew(self, entries: Sequence[Entry]) -> None:
        """Forget what came after the last emptying, unless the end of it cannot be in an audit."""
        delivered = (one.number for one in entries if one.number is not None)
        last, first = self.steps[-1].number if self.steps else None, next(delivered, None)
        ended = self.lost and last in self.ends
        if ended and last is not None and first is not None and first > last:
            self.steps.append(EMPTIED)
        else:
            del self.steps[_last_emptied(self.steps) :]

    def _rebuild(self, replayed: Sequence[Step]) -> None:
        """Forget what a rebuilt session does not have, and see that it has all the rest."""
        emptied = _last_emptied(self.steps)
        # The first of several counts: what came again came when nobody was bound to it.
        places: dict[int | None, int] = {}
        for place, step in enumerate(self.steps, start=1):
            if step.observed is not None:
                places.setdefault(step.number, place)
        known = len(replayed)
        while known and replayed[known - 1].number not in places:
            known -= 1
        kept = places[replayed[known - 1].number] if known else emptied
        self.steps[kept:] = replayed[known:]
        self.adopted |= {one.number for one in replayed[known:]}
        since = [one.number for one in self.steps[_last_emptied(self.steps) :] if one.observed]
        numbers = [one.number for one in replayed]
        # A journal is bounded: what is older than its first observation may be missing.
        begin = since.index(numbers[0]) if numbers[0] in since else 0
        self.difference += compare(since[begin:], numbers)


def _steps(entry: Entry) -> list[Step]:
    if entry.kind == "observe":
        return [Step(number=entry.number, observed=entry.observed)]
    if entry.kind in _EMPTY:
        return [EMPTIED]
    return [_DESTROYED] if entry.kind in _DESTROY else []


def _ends_unseen(last: Entry) -> bool:
    """Tell whether a server-side session was gone when its key was used again, by its last entry.

    Its server had lost it, or it was deleted because the session went to sleep.
    """
    return last.kind == _LOST or (last.kind == _DELETE and last.replayed)


def _last_emptied(steps: Sequence[Step]) -> int:
    """Return where the history after the last emptying begins; 0 if there was none."""
    places = (place for place in range(len(steps), 0, -1) if steps[place - 1] == EMPTIED)
    return next(places, 0)
