"""Hands through Celery: one chord for each migration."""

from __future__ import annotations

import gc

from celery import Celery, chord
from kombu.exceptions import KombuError

from kato_tasks.instrumentation import logger
from kato_tasks.worker.names import MIGRATE_FINISH, MIGRATE_HAND, MIGRATE_HIRE


class CeleryHire:
    """Asks a worker to send for the hands of a migration: producers only enqueue.

    Args:
        app: Whose broker to use.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, migration: str, hands: int) -> None:
        """See :class:`kato_tasks.migration.Hire`."""
        try:
            self._app.send_task(
                MIGRATE_HIRE, args=(migration, hands), retry=False, ignore_result=True
            )
        except (KombuError, OSError) as error:
            facts = {"migration": migration, "reason": str(error)}
            logger.warning("hands not sent for", extra=facts)


class ChordHire:
    """Sends for the hands of a migration: as many tasks as work on it at a time.

    Each moves a bounded chunk and then takes its own place anew, within the same chord; when all
    have nothing left to do the finaliser runs. A chord can hang: the workers' sweep looks for
    migrations that show no sign of life, and sends for hands again. So nothing depends on a
    message.

    Args:
        app: Whose broker and results to use.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, migration: str, hands: int) -> None:
        """See :class:`kato_tasks.migration.Hire`."""
        header = [
            self._app.signature(MIGRATE_HAND, args=(migration,), immutable=True)
            for _ in range(hands)
        ]
        body = self._app.signature(MIGRATE_FINISH, args=(migration,))
        try:
            chord(header, app=self._app)(body)
        except Exception as error:  # noqa: BLE001 - whatever broker and results say
            facts = {"migration": migration, "reason": str(error)}
            logger.warning("hands not sent for", extra=facts)
        # Nobody waits for their results, which hold each other in circles: left alone until this
        # process ends, they would look for their server when it cannot be looked for any more.
        gc.collect()
