"""Has sessions move from one instance to the other and back, for as long as faults strike."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from kato_tasks.errors import InvalidInput, KatoTasksError
from kato_tasks.instrumentation import logger
from kato_tasks.ledger import MigrationState
from kato_tasks.migration import Migrations, Request
from kato_tasks.registry import Registry

T = TypeVar("T")

_PAUSE: Final = 0.2
_BETWEEN: Final = 0.5
"""Seconds from one migration to the next."""
_PATIENCE: Final = 150.0
"""Seconds after the last fault in which a migration may still end: hands that died are missed
after ten, and a session that could not be moved is tried again after thirty at most."""
_CANCELS: Final = 0.3
_RESUMES: Final = 0.7
_ROLLS_BACK: Final = 0.2
_SINGLES: Final = 3
"""Sessions that are moved alone between two migrations, at most."""
_CANCEL_WITHIN: Final = 2.0
_KEPT: Final = (0.0, 0.0, 2.0)
"""For how many seconds sources are kept: mostly not at all."""
_ALL: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Itinerary:
    """What moves where.

    Attributes:
        seed: Decides what is cancelled, resumed, rolled back and kept, and what moves alone.
        there: The instance that is left first.
        back: The other one.
        keys: The sessions that may move alone.
    """

    seed: int
    there: str
    back: str
    keys: Sequence[str]


class Migrator:
    """Begins one migration after the other; it begins with the block and has ended at its end.

    Nothing that a fault makes fail ends it: it asks again until it is answered.

    Args:
        itinerary: What moves where.
        migrations: All migrations.
        registry: Tells where sessions are.
    """

    def __init__(self, itinerary: Itinerary, migrations: Migrations, registry: Registry) -> None:
        self._itinerary = itinerary
        self._migrations = migrations
        self._registry = registry
        self._draw = random.Random(f"moves {itinerary.seed}")  # noqa: S311 - repeatable on purpose
        self._finish, self._leave = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="migrator")
        self._future: Future[None] | None = None

    def __enter__(self) -> Self:
        self._future = self._pool.submit(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End at once if something went wrong, else when all migrations are over."""
        if error is not None:
            self._leave.set()
        self._finish.set()
        self._pool.shutdown()

    @property
    def running(self) -> bool:
        """True while a migration is under way."""
        return self._future is not None and not self._future.done()

    def stop(self) -> None:
        """Begin no further migration; those under way go on until they are over."""
        self._finish.set()

    def check(self) -> None:
        """Raise what it has died of, if it has."""
        if self._future is not None and self._future.done():
            self._future.result()

    def _run(self) -> None:
        source, target = self._itinerary.there, self._itinerary.back
        while not self._finish.wait(_BETWEEN):
            begun = self._begin(source, target)
            if begun is not None:
                self._meddle(begun)
                self._wait(begun)
                if self._is_undone(begun):
                    continue
            self._move_some_alone()
            source, target = target, source
        self._wait_for_all()

    def _begin(self, source: str, target: str) -> str | None:
        """Begin to move all of an instance; None if there is nothing to move."""
        keep_for = self._draw.choice(_KEPT)
        request = Request(source=source, target=target, keep_for=keep_for)
        while not self._finish.is_set():
            try:
                return self._migrations.start(self._migrations.plan(request)).id
            except InvalidInput:
                # A server that does not answer, or sessions that are still on their way.
                if self._insist(lambda: self._migrations.planner.finds_any(request)) is False:
                    return None
            except KatoTasksError as error:
                self._note(error)
            self._finish.wait(_PAUSE)
        return None

    def _meddle(self, migration: str) -> None:
        """Cancel some migrations on their way, and resume most of those."""
        if self._draw.random() >= _CANCELS:
            return
        self._finish.wait(self._draw.uniform(0.0, _CANCEL_WITHIN))
        self._insist(lambda: self._migrations.cancel(migration))
        if self._draw.random() < _RESUMES:
            self._finish.wait(self._draw.uniform(0.0, _CANCEL_WITHIN))
            self._insist(lambda: self._migrations.resume(migration))

    def _is_undone(self, migration: str) -> bool:
        """Roll some migrations back; True if one was."""
        if self._draw.random() >= _ROLLS_BACK or self._finish.is_set():
            return False
        undo = self._insist(lambda: self._migrations.rollback(migration))
        if undo is not None:
            self._wait(undo.id)
        return undo is not None

    def _move_some_alone(self) -> None:
        for _ in range(self._draw.randint(0, _SINGLES)):
            key = self._draw.choice(self._itinerary.keys)
            self._insist(partial(self._move_alone, key))

    def _move_alone(self, key: str) -> None:
        record = self._registry.get(key)
        if record is None:
            return
        itinerary, source = self._itinerary, record.spec.instance
        target = itinerary.back if source == itinerary.there else itinerary.there
        self._migrations.move_one(key, source=source, target=target, accept_empty_node=True)

    def _wait(self, migration: str) -> None:
        """Wait until a migration is over; one that has stopped by itself goes on."""
        while not self._finish.is_set():
            standing = self._insist(lambda: self._migrations.standing(migration))
            if standing is not None and standing.migration.state is MigrationState.STOPPED:
                self._insist(lambda: self._migrations.resume(migration))
            elif standing is not None and standing.over:
                return
            self._finish.wait(_PAUSE)

    def _wait_for_all(self) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and not self._leave.wait(_PAUSE):
            try:
                recent = self._migrations.ledger.recent(limit=_ALL)
                if all(self._migrations.standing(one.id).over for one in recent):
                    return
            except KatoTasksError as error:
                self._note(error)

    def _insist(self, call: Callable[[], T]) -> T | None:
        """Repeat a call until it is answered; None if it was refused, or nobody waits any more."""
        while not self._finish.is_set():
            try:
                return call()
            except InvalidInput:
                return None
            except KatoTasksError as error:
                self._note(error)
            self._finish.wait(_PAUSE)
        return None

    def _note(self, error: KatoTasksError) -> None:
        logger.info("asked again", extra={"reason": str(error)})
