"""The verbs of the ledger. Every one is one transaction, and may be repeated.

Locks are taken in one order, so that nobody waits in a circle: who may begin, the migration, its
items. SQLite has one for all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from kato_tasks.errors import (
    InvalidInput,
    LedgerOutdated,
    SessionsMigrating,
    UnknownMigration,
)
from kato_tasks.ledger.database import Database
from kato_tasks.ledger.entries import (
    Item,
    ItemState,
    Migration,
    MigrationState,
    NewItem,
    NewMigration,
    Outcome,
    Revisions,
    Tally,
)
from kato_tasks.ledger.statements import (
    NEW_FIELDS,
    STEP,
    Taken,
    free_positions,
    is_held,
    is_migration,
    lock_migration,
    new_name,
    note_beat,
    read_item,
    read_migration,
    refuse_taken,
    refuse_undone,
    refuse_unfinished,
    settle_item,
    where_it_waits,
    write_items,
)
from kato_tasks.ledger.tables import is_open, items, migrations

_RECENT: Final = 3


class Ledger:
    """The migrations of one database. Thread-safe, but not across a fork; opens at its first use.

    Every verb may raise LedgerUnavailable, and LedgerOutdated where the tables of a server are not
    those of this release. The tables of a file are brought to it at the first use.

    Args:
        url: The database; ``""`` for a file of this user's own.
        now: The clock, epoch seconds; the database server's if absent, as the clocks of several
            machines differ.
        store: Returns the name of the store whose sessions move. Migrations of others are left
            alone by who looks after migrations; None if there is one only.

    Raises:
        InvalidInput: The URL is none of a database that can be a ledger.
    """

    def __init__(
        self,
        url: str = "",
        *,
        now: Callable[[], float] | None = None,
        store: Callable[[], str] | None = None,
    ) -> None:
        self._database = Database(url)
        self._store = store
        self._now = self._database.time if now is None else now
        self._lock = threading.Lock()
        self._is_current = False

    @property
    def exists(self) -> bool:
        """False if it is a file that nobody has made yet: there is no migration."""
        return self._database.exists

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        return self._database.shown

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._database.close()

    def revisions(self) -> Revisions:
        """Return which revision the tables have, and which they need."""
        # Alembic takes a fifth of a program's start, and few ask for it.
        from kato_tasks.ledger import schema  # noqa: PLC0415

        return schema.revisions(self._database)

    def upgrade(self) -> Revisions:
        """Bring the tables to the newest revision; return which they had."""
        before = self.revisions()
        if not before.up_to_date:
            from kato_tasks.ledger import schema  # noqa: PLC0415

            schema.upgrade(self._database)
        return before

    # What people and tasks begin and end.

    def create(self, new: NewMigration, wanted: Iterable[NewItem]) -> Migration:
        """Begin a migration.

        Args:
            new: It.
            wanted: Its items, each key once; they are written as they come.

        Raises:
            InvalidInput: There is no item, or one twice, or what it undoes is not done, or undone
                already; nothing is written.
            SessionsMigrating: A session is in another migration; nothing is written.
        """
        now = self._now()
        name = new_name(now)
        fields = {field: getattr(new, field) for field in NEW_FIELDS}
        fields |= {"id": name, "state": MigrationState.RUNNING.value, "reason": "", "total": 0}
        fields |= {"created_at": now, "beat_at": now, "wanted": dict(new.wanted)}
        fields["store"] = None if self._store is None else self._store()
        try:
            with self._writing() as connection:
                self._database.hold_back_others(connection)
                if new.rolls_back is not None:
                    refuse_undone(connection, new.rolls_back, allowed="one that is done")
                    refuse_unfinished(connection, new.rolls_back)
                connection.execute(insert(migrations).values(fields))
                total = write_items(connection, name, wanted)
                if not total:
                    raise InvalidInput("the migration", "has no session", "at least one")
                connection.execute(
                    update(migrations).where(migrations.c.id == name).values(total=total)
                )
        except Taken as taken:
            raise self._taken(taken) from None
        return self.get(name)

    def cancel(
        self,
        migration: str,
        *,
        state: MigrationState = MigrationState.CANCELLED,
        reason: str = "",
        under_way: bool = False,
    ) -> bool:
        """Have no further item taken.

        Args:
            migration: The migration.
            state: CANCELLED, or STOPPED if it does so by itself.
            reason: Why it does.
            under_way: Those that a hand has are cancelled too; one that was moved all the same is
                noted as that later.

        Returns:
            False if it was not running.
        """
        with self._writing() as connection:
            changed = connection.execute(
                update(migrations)
                .where(is_migration(migration), migrations.c.state == MigrationState.RUNNING)
                .values(state=state.value, reason=reason, ended_at=self._now())
            )
            if not changed.rowcount:
                return False
            still = is_open() if under_way else items.c.state == ItemState.PENDING
            connection.execute(
                update(items)
                .where(items.c.migration == migration, still)
                .values(state=ItemState.CANCELLED.value, until=0.0)
            )
            return True

    def resume(self, migration: str) -> bool:
        """Have items taken again that were cancelled, or failed.

        Returns:
            False if nothing is left to do.

        Raises:
            InvalidInput: It is rolled back; nothing has changed.
            SessionsMigrating: A session is in another migration by now; nothing has changed.
        """
        states = (ItemState.CANCELLED, ItemState.FAILED)
        try:
            with self._writing() as connection:
                self._database.hold_back_others(connection)
                state = lock_migration(connection, migration)
                if state in (None, MigrationState.RUNNING):
                    return state is not None
                refuse_taken(connection, migration, states)
                goes_on = self._resume(connection, migration, states)
                if goes_on:
                    refuse_undone(connection, migration, allowed="one that is not undone")
                return goes_on
        except Taken as taken:
            raise self._taken(taken) from None

    def finish(self, migration: str) -> bool:
        """Note that a running migration is done, if it is; True for one caller."""
        left = select(items.c.position).where(items.c.migration == migration, is_open()).exists()
        with self._writing() as connection:
            changed = connection.execute(
                update(migrations)
                .where(is_migration(migration), migrations.c.state == MigrationState.RUNNING, ~left)
                .values(state=MigrationState.DONE.value, ended_at=self._now())
            )
            return bool(changed.rowcount)

    # What is read.

    def get(self, migration: str) -> Migration:
        """Return a migration.

        Raises:
            UnknownMigration: There is none of that id.
        """
        found = None
        if migration.isascii() and migration.isprintable():
            with self._reading() as connection:
                found = connection.execute(
                    select(migrations).where(is_migration(migration))
                ).one_or_none()
        if found is None:
            raise UnknownMigration(migration, [one.id for one in self.recent(limit=_RECENT)])
        return read_migration(found)

    def owns(self, migration: Migration) -> bool:
        """Tell whether a migration's sessions are in this store.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._store is None or migration.store in (None, self._store())

    def recent(self, *, limit: int) -> list[Migration]:
        """Return the latest migrations, the newest first."""
        newest = (
            select(migrations)
            .order_by(migrations.c.created_at.desc(), migrations.c.id.desc())
            .limit(limit)
        )
        return self._migrations(newest)

    def running(self) -> list[Migration]:
        """Return the migrations of this store that hands work on."""
        return self._migrations(
            select(migrations).where(
                migrations.c.state == MigrationState.RUNNING, *self._of_this_store()
            )
        )

    def tally(self, migration: str) -> Tally:
        """Return how many items are in each state."""
        counted = (
            select(items.c.state, func.count())
            .where(items.c.migration == migration)
            .group_by(items.c.state)
        )
        with self._reading() as connection:
            return Tally(**{str(state): int(count) for state, count in connection.execute(counted)})

    def has_failures(self, migration: str) -> bool:
        """Tell whether an item has failed; that costs the same however many there are."""
        failed = (
            select(items.c.position)
            .where(items.c.migration == migration, items.c.state == ItemState.FAILED)
            .limit(1)
        )
        with self._reading() as connection:
            return connection.execute(failed).first() is not None

    def items(
        self,
        migration: str,
        *,
        states: Collection[ItemState] = (),
    ) -> Iterator[Item]:
        """Return items by their position, read in bounded steps.

        Args:
            migration: The migration.
            states: Only those in one of these; all if there are none.
        """
        after = -1
        while True:
            found = self._items(migration, states, after)
            yield from found
            if len(found) < STEP:
                return
            after = found[-1].position

    def rolled_back_by(self, migration: str) -> str | None:
        """Return the latest migration that undoes this one; None if there is none."""
        undo = (
            select(migrations.c.id)
            .where(migrations.c.rolls_back == migration)
            .order_by(migrations.c.created_at.desc(), migrations.c.id.desc())
            .limit(1)
        )
        with self._reading() as connection:
            return connection.execute(undo).scalar_one_or_none()

    # What hands do.

    def claim(self, migration: str, by: str, *, most: int, seconds: float) -> list[Item]:
        """Take items of a running migration: those that wait, and those that a dead hand had.

        Args:
            migration: The migration.
            by: Who takes them.
            most: Most items.
            seconds: For how long they are this hand's own, unless it renews that.
        """
        now = self._now()
        with self._writing() as connection:
            if lock_migration(connection, migration) is not MigrationState.RUNNING:
                return []
            note_beat(connection, migration, now)
            positions = free_positions(connection, migration, now, most)
            if not positions:
                return []
            taken = connection.execute(
                update(items)
                .where(items.c.migration == migration, items.c.position.in_(positions))
                .values(
                    state=ItemState.MOVING.value,
                    claimed_by=by,
                    until=now + seconds,
                    attempts=items.c.attempts + 1,
                    began_at=func.coalesce(items.c.began_at, now),
                )
                .returning(*items.c)
            )
            return sorted(map(read_item, taken), key=lambda one: (one.attempts, one.position))

    def renew(self, migration: str, by: str, *, seconds: float) -> MigrationState:
        """Say that a hand is at work; answers what has become of the migration.

        Raises:
            UnknownMigration: There is none of that id.
        """
        now = self._now()
        with self._writing() as connection:
            note_beat(connection, migration, now)
            connection.execute(
                update(items).where(is_held(migration, by)).values(until=now + seconds)
            )
        return self.get(migration).state

    def note_made(self, migration: str, key: str, by: str, session_id: str | None) -> bool:
        """Note a copy that nobody is bound to; False if the item is not this hand's any more."""
        with self._writing() as connection:
            noted = connection.execute(
                update(items)
                .where(is_held(migration, by), items.c.key == key)
                .values(made=session_id)
            )
            return bool(noted.rowcount)

    def settle(self, migration: str, by: str, outcomes: Collection[Outcome]) -> int:
        """Note outcomes.

        An item that was taken from this hand meanwhile keeps what it has; but that a session was
        moved is noted whoever says so: its binding is switched. What is to be tried again is
        cancelled if the migration is.

        Returns:
            How many were noted.
        """
        now = self._now()
        in_order = sorted(outcomes, key=lambda one: one.key)
        with self._writing() as connection:
            waits = where_it_waits(connection, migration)
            return sum(
                settle_item(connection, (migration, by), one, waits, now) for one in in_order
            )

    def give_back(self, migration: str, by: str, *, unclear: str | None = None) -> int:
        """Have others take what a hand has not moved; how many items those are.

        Args:
            migration: The migration.
            by: The hand.
            unclear: The session of which it does not know whether it was moved: it counts as on its
                way until somebody has looked, even if the migration is cancelled. None for none.
        """
        with self._writing() as connection:
            state = where_it_waits(connection, migration)
            if unclear is not None:
                connection.execute(
                    update(items)
                    .where(is_held(migration, by), items.c.key == unclear)
                    .values(claimed_by=None, until=0.0)
                )
            given = connection.execute(
                update(items)
                .where(is_held(migration, by))
                .values(
                    state=state.value, claimed_by=None, until=0.0, attempts=items.c.attempts - 1
                )
            )
            return given.rowcount

    # What the sweep does.

    def claim_left(self, by: str, *, most: int, seconds: float) -> list[Item]:
        """Take items that a hand has left on their way in a migration that does not run any more.

        Nobody else takes them, and somebody has to say what became of them.

        Args:
            by: Who takes them.
            most: Most items.
            seconds: For how long they are this one's own.
        """
        now = self._now()
        runs = (
            select(migrations.c.id)
            .where(
                migrations.c.id == items.c.migration,
                migrations.c.state == MigrationState.RUNNING,
            )
            .exists()
        )
        left = (
            select(items.c.migration, items.c.position)
            .where(items.c.state == ItemState.MOVING, is_open(), items.c.until <= now, ~runs)
            .where(*self._items_of_this_store())
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        with self._writing() as connection:
            found = list(map(tuple, connection.execute(left)))
            if not found:
                return []
            taken = connection.execute(
                update(items)
                .where(tuple_(items.c.migration, items.c.position).in_(found))
                .values(claimed_by=by, until=now + seconds)
                .returning(*items.c)
            )
            return list(map(read_item, taken))

    def beat(self, migration: str, *, older: float) -> bool:
        """Take the right to look after a migration that gave no sign of life for so many seconds.

        Returns:
            True for one caller; for the others it has just given one.
        """
        now = self._now()
        with self._writing() as connection:
            taken = connection.execute(
                update(migrations)
                .where(
                    is_migration(migration),
                    migrations.c.state == MigrationState.RUNNING,
                    migrations.c.beat_at < now - older,
                )
                .values(beat_at=now)
            )
            return bool(taken.rowcount)

    def kept(self, *, due: bool, limit: int) -> list[Item]:
        """Return items whose source is kept; ``due``: only those whose time is over."""
        wanted = select(items).where(items.c.kept_until.is_not(None), *self._items_of_this_store())
        if due:
            wanted = wanted.where(items.c.kept_until <= self._now())
        with self._reading() as connection:
            found = connection.execute(wanted.order_by(items.c.kept_until).limit(limit))
            return list(map(read_item, found))

    def kept_gone(self, migration: str, key: str) -> None:
        """Note that a source is kept no longer."""
        with self._writing() as connection:
            connection.execute(
                update(items)
                .where(items.c.migration == migration, items.c.key == key)
                .values(kept_until=None)
            )

    # How.

    def _of_this_store(self) -> tuple[ColumnElement[bool], ...]:
        if self._store is None:
            return ()
        return (or_(migrations.c.store.is_(None), migrations.c.store == self._store()),)

    def _items_of_this_store(self) -> tuple[ColumnElement[bool], ...]:
        """Return which items are of this store; read before a transaction begins."""
        of_this = self._of_this_store()
        if not of_this:
            return ()
        ours = select(migrations.c.id).where(migrations.c.id == items.c.migration, *of_this)
        return (ours.exists(),)

    def _resume(
        self, connection: Connection, migration: str, states: Collection[ItemState]
    ) -> bool:
        again = connection.execute(
            update(items)
            .where(items.c.migration == migration, items.c.state.in_(states))
            .values(state=ItemState.PENDING.value, error="", until=0.0, attempts=0, ended_at=None)
        )
        left = select(items.c.position).where(items.c.migration == migration, is_open())
        if not again.rowcount and connection.execute(left.limit(1)).first() is None:
            return False
        connection.execute(
            update(migrations)
            .where(is_migration(migration))
            .values(
                state=MigrationState.RUNNING.value, reason="", ended_at=None, beat_at=self._now()
            )
        )
        return True

    def _taken(self, taken: Taken) -> InvalidInput:
        """Return the error that says in which migration sessions are."""
        holders = select(items.c.key, items.c.migration).where(
            items.c.key.in_(taken.keys), is_open()
        )
        with self._reading() as connection:
            by = {str(key): str(name) for key, name in connection.execute(holders)}
        first = next((key for key in taken.keys if key in by), None)
        if taken.count is None and first is None:
            return InvalidInput("the migration", "has a session twice", "every session once")
        count = len(by) if taken.count is None else taken.count
        first = taken.keys[0] if first is None else first
        return SessionsMigrating(count, first, by.get(first, ""))

    def _items(self, migration: str, states: Collection[ItemState], after: int) -> list[Item]:
        """Return the next items after a position; none if there are no more."""
        wanted = select(items).where(items.c.migration == migration, items.c.position > after)
        if states:
            wanted = wanted.where(items.c.state.in_(list(states)))
        with self._reading() as connection:
            found = connection.execute(wanted.order_by(items.c.position).limit(STEP))
            return list(map(read_item, found))

    def _migrations(self, wanted: Select[Any]) -> list[Migration]:
        with self._reading() as connection:
            return list(map(read_migration, connection.execute(wanted)))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._see_to_tables()
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._see_to_tables()
        with self._database.writing() as connection:
            yield connection

    def _see_to_tables(self) -> None:
        """See once that the tables are of this release."""
        with self._lock:
            if self._is_current:
                return
            if self._database.is_file:
                self.upgrade()
            else:
                found = self.revisions()
                if found.outdated:
                    raise LedgerOutdated(self.shown, found.current or "none", found.newest)
            self._is_current = True
