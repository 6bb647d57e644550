"""Compares what a server has with what was sent to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

VECTOR: Final = "VCTR|"
"""What the names of vector symbols begin with; it also stands for one whose name only the server
can know."""

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

    def at_least(self, *, sent: int, applied: int) -> Difference:
        """Return it with no less lost or doubled than a server's own count proves."""
        return Difference(
            lost=max(self.lost, sent - applied),
            duplicated=max(self.duplicated, applied - sent),
            reordered=self.reordered,
        )

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            lost=self.lost + other.lost,
            duplicated=self.duplicated + other.duplicated,
            reordered=self.reordered + other.reordered,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """One observation as a server has it: hashable, and equal to itself however it was written.

    Attributes:
        event: The symbols that it adds; none if it has neither strings nor vectors (kato-api 4).
        others: Its vectors, emotives and metadata as JSON in one way of writing.
    """

    event: EventSymbols
    others: str

    @classmethod
    def sent(cls, payload: bytes) -> Observed:
        """Return what a server must make of an observation that was sent to it."""
        fields = json.loads(payload)
        strings = sorted(fields.pop("strings", ()))
        return cls(
            event=((VECTOR,) if fields.get("vectors") else ()) + tuple(strings),
            others=_one_way(fields),
        )

    @classmethod
    def audited(cls, entry: Mapping[str, Any]) -> Observed:
        """Return what an entry of a development server's audit says was applied."""
        return cls(event=tuple(entry["event"] or ()), others=_one_way(entry.get("observation")))

    @property
    def has_vectors(self) -> bool:
        """True if one of its symbols is made of vectors."""
        return '"vectors":' in self.others and bool(json.loads(self.others).get("vectors"))

    def faded(self) -> Observed:
        """Return what is left of it when its event has been learned: emotives and metadata."""
        fields = json.loads(self.others)
        fields.pop("vectors", None)
        return Observed(event=(), others=_one_way(fields))

    def nameless(self) -> Observed:
        """Return it with the names of vector symbols left out."""
        return Observed(event=nameless(self.event), others=self.others)


def nameless(event: Iterable[str]) -> EventSymbols:
    """Return an event with the names of vector symbols left out.

    A string that looks like one cannot be told from it, so its name is left out too: compare with
    names where no vectors were sent.
    """
    return tuple(VECTOR if symbol.startswith(VECTOR) else symbol for symbol in event)


def _one_way(fields: Mapping[str, Any] | None) -> str:
    kept = {name: value for name, value in (fields or {}).items() if value}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def compare(sent: Sequence[T], found: Sequence[T]) -> Difference:
    """Return how ``found`` differs from ``sent``; the items are hashable."""
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


def _without(events: Sequence[T], surplus: Counter[T]) -> list[T]:
    """Return the events without the last ones of each that is too many."""
    left = Counter(surplus)
    kept = []
    for event in reversed(events):
        if left[event]:
            left[event] -= 1
        else:
            kept.append(event)
    return kept[::-1]
