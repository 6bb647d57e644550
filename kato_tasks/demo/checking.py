"""Compares what a server has with what was sent to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ANY_VECTOR: Final = "VCTR|"
"""Stands for the one symbol that a server makes of an observation's vectors."""

EventSymbols = tuple[str, ...]
"""One event: its symbols as the server orders them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How one sequence of events differs from another.

    Attributes:
        lost: Events that were sent and are not there.
        duplicated: Events that are there more often than they were sent.
        reordered: Events that are there, but not where they belong.
    """

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            lost=self.lost + other.lost,
            duplicated=self.duplicated + other.duplicated,
            reordered=self.reordered + other.reordered,
        )


def expected_event(strings: Sequence[str], *, has_vectors: bool) -> EventSymbols:
    """Return the event that a server makes of an observation: vector symbol, sorted strings.

    Empty for an observation without strings and vectors: the server makes no event of it
    (kato-api 4).
    """
    return ((ANY_VECTOR,) if has_vectors else ()) + tuple(sorted(strings))


def found_event(symbols: Sequence[str]) -> EventSymbols:
    """Return a server's event with the name of its vector symbol left out."""
    return tuple(ANY_VECTOR if symbol.startswith(ANY_VECTOR) else symbol for symbol in symbols)


def compare(sent: Sequence[EventSymbols], found: Sequence[EventSymbols]) -> Difference:
    """Return how ``found`` differs from ``sent``."""
    if list(sent) == list(found):
        return Difference()
    wanted, there = Counter(sent), Counter(found)
    missing, extra = wanted - there, there - wanted
    kept = _without(sent, missing)
    got = _without(found, extra)
    return Difference(
        lost=missing.total(),
        duplicated=extra.total(),
        reordered=sum(one != other for one, other in zip(kept, got, strict=True)),
    )


def _without(events: Sequence[EventSymbols], surplus: Counter[EventSymbols]) -> list[EventSymbols]:
    """Return the events without the last ones of each that is too many."""
    left = Counter(surplus)
    kept = []
    for event in reversed(events):
        if left[event]:
            left[event] -= 1
        else:
            kept.append(event)
    return kept[::-1]
