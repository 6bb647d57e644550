"""What became of sessions that were to become ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What became of one session."""

    ADOPTED = "adopted"
    """It is ours."""
    FAILED = "failed"
    """It could not be, and nothing has changed."""
    LEFT = "left"
    """The server has listed it, and it was not meant: of another node, ours, or gone since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one session.

    Attributes:
        key: The session key that it got, or was to get.
        session_id: The server's name for it.
        fate: What became of it.
        reason: Why it is not ours, as a sentence; None if it is.
        node: Its node; None if it was not read.
        events: How many events its short-term memory has.
        time: KATO's ``time`` in it; None if the server does not show it.
        older: How many observations it has had beside those of its memory, as far as is shown.
        vectors: Symbols of vectors are in its memory, of which the vectors are not known.
    """

    key: str
    session_id: str
    fate: Fate
    reason: str | None = None
    node: str | None = None
    events: int = 0
    time: int | None = None
    older: int = 0
    vectors: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What became of all of them.

    Attributes:
        instance: The instance that has them.
        outcomes: One for each, in the order in which they were named or listed.
    """

    instance: str
    outcomes: Sequence[Outcome]

    def count(self, fate: Fate) -> int:
        """Return how many have met this fate."""
        return sum(one.fate is fate for one in self.outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """Those that could not become ours."""
        return [one for one in self.outcomes if one.fate is Fate.FAILED]

    def remarks(self) -> Iterator[str]:
        """Return what who has adopted them must know, as sentences."""
        adopted = [one for one in self.outcomes if one.fate is Fate.ADOPTED]
        if not adopted:
            return
        yield "From now on nobody else may write to them: send all that comes through kato_tasks."
        older = sum(one.older > 0 for one in adopted)
        if older:
            yield (
                f"{older:,} of them had observations that are not in their memory any more; the "
                "emotives and metadata of those are not shown, and are gone if the session is "
                "made anew."
            )
        vectors = sum(one.vectors for one in adopted)
        if vectors:
            yield (
                f"{vectors:,} of them remember symbols of vectors, which stay as they are named; "
                "the vectors themselves are not shown."
            )
