"""The statements of which the ledger's verbs are made; each runs in its caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from kato_tasks.errors import (
    InvalidInput,
)
from kato_tasks.ledger.entries import (
    Item,
    ItemState,
    Migration,
    MigrationState,
    NewItem,
    Outcome,
)
from kato_tasks.ledger.tables import is_open, items, migrations

STEP: Final = 1_000
"""How many items are written, or read, at a time."""
_ERROR: Final = 2_000
"""How many characters of an error are kept."""


class Taken(Exception):
    """Sessions are in another migration.

    Args:
        keys: Some of them; or, if nobody knows how many there are, those that may be.
        count: How many there are.
    """

    def __init__(self, keys: Sequence[str], count: int | None = None) -> None:
        super().__init__(keys, count)
        self.keys = keys
        self.count = count


NEW_FIELDS: Final = (
    "source",
    "target",
    "parallel",
    "rate",
    "keep_for",
    "accept_empty_node",
    "most_failures",
    "rolls_back",
)


def new_name(now: float) -> str:
    """Return the name of a migration that begins now: its second, UTC, and a random part."""
    return f"m-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def is_migration(migration: str) -> ColumnElement[bool]:
    """Return what is true of one row of the migrations."""
    return migrations.c.id == migration


def is_held(migration: str, by: str) -> ColumnElement[bool]:
    """Return what is true of the items that a hand has of a migration."""
    return and_(
        items.c.migration == migration,
        items.c.claimed_by == by,
        items.c.state == ItemState.MOVING,
    )


def lock_migration(
    connection: Connection, migration: str, *, shared: bool = False
) -> MigrationState | None:
    """Keep a migration in its state until the transaction ends; return that, or None for none."""
    found = select(migrations.c.state).where(is_migration(migration)).with_for_update(read=shared)
    state = connection.execute(found).scalar_one_or_none()
    return None if state is None else MigrationState(state)


def where_it_waits(connection: Connection, migration: str) -> ItemState:
    """Return the state of an item that nobody has and that was not moved."""
    state = lock_migration(connection, migration, shared=True)
    return ItemState.PENDING if state is MigrationState.RUNNING else ItemState.CANCELLED


def write_items(connection: Connection, migration: str, wanted: Iterable[NewItem]) -> int:
    """Write items as they come, in bounded steps; return how many there were.

    Raises:
        Taken: A session is in another migration, or stands twice among these.
    """
    source, total, count = iter(wanted), 0, 0
    first: list[str] = []
    while step := list(islice(source, STEP)):
        taken = _in_others(connection, migration, [one.key for one in step])
        count += len(taken)
        first = first or taken[:1]
        if not first:
            _write_step(connection, migration, total, step)
        total += len(step)
    if first:
        raise Taken(first, count)
    return total


def _write_step(
    connection: Connection, migration: str, start: int, step: Sequence[NewItem]
) -> None:
    rows = [
        {
            "migration": migration,
            "position": position,
            "key": one.key,
            "node": one.node,
            "source": one.source,
            "target": one.target,
            "state": ItemState.PENDING.value,
            "attempts": 0,
            "until": 0.0,
            "error": "",
            "calls": 0,
        }
        for position, one in enumerate(step, start=start)
    ]
    try:
        connection.execute(insert(items), rows)
    except IntegrityError:
        # Twice in this one, or somebody else was quicker by a moment.
        raise Taken([one.key for one in step]) from None


def _in_others(connection: Connection, migration: str, keys: list[str]) -> list[str]:
    """Return those of at most 1,000 sessions that another migration has not done with."""
    others = select(items.c.key).where(
        items.c.key.in_(keys), is_open(), items.c.migration != migration
    )
    found = set(connection.execute(others).scalars())
    return [key for key in keys if key in found]


def refuse_undone(connection: Connection, migration: str, *, allowed: str) -> None:
    """See that nothing undoes a migration: going on with it would leave what nothing undoes."""
    undone = select(migrations.c.id).where(migrations.c.rolls_back == migration).limit(1)
    by = connection.execute(undone).scalar_one_or_none()
    if by is not None:
        raise InvalidInput(f"migration {migration}", f"is rolled back by {by}", allowed)


def refuse_unfinished(connection: Connection, migration: str) -> None:
    """See that a migration is done, or has stopped when nothing was left of it."""
    state = lock_migration(connection, migration)
    left = (ItemState.PENDING, ItemState.MOVING, ItemState.CANCELLED)
    more = select(items.c.position).where(items.c.migration == migration, items.c.state.in_(left))
    over = state in (MigrationState.DONE, MigrationState.STOPPED)
    if not over or connection.execute(more.limit(1)).first() is not None:
        raise InvalidInput(f"migration {migration}", "is not done", "one that is done")


def refuse_taken(connection: Connection, migration: str, states: Collection[ItemState]) -> None:
    """See that no item in one of these states is in another migration."""
    other = items.alias()
    taken = (
        select(func.count(), func.min(items.c.key, type_=items.c.key.type))
        .join(other, other.c.key == items.c.key)
        .where(
            items.c.migration == migration,
            items.c.state.in_(states),
            is_open(other),
            other.c.migration != migration,
        )
    )
    count, first = connection.execute(taken).one()
    if count:
        raise Taken([first], count)


def free_positions(connection: Connection, migration: str, now: float, most: int) -> list[int]:
    """Return the items that may be taken: those that wait, then those that a dead hand had."""
    found: list[int] = []
    # One by one, so that each is read in the order of the index.
    for state in (ItemState.PENDING, ItemState.MOVING):
        free = (
            select(items.c.position)
            .where(items.c.migration == migration, items.c.state == state, items.c.until <= now)
            .order_by(items.c.attempts, items.c.position)
            .limit(most - len(found))
            .with_for_update(skip_locked=True)
        )
        if len(found) < most:
            found += connection.execute(free).scalars()
    return found


def note_beat(connection: Connection, migration: str, now: float) -> None:
    """Note that a migration has given a sign of life."""
    connection.execute(update(migrations).where(is_migration(migration)).values(beat_at=now))


def _settling(mine: ColumnElement[bool], **further: object) -> Update:
    """Return what settles an item if it is one of some, with parameters of :func:`settle_item`."""
    to = {one.name: bindparam(f"to_{one.name}", type_=one.type) for one in items.columns}
    return (
        update(items)
        .where(items.c.migration == bindparam("of_migration"), items.c.key == bindparam("of_key"))
        .where(mine)
        .values(
            state=to["state"],
            claimed_by=None,
            until=to["until"],
            # An earlier attempt may have switched, and died before it could say so.
            before=func.coalesce(to["before"], items.c.before),
            after=func.coalesce(to["after"], items.c.after),
            error=to["error"],
            pause=to["pause"],
            calls=items.c.calls + to["calls"],
            kept_until=to["kept_until"],
            ended_at=to["ended_at"],
            **further,
        )
    )


# Made once: to make one takes longer than all the rest of it.
_SETTLE_OWN: Final = _settling(
    and_(items.c.claimed_by == bindparam("by"), items.c.state == ItemState.MOVING)
)
_SETTLE_ANY: Final = _settling(items.c.state != ItemState.MOVED, made=None)


def settle_item(
    connection: Connection, hand: tuple[str, str], one: Outcome, waits: ItemState, now: float
) -> int:
    """Note what a hand says of an item.

    Args:
        connection: Of the transaction.
        hand: The migration, and the hand.
        one: What it says.
        waits: The state of an item that is to be tried again.
        now: Epoch seconds.

    Returns:
        1 if it was noted, 0 if the item is not that hand's any more.
    """
    migration, by = hand
    moved = one.state is ItemState.MOVED
    state = waits if one.state is ItemState.PENDING else one.state
    later = state is ItemState.PENDING
    values = {
        "of_migration": migration,
        "of_key": one.key,
        "to_state": state.value,
        "to_until": now + one.later if later else 0.0,
        "to_before": one.before,
        "to_after": one.after,
        "to_error": _storable(one.error),
        "to_pause": one.pause,
        "to_calls": one.calls,
        "to_kept_until": one.kept_until,
        "to_ended_at": None if later else now,
    }
    if moved:
        return connection.execute(_SETTLE_ANY, values).rowcount
    return connection.execute(_SETTLE_OWN, {**values, "by": by}).rowcount


def _storable(text: str) -> str:
    """Return what a database takes of a text that a server may have had a hand in."""
    sound = text[:_ERROR].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return sound.encode(errors="replace").decode()


def read_migration(row: Row[Any]) -> Migration:
    """Return the migration that a row is."""
    fields = row._asdict()
    return Migration(**{**fields, "state": MigrationState(fields["state"])})


def read_item(row: Row[Any]) -> Item:
    """Return the item that a row is."""
    fields = row._asdict()
    del fields["claimed_by"], fields["until"]
    return Item(**{**fields, "state": ItemState(fields["state"])})
