"""Beat: of all that run, the one that holds the lease of the schedule sends the ticks."""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from celery.beat import Scheduler, SchedulingError
from kombu import Connection, Producer

from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.schedule import LOOKS, Entry, Schedule, entries
from kato_tasks.worker import process
from kato_tasks.worker.celery_app import settings_of

_BROKER: Final = "broker"
_STORE: Final = "store"
_REASON: Final = "what nobody thought of"


class LeasedScheduler(Scheduler):
    """Celery's scheduler, but any number of it send each tick once, and nothing ends it.

    Every tenth of the lease it renews it, or looks whether another beat's has ended. So when a
    beat is killed another goes on after eleven tenths of the lease at the latest; one that ends by
    SIGTERM gives it back.

    The times of the runs are the store's. Celery's entries say what is sent, and no more.

    Args:
        app: An app that :func:`kato_tasks.worker.make_app` made.
        schedule_store: The lease and the last runs; those of the app's settings by default.
        more: What Celery hands to every scheduler.
    """

    def __init__(
        self,
        app: Celery,
        *more: Any,  # noqa: ANN401 - Celery's
        schedule_store: Schedule | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        settings = settings_of(app)
        self._entries = entries(settings)
        self._lease = settings.beat_lease
        self._patience = math.ceil(settings.store_timeout)
        self._given = schedule_store
        self._token = secrets.token_hex(16)
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._outages = _Outages()
        # Not before these times; those that another beat has sent since are due later still.
        self._due_at: dict[str, float] = {}
        self._holding: bool | None = None
        self._asked = False
        self._ticking = False
        super().__init__(app, *more, **options)

    def tick(self, *_: object, **__: object) -> float:
        """Hold the lease, and with it send what is due.

        Returns:
            In how many seconds to call again. Nothing is raised: what fails is said, and tried
            again.
        """
        self._ticking = True
        try:
            pause = self._tick()
        except StoreUnavailable as error:
            self._outages.begin(_STORE, str(error))
        except Exception as error:  # noqa: BLE001 - without this loop nothing would be sent
            self._outages.begin(_REASON, repr(error), trace=True)
        else:
            self._outages.end(_REASON)
            return pause
        finally:
            self._ticking = False
        return self._look

    def close(self) -> None:
        """Give the lease back, so that another beat goes on at once. Idempotent."""
        # Celery calls it in its signal handler, and again when it has left its loop. The first
        # time may be in the middle of a call to the store, whose locks would then wait for us.
        if self._ticking:
            return
        if self._asked:
            self._asked = False
            try:
                self._schedule.release(self._token)
            except StoreUnavailable as error:
                logger.warning("lease of the schedule not given back", extra={"why": str(error)})
        if self._given is None:
            process.close()
        super().close()

    @property
    def _schedule(self) -> Schedule:
        return process.services(self.app).schedule if self._given is None else self._given

    @property
    def _look(self) -> float:
        # --max-interval may only make it shorter.
        return min(self._lease / LOOKS, self.max_interval or self._lease)

    def _tick(self) -> float:
        self._asked = True
        holding = self._schedule.hold(self._token, self._holder, self._lease)
        self._outages.end(_STORE)
        self._note(holding=holding)
        if not holding:
            return self._look
        now = time.monotonic()
        due = [entry for entry in self._entries if self._due_at.get(entry.name, now) <= now]
        if due and not self._fire(due):
            return self._look
        return self._pause()

    def _note(self, *, holding: bool) -> None:
        if holding != self._holding:
            self._holding = holding
            event = "beat sends the ticks" if holding else "beat waits: another sends the ticks"
            logger.info(event, extra={"beat": self._holder})

    def _pause(self) -> float:
        soonest = min(self._due_at.values(), default=time.monotonic() + self._look)
        return max(0.0, min(self._look, soonest - time.monotonic()))

    def _fire(self, due: Sequence[Entry]) -> bool:
        """Send what the store says is due; False if the broker is away or the lease is lost."""
        try:
            with self._connected() as connection:
                self._outages.end(_BROKER)
                producer = Producer(connection, auto_declare=False)
                return all(self._fire_one(entry, producer) for entry in due)
        except SchedulingError as error:
            self._outages.begin(_BROKER, str(error))
            return False

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        # A connection of its own for the ticks of a moment, made before they are written down as
        # run. One that was kept would be found broken by a tick, and that tick would be lost.
        with self.app.connection_for_write() as connection:
            try:
                connection.ensure_connection(
                    max_retries=1, interval_start=0, interval_step=0, timeout=self._patience
                )
            except Exception as error:  # each transport has exceptions of its own
                raise SchedulingError(str(error)) from error
            yield connection

    def _fire_one(self, entry: Entry, producer: Producer) -> bool:
        wait = self._schedule.fire(self._token, entry.name, entry.every)
        if wait is None:
            return False
        self._due_at[entry.name] = time.monotonic() + (wait or entry.every)
        if not wait:
            self.logger.info("Scheduler: Sending due task %s (%s)", entry.name, entry.task)
            self.apply_async(self.schedule[entry.name], producer=producer, advance=False)
        return True


class _Outages:
    """Says that something has gone, and that it is back; not each time that it is missed."""

    def __init__(self) -> None:
        self._gone: set[str] = set()

    def begin(self, what: str, reason: str, *, trace: bool = False) -> None:
        if what in self._gone:
            return
        self._gone.add(what)
        facts = {"for": what, "reason": reason}
        logger.warning("beat waits", extra=facts, exc_info=trace or None)

    def end(self, what: str) -> None:
        if what in self._gone:
            self._gone.remove(what)
            logger.info("beat goes on", extra={"with": what})
