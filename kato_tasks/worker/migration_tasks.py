"""The tasks that move sessions."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from kato_tasks.errors import (
    KatoTasksError,
    LedgerUnavailable,
    StoreUnavailable,
    UnknownSession,
)
from kato_tasks.instrumentation import logger
from kato_tasks.worker import names, process
from kato_tasks.worker.arguments import HireArguments, MigrateArguments, MoveArguments, read
from kato_tasks.worker.hire import ChordHire

_AGAIN: dict[str, Any] = {
    "bind": True,
    "ignore_result": False,
    "autoretry_for": (StoreUnavailable, LedgerUnavailable),
    "retry_backoff": 1,
    "retry_backoff_max": 30,
    "max_retries": 10,
}


@shared_task(name=names.MIGRATE_SESSION, **_AGAIN)
def migrate_session(
    self: Task[Any, Any],
    key: str,
    target: str,
    **options: Any,  # noqa: ANN401
) -> dict[str, str]:
    """Move one session to an instance, now.

    Args:
        self: The task.
        key: The session key.
        target: The instance.
        options: ``keep_for`` (seconds for which the source's session is left), and
            ``accept_empty_node`` (it may leave what its node has learned behind).

    Returns:
        ``{"status": "success", "new_id": …}`` or ``{"status": "failed", "error": …}``.
    """
    arguments = read(MoveArguments, {"key": key, "target": target, **options})
    services = process.services(self.app)
    record = services.registry.get(key)
    if record is None:
        raise UnknownSession(key)
    if record.spec.instance == arguments.target:
        return {"status": "success", "new_id": record.session_id or ""}
    moved = services.migrations.move_one(
        key,
        source=record.spec.instance,
        target=arguments.target,
        keep_for=arguments.keep_for,
        accept_empty_node=arguments.accept_empty_node,
        again=_is_again(self),
    )
    if moved is None:
        # This worker stops; another one goes on with it.
        raise self.retry(countdown=1)
    return dict(moved)


def _is_again(task: Task[Any, Any]) -> bool:
    """Tell whether an earlier run of a task may have begun what this one is to begin."""
    info = task.request.delivery_info or {}
    return bool(task.request.retries or info.get("redelivered"))


@shared_task(name=names.MIGRATE_ALL, **_AGAIN)
def migrate_all(self: Task[Any, Any], **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    """Begin to move an instance's sessions, all or some of them, by one chord.

    Args:
        self: The task.
        arguments: Those of :class:`MigrateArguments`.

    Returns:
        ``migration``, its id; ``sessions``, how many it has; ``remarks``, as sentences.
    """
    checked = read(MigrateArguments, arguments)
    migrations = process.services(self.app).migrations
    plan = migrations.plan(checked.request())
    begun = migrations.start(plan)
    return {"migration": begun.id, "sessions": begun.total, "remarks": list(plan.remarks)}


@shared_task(name=names.MIGRATE_HIRE, bind=True)
def migrate_hire(self: Task[Any, Any], migration: str, hands: int) -> None:
    """Send for the hands of a migration."""
    checked = read(HireArguments, {"migration": migration, "hands": hands})
    ChordHire(self.app)(checked.migration, checked.hands)


@shared_task(name=names.MIGRATE_HAND, bind=True, ignore_result=False)
def migrate_hand(self: Task[Any, Any], migration: str) -> dict[str, Any]:
    """Work on a migration for one turn, then take its own place anew; never fails.

    A header of a chord that failed would keep its finaliser from running.

    Returns:
        ``migration`` and, if this hand had to leave it, ``error``; the outcomes are in the ledger.
    """
    error = ""
    try:
        goes_on = process.services(self.app).migrations.hand(migration)
    except KatoTasksError as problem:
        # The sweep sends for other hands.
        error, goes_on = str(problem), False
        logger.warning("hand left", extra={"migration": migration, "reason": error})
    except Exception as problem:  # noqa: BLE001 - see above
        error, goes_on = repr(problem), False
        logger.exception("hand left", extra={"migration": migration})
    if goes_on:
        raise self.replace(self.app.signature(self.name, args=(migration,), immutable=True))
    return {"migration": migration, "error": error}


@shared_task(name=names.MIGRATE_FINISH, bind=True, ignore_result=False)
def migrate_finish(
    self: Task[Any, Any], hands: list[dict[str, Any]], migration: str
) -> dict[str, Any]:
    """Note that a migration is done, if it is; may be repeated.

    Args:
        self: The task.
        hands: What the hands answered.
        migration: Its id.

    Returns:
        What became of each session, for small migrations.
    """
    del hands
    migrations = process.services(self.app).migrations
    migrations.finish(migration)
    return {key: dict(result) for key, result in migrations.results(migration).items()}
