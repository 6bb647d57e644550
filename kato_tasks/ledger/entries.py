"""What the ledger holds: migrations and their items. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue


class MigrationState(StrEnum):
    """Where a migration is."""

    RUNNING = "running"
    """Hands work on it."""
    CANCELLED = "cancelled"
    """Somebody has cancelled it; it can be resumed."""
    STOPPED = "stopped"
    """It has stopped by itself, because too many of its items failed; it can be resumed."""
    DONE = "done"
    """Every item has an outcome."""


class ItemState(StrEnum):
    """Where one session of a migration is."""

    PENDING = "pending"
    """It waits for a hand."""
    MOVING = "moving"
    """A hand has it."""
    MOVED = "moved"
    """It is bound at its target."""
    SKIPPED = "skipped"
    """There was nothing to move."""
    FAILED = "failed"
    """It was not moved; it is where it was."""
    CANCELLED = "cancelled"
    """Its migration was cancelled before a hand took it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewItem:
    """A session that is to move.

    Attributes:
        key: The session key.
        node: Its node.
        source: The instance it is on.
        target: The instance it goes to.
    """

    key: str
    node: str
    source: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMigration:
    """A migration that is about to begin.

    Attributes:
        source: The instance that is left.
        target: The one that is gone to; None if each item has its own.
        wanted: What was asked for.
        parallel: How many hands work on it.
        rate: Most sessions per second; None for as fast as it goes.
        keep_for: Seconds for which sources are kept.
        accept_empty_node: Sessions may leave others of their node behind.
        most_failures: The share of failures beyond which it stops, 0 to 1.
        rolls_back: The migration that it undoes; None for none.
    """

    source: str
    target: str | None
    wanted: Mapping[str, JsonValue]
    parallel: int
    rate: float | None
    keep_for: float
    accept_empty_node: bool
    most_failures: float
    rolls_back: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """A migration.

    Attributes:
        id: Its name.
        source: See :class:`NewMigration`; so for those up to ``rolls_back``.
        state: Where it is.
        reason: Why it has stopped; empty if it has not.
        total: How many items it has.
        created_at: When it began.
        beat_at: When it last gave a sign of life.
        ended_at: When it was done, cancelled or stopped; None while it runs.
        store: The name of the store that its sessions are in; None if nobody has noted it.
    """

    id: str
    source: str
    target: str | None
    wanted: Mapping[str, JsonValue]
    parallel: int
    rate: float | None
    keep_for: float
    accept_empty_node: bool
    most_failures: float
    rolls_back: str | None
    state: MigrationState
    reason: str
    total: int
    created_at: float
    beat_at: float
    ended_at: float | None
    store: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One session of a migration.

    Attributes:
        migration: The migration's id.
        position: Its place in it, from 0.
        key: The session key.
        node: Its node.
        source: The instance it was on.
        target: The instance it goes to.
        state: Where it is.
        attempts: How often a hand took it.
        made: A copy at the target that nobody was bound to when it was noted; None for none.
        before: The server-side session that was bound at the source.
        after: The one that was bound at the target.
        error: Why it was not moved; empty if it was.
        began_at: When a hand first took it.
        ended_at: When it had its outcome.
        pause: Seconds for which its commands waited because of the move.
        calls: HTTP calls that it took.
        kept_until: Until when its source is kept; None if it is not.
    """

    migration: str
    position: int
    key: str
    node: str
    source: str
    target: str
    state: ItemState
    attempts: int
    made: str | None
    before: str | None
    after: str | None
    error: str
    began_at: float | None
    ended_at: float | None
    pause: float | None
    calls: int
    kept_until: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a hand says of an item.

    Attributes:
        key: The session key.
        state: MOVED, SKIPPED, FAILED, or PENDING to have it tried again.
        before: See :class:`Item`; so for those up to ``kept_until``.
        later: For PENDING, in how many seconds it is tried again.
    """

    key: str
    state: ItemState
    before: str | None = None
    after: str | None = None
    error: str = ""
    pause: float | None = None
    calls: int = 0
    kept_until: float | None = None
    later: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many items of a migration are in each state.

    Attributes:
        pending: They wait.
        moving: Hands have them.
        moved: They are at their target.
        skipped: There was nothing to move.
        failed: They are where they were.
        cancelled: They were cancelled before a hand took them.
    """

    pending: int = 0
    moving: int = 0
    moved: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def done(self) -> int:
        """How many have an outcome."""
        return self.moved + self.skipped + self.failed


@dataclass(frozen=True, kw_only=True, slots=True)
class Revisions:
    """The revision that the tables have, and the newest.

    Attributes:
        current: What they have; None if there are none yet.
        newest: What this release needs.
        by_itself: True if the first use brings them to the newest.
    """

    current: str | None
    newest: str
    by_itself: bool

    @property
    def up_to_date(self) -> bool:
        """True if they are the newest."""
        return self.current == self.newest

    @property
    def outdated(self) -> bool:
        """True if somebody has to bring them to the newest."""
        return not self.up_to_date and not self.by_itself
