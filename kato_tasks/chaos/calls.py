"""Makes up what producers ask for: bursts of observations, learns, clears, ends and poison."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kato_tasks.chaos.acceptances import NUMBER, Call
from kato_tasks.chaos.crowd import Member
from kato_tasks.models import Kind

BURST: Final = 8
"""Most observations of one call."""
_SHARED: Final = tuple(f"shared-{number}" for number in range(20))
_EMOTIVES: Final = 0.3
_METADATA_ONLY: Final = 0.02
_VECTORS: Final = 0.1

_SHARES: Final = {
    Kind.OBSERVE: 0.895,
    Kind.LEARN: 0.06,
    Kind.CLEAR_STM: 0.03,
    Kind.DELETE: 0.003,
    "poison": 0.012,
}
"""How often a session is asked for each, of all its calls."""

_POISON: Final[Sequence[Mapping[str, Any]]] = (
    {"strings": [17]},
    {"strings": ["poison"], "emotives": {"joy": "very"}},
    {"vectors": [[1.0], [1.0, 2.0]]},
)
"""Observations that the server refuses and that no :class:`Session` takes: the first two with a
422, the last one with a 500, every time."""
_QUOTE: Final = {"strings": ["it's"]}
"""An observation that every :class:`Session` takes, and that the server answers with a 500 while
it predicts and nothing stands before it (kato-api 4)."""


class Imagination:
    """Makes up calls, by chance that can be repeated.

    Args:
        seed: Where the chance begins.
    """

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._numbers: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def choose(self, members: Sequence[Member]) -> Member:
        """Return one of the sessions, each as often as its weight says."""
        return self._draw.choices(members, [member.weight for member in members])[0]

    def now_and_then(self, share: float) -> bool:
        """Return True that often, of 1."""
        return self._draw.random() < share

    def next(self, member: Member) -> list[Call]:
        """Return what the session is asked for next: one call, or two that belong together."""
        kind = self._draw.choices(list(_SHARES), list(_SHARES.values()))[0]
        if kind == "poison":
            return self._poison(member)
        if kind is Kind.OBSERVE or (kind is Kind.LEARN and member.vectors):
            return [self._observe(member)]
        return [self._call(member, Kind(kind))]

    def last(self, member: Member) -> Call:
        """Return one observation, which every server takes."""
        return self._call(member, Kind.OBSERVE, [self._observation(member)])

    def _observe(self, member: Member) -> Call:
        burst = self._draw.randint(1, BURST)
        return self._call(member, Kind.OBSERVE, [self._observation(member) for _ in range(burst)])

    def _observation(self, member: Member) -> dict[str, Any]:
        self._numbers[member.key] += 1
        number = self._numbers[member.key]
        found: dict[str, Any] = {"metadata": {NUMBER: number}}
        if self.now_and_then(_EMOTIVES):
            found["emotives"] = {"joy": round(self._draw.uniform(-1, 1), 3)}
        if self.now_and_then(_METADATA_ONLY):
            return found
        # Unique over all sessions, so that no two of them learn one pattern.
        found["strings"] = [f"s{member.number}n{number}", self._draw.choice(_SHARED)]
        if member.vectors and self.now_and_then(_VECTORS):
            found["vectors"] = [[self._draw.randint(-9, 9) / 4 for _ in range(4)]]
        return found

    def _poison(self, member: Member) -> list[Call]:
        if member.predicts:
            clear = self._call(member, Kind.CLEAR_STM)
            return [clear, self._call(member, Kind.OBSERVE, [_QUOTE], poison=True)]
        chosen = self._draw.choice(_POISON)
        return [self._call(member, Kind.OBSERVE, [chosen], poison=True)]

    def _call(
        self,
        member: Member,
        kind: Kind,
        observations: Sequence[Mapping[str, Any]] = (),
        *,
        poison: bool = False,
    ) -> Call:
        self._calls[member.key] += 1
        return Call(
            key=member.key,
            command_id=f"{member.key}-{self._calls[member.key]}",
            kind=kind,
            observations=tuple(observations),
            poison=poison,
        )
