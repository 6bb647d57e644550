"""A hand: takes sessions of a migration from the ledger, and moves them, for one turn."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import InvalidInput, LedgerOutdated, LedgerUnavailable, StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.ledger import Item, ItemState, Ledger, Migration, MigrationState, Outcome
from kato_tasks.migration.moved import How, Moved
from kato_tasks.migration.mover import Mover

_CHUNK: Final = 10
"""Most sessions that one hand has at a time: so many wait for a hand that died."""
CLAIMED: Final = 10.0
"""Seconds for which they are a hand's own, unless it says that it is at work."""
_LOOK: Final = 1.0
"""Seconds between two looks at what has become of the migration."""
_TURN: Final = 5.0
"""Seconds after which a hand gives others their turn."""
_IDLE: Final = 0.5
"""Seconds that a hand waits for sessions that others have, or that are put off."""
_TRIES: Final = 8
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_LEAST: Final = 20
"""How many sessions must be done before a share of failures says anything."""

_STATES: Final = {
    How.MOVED: ItemState.MOVED,
    How.ALREADY: ItemState.MOVED,
    How.NOTHING: ItemState.SKIPPED,
    How.FAILED: ItemState.FAILED,
}

MoveHome = Callable[[str, str], object]
"""Has new sessions of a node made on another instance from now on."""


@dataclass(slots=True)
class Hand:
    """One hand of a migration.

    Args:
        ledger: Has the migration.
        mover: Moves sessions.
        move_home: Has new sessions of a node made on its target.
        keeper: Says meanwhile that it is at work: one session may take longer than others wait for
            a sign of life. None if nobody does.
    """

    ledger: Ledger
    mover: Mover
    move_home: MoveHome
    keeper: LeaseKeeper | None = None
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _homes: set[str] = field(default_factory=set)
    _looked: float = 0.0
    _unclear: str | None = None

    def turn(self, migration: str) -> bool:
        """Work on a migration for one turn.

        Returns:
            True if it goes on and there is, or may be, something left for this hand to do.

        Raises:
            UnknownMigration: There is none of that id.
            InvalidInput: Its sessions are in another store; nothing is done.
            LedgerUnavailable: The ledger did not answer. What was moved is moved.
            StoreUnavailable: The store did not answer. What was moved is moved.
        """
        found = self.ledger.get(migration)
        if found.state is not MigrationState.RUNNING:
            return False
        refuse_stranger(self.ledger, found)
        until = time.monotonic() + _TURN
        while items := self.ledger.claim(migration, self._name, most=_CHUNK, seconds=CLAIMED):
            try:
                with self._keeping(migration):
                    self._move_all(found, items, until)
            finally:
                self.ledger.give_back(migration, self._name, unclear=self._unclear)
            self._stop_beyond(found)
            if self.mover.stopping or time.monotonic() >= until:
                return True
        return self._wait(found)

    def _keeping(self, migration: str) -> AbstractContextManager[None]:
        if self.keeper is None:
            return nullcontext()

        def renew() -> bool:
            self.ledger.renew(migration, self._name, seconds=CLAIMED)
            return True

        return self.keeper.keeping(renew)

    def _wait(self, migration: Migration) -> bool:
        tally = self.ledger.tally(migration.id)
        if tally.pending + tally.moving == 0:
            return False
        time.sleep(_IDLE)
        return True

    def _move_all(self, migration: Migration, items: list[Item], until: float) -> None:
        self._looked = time.monotonic()
        for item in items:
            before = time.monotonic()
            if before >= until or not self._goes_on(migration):
                return
            # Left here by an error, it may have been moved or not.
            self._unclear = item.key
            moved = self._move(migration, item)
            if moved.wait:
                # Nothing was tried, so it is no attempt: it goes back as it was.
                self._unclear = None
                self._wait_until(migration, before + moved.wait)
                return
            outcome = _outcome(migration, item, moved)
            self.ledger.settle(migration.id, self._name, [outcome])
            self._unclear = None
            if not self._wait_until(migration, before + _interval(migration)):
                return

    def _goes_on(self, migration: Migration) -> bool:
        """Tell whether this hand goes on; now and then the ledger is told of it, and asked."""
        if self.mover.stopping:
            return False
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return True
        self._looked = now
        state = self.ledger.renew(migration.id, self._name, seconds=CLAIMED)
        return state is MigrationState.RUNNING

    def _wait_until(self, migration: Migration, due: float) -> bool:
        """Keep to the rate; False if this hand does not go on."""
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))
            if not self._goes_on(migration):
                return False
        return True

    def _move(self, migration: Migration, item: Item) -> Moved:
        if not _may_tear(migration):
            self._move_home(item)
        keep = migration.keep_for > 0
        try:
            return self.mover.move(
                item.key,
                item.target,
                keep=keep,
                made=item.made,
                note=lambda made: self.ledger.note_made(migration.id, item.key, self._name, made),
            )
        except InvalidInput as error:
            # Its instance is not configured here, and may be elsewhere: settings change one by one.
            return Moved(how=How.LATER, error=str(error))
        except (StoreUnavailable, LedgerUnavailable, LedgerOutdated):
            raise
        except Exception as error:  # noqa: BLE001 - one session must not keep the others here
            logger.exception("move broken off", extra={"session": item.key})
            return Moved(how=How.LATER, error=f"its move was broken off: {error!r}")

    def _move_home(self, item: Item) -> None:
        if item.node not in self._homes:
            self.move_home(item.node, item.target)
            self._homes.add(item.node)

    def _stop_beyond(self, migration: Migration) -> None:
        # Counting goes through all items, most times for nothing.
        if not self.ledger.has_failures(migration.id):
            return
        tally = self.ledger.tally(migration.id)
        done = tally.done
        share = tally.failed / done if done else 0.0
        if done >= min(_LEAST, migration.total) and share > migration.most_failures:
            reason = (
                f"{tally.failed:,} of {done:,} sessions failed, more than "
                f"{migration.most_failures:.0%}; see why with kato-tasks migrate status "
                f"{migration.id} --failed"
            )
            if self.ledger.cancel(migration.id, state=MigrationState.STOPPED, reason=reason):
                logger.error("migration stopped", extra={"migration": migration.id})


