"""What the demo of the life cycle has found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kato_tasks.demo.checking import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """How many sessions there are of each group."""

    kept: int
    ending: int
    sleeping: int
    left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LifecycleReport:
    """What the demo of the life cycle has found.

    Attributes:
        wanted: How many sessions there are of each group.
        observations: Observations that were accepted.
        seconds: How long it took, from the first one on.
        lives: How many times to live those that are kept alive were left alone for.
        kept_alive: Sessions that their server still has under the same name, as they were.
        ended: Sessions that have ended, and that their server has no more.
        started_empty: Of those, how many a later command started anew, with nothing but it.
        hibernated: Sessions that were put to sleep, and that their server has no more.
        woken: Of those, how many were made anew by a question or a command.
        stm_equal: Of those, how many have the short-term memory that they must have.
        percept_equal: Of those, how many have the percept data that they must have.
        cognition_equal: Of those, how many have the cognition data that they must have.
        forgotten: Sessions that nobody kept, and that their server has forgotten: the proof that
            those that are kept would have been too.
        restored: Of those, how many were as they had been when they were asked.
        difference: What was applied or is remembered, against what was accepted.
        notes: What else went wrong, as sentences.
    """

    wanted: Wanted
    observations: int = 0
    seconds: float = 0.0
    lives: float = 0.0
    kept_alive: int = 0
    ended: int = 0
    started_empty: int = 0
    hibernated: int = 0
    woken: int = 0
    stm_equal: int = 0
    percept_equal: int = 0
    cognition_equal: int = 0
    forgotten: int = 0
    restored: int = 0
    difference: Difference = field(default_factory=Difference)
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True if every session lived as it was to, and nothing that was accepted is missing."""
        wanted = self.wanted
        awake = {self.woken, self.stm_equal, self.percept_equal, self.cognition_equal}
        return (
            self.observations > 0
            and self.kept_alive == wanted.kept
            and {self.ended, self.started_empty} == {wanted.ending}
            and {self.hibernated} | awake == {wanted.sleeping}
            and {self.forgotten, self.restored} == {wanted.left}
            and self.difference == Difference()
            and not self.notes
        )

    @property
    def verdict(self) -> str:
        """The result in a sentence, which says what it rests on."""
        if not self.sound:
            return "NOT SOUND: not every session lived as it was to."
        return (
            "Sound: every session lived as it was to, and nothing is lost. Compared were the "
            "short-term memory, percept data and cognition data of each, before and after; of "
            "sessions woken by a command, with those of a twin that was told the same and never "
            "slept; and every observation with what the server's audit says was applied, in order."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        found = asdict(self)
        difference = found.pop("difference")
        return {
            **found,
            **difference,
            "seconds": round(self.seconds, 3),
            "lives": round(self.lives, 2),
            "notes": list(self.notes),
            "sound": self.sound,
        }
