"""Steps: what happens to a session's memory, in a form in which two histories can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kato_tasks.demo.checking import Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """An observation, or, without one, that the session was emptied: cleared or ended.

    Attributes:
        number: The observation's number within its session; None for one that is not ours. Where
            the session was emptied, the number of the observation before (see `labelled`).
        observed: All that the observation holds.
    """

    number: int | None = None
    observed: Observed | None = None

    @property
    def empties(self) -> bool:
        """True if the session was emptied."""
        return self.observed is None

    def nameless(self) -> Step:
        """Return it with the names of vector symbols left out."""
        if self.observed is None:
            return self
        return Step(number=self.number, observed=self.observed.nameless())

    def faded(self) -> Step:
        """Return what a replay sends of an observation whose event has been learned."""
        if self.observed is None:
            return self
        return Step(number=self.number, observed=self.observed.faded())


EMPTIED: Final = Step()


def labelled(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps in which every emptying changes something and is told from the others.

    What is empty already need not be emptied, and nobody can see whether it was: only the first
    of several in a row is kept, and none before the first observation. Each has the number of the
    observation before it.
    """
    found: list[Step] = []
    for step in steps:
        if not step.empties:
            found.append(step)
        elif found and not found[-1].empties:
            found.append(Step(number=found[-1].number))
    return tuple(found)
