"""Empties an instance: no new session is made there, and those that there are move away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kato_tasks.errors import InvalidInput
from kato_tasks.instrumentation import Told
from kato_tasks.migration.asking import Request, check_request
from kato_tasks.migration.migrations import Migrations, Standing
from kato_tasks.migration.planning import Plan
from kato_tasks.migration.watching import watch
from kato_tasks.placement import Placement
from kato_tasks.sessions.places import REMEMBERED
from kato_tasks.settings import Settings

_ROUNDS: Final = 5
_GRACE: Final = REMEMBERED + 0.5
"""Seconds after which every process knows that an instance takes no new session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """What became of an instance that was to be emptied.

    Attributes:
        instance: It.
        migrations: The migrations that it took, by their ids.
        moved: How many sessions left it.
        left: How many are still there.
        standing: How the last migration stands; None if there was nothing to move.
    """

    instance: str
    migrations: tuple[str, ...] = ()
    moved: int = 0
    left: int = 0
    standing: Standing | None = None


def check_closable(settings: Settings, instance: str) -> None:
    """See that an instance can be closed to new sessions, and so be emptied.

    Raises:
        InvalidInput: It is the only one.
        UnknownInstance: No such instance is configured.
    """
    settings.instance_url(instance)
    if len(settings.instances) == 1:
        allowed = "a second instance, where sessions can be"
        raise InvalidInput("instance", f"{instance!r} is the only one", allowed)


def plan_drain(migrations: Migrations, settings: Settings, request: Request) -> Plan | None:
    """Return the first of the migrations that emptying an instance takes.

    Args:
        migrations: Plans it.
        settings: The instances.
        request: The instance as its source, without a target.

    Returns:
        None if it is empty.

    Raises:
        InvalidInput: It cannot be emptied.
    """
    check_closable(settings, request.source)
    check_request(settings, request)
    if not migrations.planner.finds_any(request):
        return None
    return migrations.plan(request)


def drain(  # noqa: PLR0913 - whom it tells, and how it waits
    migrations: Migrations,
    placement: Placement,
    settings: Settings,
    request: Request,
    told: Told,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Drained:
    """Close an instance to new sessions, and move its sessions away until it is empty.

    Each node goes to its home, or where new sessions of it are made. It stays closed.

    Args:
        migrations: Moves them.
        placement: Closes it.
        settings: The instances.
        request: The instance as its source, without a target.
        told: Told of progress.
        wait: Waits until all processes know that it is closed.

    Raises:
        InvalidInput: It cannot be emptied; the sentence says why. If nothing has begun it is as
            open as before.
        SessionsMigrating: Some of its sessions are in a migration; it is closed all the same.
    """
    # What cannot be done must not close an instance: it may be the last one that is open.
    plan_drain(migrations, settings, request)
    closed = placement.cordon(request.source)
    drained = Drained(instance=request.source)
    for number in range(_ROUNDS):
        wait(_GRACE)
        try:
            plan = plan_drain(migrations, settings, request)
        except InvalidInput:
            if closed and number == 0:
                # Somebody has closed the others at the same moment.
                placement.uncordon(request.source)
            raise
        if plan is None:
            return replace(drained, left=0)
        standing = watch(migrations, migrations.start(plan).id, told)
        drained = replace(
            drained,
            migrations=(*drained.migrations, standing.migration.id),
            moved=drained.moved + standing.tally.moved,
            left=standing.migration.total - standing.tally.moved - standing.tally.skipped,
            standing=standing,
        )
        if drained.left:
            # What failed once would fail again, and a person has cancelled the rest.
            return drained
    return replace(drained, left=migrations.planner.count(request))
