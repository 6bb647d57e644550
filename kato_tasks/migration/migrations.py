"""Migrations as they are asked for: planned, begun, watched, cancelled, resumed, undone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import InvalidInput, KatoTasksError, SessionsMigrating
from kato_tasks.instrumentation import logger
from kato_tasks.ledger import (
    Item,
    ItemState,
    Ledger,
    Migration,
    MigrationState,
    NewItem,
    NewMigration,
    Outcome,
    Tally,
)
from kato_tasks.migration.asking import Request
from kato_tasks.migration.copies import drop_copy
from kato_tasks.migration.gathering import gather
from kato_tasks.migration.hands import CLAIMED, Hand, MoveHome, hands_of, refuse_stranger
from kato_tasks.migration.moved import How, Moved
from kato_tasks.migration.mover import Mover
from kato_tasks.migration.planning import Plan, Planner
from kato_tasks.registry import Registry

_SILENT: Final = 10.0
"""Seconds without a sign of life after which a migration gets new hands."""
_QUIET: Final = 3.0
"""Seconds after which a person who asks for new hands gets them."""
_SWEPT: Final = 50
_SEVERAL: Final = "several"
"""What a migration is from that takes sessions back from where each one went."""
_SMALL: Final = 1_000
"""Most sessions whose results are told one by one."""


class Hire(Protocol):
    """Has hands work on a migration. The core does not know that they are Celery tasks."""

    def __call__(self, migration: str, hands: int) -> None:
        """Send for hands; an implementation logs what fails and raises nothing.

        What is lost of it costs time only: the sweep sends for others.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a migration stands.

    Attributes:
        migration: It.
        tally: How many sessions are in each state.
        rolled_back_by: The migration that undoes it; None if there is none.
    """

    migration: Migration
    tally: Tally
    rolled_back_by: str | None = None

    @property
    def over(self) -> bool:
        """True if nothing of it is under way any more."""
        running = self.migration.state is MigrationState.RUNNING
        return not running and self.tally.moving == 0


class Migrations:
    """All migrations of one ledger.

    Args:
        planner: Plans them.
        ledger: Has them, item by item.
        mover: Moves sessions.
        registry: Tells where sessions are.
        hire: Has hands work on one.
        move_home: Has new sessions of a node made on another instance.

    Attributes:
        planner: Plans them.
        ledger: Has them, item by item.
    """

    def __init__(  # noqa: PLR0913 - what a migration takes
        self,
        planner: Planner,
        *,
        ledger: Ledger,
        mover: Mover,
        registry: Registry,
        hire: Hire,
        move_home: MoveHome,
    ) -> None:
        self.planner = planner
        self.ledger = ledger
        self._mover = mover
        self._registry = registry
        self._hire = hire
        self._move_home = move_home
        # One of its own: leases in the store must not wait for the ledger.
        self._keeper = LeaseKeeper(CLAIMED / 3)

    def close(self) -> None:
        """Stop to say that hands are at work. Idempotent."""
        self._keeper.close()

    def plan(self, request: Request) -> Plan:
        """Plan a migration; see :meth:`Planner.plan`."""
        return self.planner.plan(request)

    def start(self, plan: Plan) -> Migration:
        """Begin a migration, and send for hands.

        Raises:
            SessionsMigrating: Some of the sessions are in another migration; nothing is begun.
            LedgerUnavailable: The ledger did not answer.
            StoreUnavailable: The store did not answer; nothing is begun.
        """
        begun = self._begin(plan)
        self._hire(begun.id, hands_of(begun))
        return begun

    def run(self, plan: Plan, *, alone: bool = True) -> Standing:
        """Begin a migration and work on it in this thread; return how it stands in the end.

        Should this process die, or stop, the workers' sweep sends for hands.

        Args:
            plan: What to do.
            alone: False to send for hands too; no worker has to run.

        Raises:
            SessionsMigrating: Some of the sessions are in another migration; nothing is begun.
            LedgerUnavailable: The ledger did not answer.
            StoreUnavailable: The store did not answer. What was moved is moved.
        """
        begun = self._begin(plan) if alone else self.start(plan)
        return self.go_on(begun.id)

    def go_on(self, migration: str) -> Standing:
        """Work on a migration in this thread, as :meth:`run` does; return how it stands in the end.

        Raises:
            UnknownMigration: There is none of that id.
            LedgerUnavailable: The ledger did not answer.
            StoreUnavailable: The store did not answer. What was moved is moved.
        """
        while self.hand(migration) and not self._mover.stopping:
            pass
        return self.standing(migration)

    def move_one(  # noqa: PLR0913 - what a person may choose, and the task
        self,
        key: str,
        *,
        source: str,
        target: str,
        keep_for: float = 0.0,
        accept_empty_node: bool = False,
        again: bool = False,
    ) -> Mapping[str, str] | None:
        """Move one session now, by a migration of its own in this thread.

        Args:
            key: The session key.
            source: The instance that it is on.
            target: The one that it goes to.
            keep_for: Seconds for which the source's session is left to be looked at.
            accept_empty_node: It may leave what its node has learned behind.
            again: An earlier call may have begun this migration: it goes on then.

        Returns:
            What became of it, as one of :meth:`results`; None if this process stops before that.

        Raises:
            InvalidInput: It is not on the source, or the target cannot take it.
            SessionsMigrating: It is in a migration already.
            LedgerUnavailable: The ledger did not answer.
            StoreUnavailable: The store did not answer. What was moved is moved.
        """
        request = Request(
            source=source,
            target=target,
            keys=(key,),
            parallel=1,
            keep_for=keep_for,
            accept_empty_node=accept_empty_node,
            most_failures=1.0,
        )
        plan = self.plan(request)
        try:
            standing = self.run(plan)
        except SessionsMigrating as error:
            if not (again and self._is_of_one(error.migration, request)):
                raise
            standing = self.go_on(error.migration)
        return self.results(standing.migration.id)[key] if standing.over else None

    def _is_of_one(self, migration: str, request: Request) -> bool:
        """Tell whether a migration is what was asked for, with one session by its key."""
        found = self.ledger.get(migration)
        keys = [item.key for item in islice(self.ledger.items(migration), 2)]
        return (found.source, found.target, found.rolls_back, tuple(keys)) == (
            request.source,
            request.target,
            None,
            request.keys,
        )

    def _begin(self, plan: Plan) -> Migration:
        request = plan.request
        new = NewMigration(
            source=request.source,
            target=request.target,
            wanted=request.as_json(),
            parallel=request.parallel,
            rate=request.rate,
            keep_for=request.keep_for,
            accept_empty_node=request.accept_empty_node,
            most_failures=request.most_failures,
        )
        return self._create(new, self.planner.items(request))

    def hand(self, migration: str) -> bool:
        """Work on a migration for one turn; see :meth:`Hand.turn`."""
        hand = Hand(self.ledger, self._mover, self._move_home, self._keeper)
        goes_on = hand.turn(migration)
        if not goes_on:
            self.finish(migration)
        return goes_on

    def finish(self, migration: str) -> bool:
        """Note that a migration is done, if it is; may be repeated.

        Returns:
            True for the one who has noted it.
        """
        finished = self.ledger.finish(migration)
        if finished:
            logger.info("migration done", extra={"migration": migration})
        return finished

    def standing(self, migration: str) -> Standing:
        """Return how a migration stands.

        Raises:
            UnknownMigration: There is none of that id.
        """
        return Standing(
            migration=self.ledger.get(migration),
            tally=self.ledger.tally(migration),
            rolled_back_by=self.ledger.rolled_back_by(migration),
        )

    def results(self, migration: str, *, most: int = _SMALL) -> Mapping[str, Mapping[str, str]]:
        """Return what became of each session of a small migration, as the guide has it.

        Args:
            migration: The migration.
            most: How many sessions a small one has at most.

        Returns:
            ``{key: {"status": "success", "new_id": …}}`` or ``{key: {"status": "failed",
            "error": …}}``; nothing for one of more sessions.

        Raises:
            UnknownMigration: There is none of that id.
        """
        if self.ledger.get(migration).total > most:
            return {}
        return {item.key: _result(item) for item in self.ledger.items(migration)}

    def cancel(self, migration: str) -> bool:
        """Let a migration move no further session; False if it was not running.

        Those that are under way arrive; what was moved stays moved.

        Raises:
            UnknownMigration: There is none of that id.
        """
        found = self.ledger.get(migration)
        # Of one of another store, which may not be there any more, nobody looks what hands have.
        return self.ledger.cancel(migration, under_way=not self.ledger.owns(found))

    def resume(self, migration: str) -> bool:
        """Go on with what was cancelled, has stopped or failed; False if nothing is left to do.

        One that is running gets new hands if the others give no sign of life.

        Raises:
            UnknownMigration: There is none of that id.
            InvalidInput: Its sessions are in another store, or it is rolled back.
            SessionsMigrating: Some of its sessions are in another migration by now.
        """
        found = self.ledger.get(migration)
        refuse_stranger(self.ledger, found)
        if found.state is MigrationState.RUNNING:
            goes_on, silent = True, self.ledger.beat(migration, older=_QUIET)
        else:
            goes_on = silent = self.ledger.resume(migration)
        if silent:
            self._hire(migration, hands_of(found))
        return goes_on

    def rollback(self, migration: str) -> Migration:
        """Begin to move every session of a migration back, to a new server-side session.

        What was applied since comes along. The session that was left is not bound again.

        Raises:
            UnknownMigration: There is none of that id.
            InvalidInput: It is not done, or is rolled back already; nothing is begun.
            SessionsMigrating: Some of its sessions are in another migration by now.
        """
        found = self.ledger.get(migration)
        refuse_stranger(self.ledger, found)
        self._refuse_rollback(found)
        new = NewMigration(
            source=found.target or _SEVERAL,
            target=found.source,
            wanted={},
            parallel=found.parallel,
            rate=found.rate,
            keep_for=0.0,
            accept_empty_node=True,
            most_failures=found.most_failures,
            rolls_back=migration,
        )
        begun = self._create(new, self._moved_by(migration))
        self._hire(begun.id, hands_of(begun))
        return begun

    def tend(self) -> int:
        """Send hands to migrations that lost theirs, and see to what others have left.

        That is sources kept for long enough, which are deleted, and sessions that were on their way
        when their migration was cancelled and its hand died.

        Returns:
            How many migrations got new hands.

        Raises:
            LedgerUnavailable: The ledger did not answer.
            StoreUnavailable: The store did not answer.
        """
        tended = 0
        for migration in self.ledger.running():
            if self.ledger.beat(migration.id, older=_SILENT):
                tended += 1
                self._hire(migration.id, hands_of(migration))
        for item in self.ledger.kept(due=True, limit=_SWEPT):
            self._drop_kept(item)
        name = secrets.token_hex(8)
        for item in self.ledger.claim_left(name, most=_SWEPT, seconds=CLAIMED):
            outcome = self._left(item)
            if outcome is not None:
                self.ledger.settle(item.migration, name, [outcome])
        return tended

    def _create(self, new: NewMigration, items: Iterator[NewItem]) -> Migration:
        begun = self.ledger.create(new, gather(items))
        facts = {"migration": begun.id, "sessions": begun.total}
        logger.info("migration begun", extra=facts)
        return begun

    def _moved_by(self, migration: str) -> Iterator[NewItem]:
        for item in self.ledger.items(migration, states=(ItemState.MOVED,)):
            yield NewItem(key=item.key, node=item.node, source=item.target, target=item.source)

    def _refuse_rollback(self, found: Migration) -> None:
        allowed = "one that is done"
        if found.state is MigrationState.CANCELLED:
            problem = "was cancelled: resume it first, or move its sessions back with another"
            raise InvalidInput(f"migration {found.id}", problem, allowed)
        if found.state is not MigrationState.DONE and not self._has_tried_all(found):
            raise InvalidInput(f"migration {found.id}", f"is {found.state.value}", allowed)
        by = self.ledger.rolled_back_by(found.id)
        if by is not None:
            raise InvalidInput(f"migration {found.id}", f"is rolled back by {by}", allowed)

    def _has_tried_all(self, found: Migration) -> bool:
        """Tell whether one has stopped that had nothing left: resumed, it would fail again."""
        tally = self.ledger.tally(found.id)
        left = tally.pending + tally.moving + tally.cancelled
        return found.state is MigrationState.STOPPED and not left

    def _left(self, item: Item) -> Outcome | None:
        """Return what became of a session that was left on its way; None if it is still on it."""
        try:
            moved = self._mover.look(item.key, item.target, item.made)
        except InvalidInput as error:
            # Its instance is not configured here: its copy is left to expire.
            moved = self._where(item, str(error))
        if moved is None:
            return None
        arrived = moved.how is How.ALREADY
        state = ItemState.MOVED if arrived else ItemState.PENDING
        after = moved.after if arrived else None
        return Outcome(key=item.key, state=state, after=after, error=moved.error)

    def _where(self, item: Item, error: str) -> Moved:
        record = self._registry.get(item.key)
        if record is not None and record.spec.instance == item.target:
            return Moved(how=How.ALREADY, after=record.session_id)
        return Moved(how=How.LATER, error=error)

    def _drop_kept(self, item: Item) -> None:
        """Delete a source that was kept, unless somebody is bound to it after all."""
        record = self._registry.get(item.key)
        bound = record is not None and record.session_id == item.before
        if not bound and item.before is not None:
            with suppress(KatoTasksError):
                drop_copy(self._mover.client(item.source), item.before)
        self.ledger.kept_gone(item.migration, item.key)


def _result(item: Item) -> dict[str, str]:
    if item.state is ItemState.MOVED:
        return {"status": "success", "new_id": item.after or ""}
    return {"status": "failed", "error": item.error or f"it is {item.state.value}"}