def _may_tear(migration: Migration) -> bool:
    """Tell whether others of a node stay behind: its new sessions are made where they are then."""
    picks = any(migration.wanted.get(name) for name in ("keys", "prefix", "tags"))
    return migration.accept_empty_node and picks


def refuse_stranger(ledger: Ledger, migration: Migration) -> None:
    """See that the sessions of a migration are in this store.

    Raises:
        InvalidInput: They are in another one, where there may be others of the same keys.
    """
    if not ledger.owns(migration):
        raise InvalidInput(
            f"migration {migration.id}", "is one of another store", "one that this store has begun"
        )


def _outcome(migration: Migration, item: Item, moved: Moved) -> Outcome:
    kept = time.time() + migration.keep_for if moved.kept else None
    later = moved.how is How.LATER and item.attempts < _TRIES
    return Outcome(
        key=item.key,
        state=ItemState.PENDING if later else _STATES.get(moved.how, ItemState.FAILED),
        before=moved.before,
        after=moved.after,
        error=moved.error,
        pause=moved.pause if moved.how is How.MOVED else None,
        calls=moved.calls,
        kept_until=kept,
        later=_pause(item.attempts) if later else 0.0,
    )


def _pause(attempts: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** max(0, attempts - 1))


def hands_of(migration: Migration) -> int:
    """Return how many hands a migration has: with a low rate, fewer than may work in parallel."""
    if migration.rate is None:
        return migration.parallel
    return max(1, min(migration.parallel, int(migration.rate)))


def _interval(migration: Migration) -> float:
    """Return how many seconds one hand takes for each session at least."""
    return 0.0 if migration.rate is None else hands_of(migration) / migration.rate
