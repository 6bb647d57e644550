"""What becomes of a session that is to move."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kato_tasks.errors import KatoTasksError


class NotNow(KatoTasksError):
    """A session cannot be moved at this moment, and nothing is wrong with it."""


class How(StrEnum):
    """How a move ended."""

    MOVED = "moved"
    """The session is bound at the target."""
    ALREADY = "already"
    """It was there."""
    NOTHING = "nothing"
    """There is no such session, or it has ended: there is nothing to move."""
    LATER = "later"
    """It could not be moved now, and nothing is wrong with it: the source is bound."""
    FAILED = "failed"
    """It cannot be moved until somebody does something about it: the source is bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """The outcome of one move.

    Attributes:
        how: How it ended.
        before: The server-side session that was bound at the source; None if there was none.
        after: The one that is bound at the target; None if there is none.
        error: Why it was not moved, as a sentence; empty if it was.
        pause: Seconds for which its commands waited because of the move.
        calls: HTTP calls that it took.
        kept: The source's session is still there.
        wait: For how many seconds the target is not called at all: nothing was tried. 0 if it was.
    """

    how: How
    before: str | None = None
    after: str | None = None
    error: str = ""
    pause: float = 0.0
    calls: int = 0
    kept: bool = False
    wait: float = 0.0
