"""The vectors a node has learned, and which of them join a new one in its event (kato-api 4).

What is recorded: an observation's event names the sum of its vectors and the nearest learned
ones, all of them where there were at most three; vectors of another length than the first
learned one are neither indexed nor searched for. That three is the limit comes from the server's
published source, not from a recording; which measure "nearest" uses (Euclidean here) from neither.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

from kato_tasks.devserver.vectors import Vector, summed, symbol_of

_NEAREST = 3


@dataclass(slots=True)
class VectorIndex:
    """One node's vectors.

    Attributes:
        learned: By name, those that are searched.
        deferred: Sums observed since the last learn, which the next one adds.
    """

    learned: dict[str, Vector] = field(default_factory=dict)
    deferred: list[Vector] = field(default_factory=list)

    def observe(self, vectors: list[Vector]) -> list[str]:
        """Note one observation's vectors; the sorted symbols its event gets for them.

        Raises:
            ServerError: The vectors have different lengths.
        """
        if not vectors:
            return []
        total = summed(vectors)
        self.deferred.append(total)
        return sorted({symbol_of(total), *self._near(total)})

    def learn(self) -> None:
        """Make the deferred vectors findable."""
        for vector in self.deferred:
            if self._fits(vector):
                self.learned[symbol_of(vector)] = vector
        self.deferred.clear()

    def forget(self) -> None:
        """Lose everything (clear-all)."""
        self.learned.clear()
        self.deferred.clear()

    def _near(self, vector: Vector) -> Iterable[str]:
        if not self.learned or not self._fits(vector):
            return ()
        return nsmallest(
            _NEAREST, self.learned, key=lambda name: math.dist(self.learned[name], vector)
        )

    def _fits(self, vector: Vector) -> bool:
        """Whether a vector has the index's length, which the first one decides."""
        first = next(iter(self.learned.values()), vector)
        return len(vector) == len(first) > 0
