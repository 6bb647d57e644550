"""Wake-ups through Celery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from celery import Celery
from kombu.exceptions import KombuError

from kato_tasks.instrumentation import logger
from kato_tasks.settings import Settings
from kato_tasks.worker.names import DELIVER


class CeleryWake:
    """Sends ``kato_tasks.deliver`` messages, each for a few lanes.

    Args:
        app: Whose broker to use.
        settings: How many lanes one message names.
    """

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._lanes = settings.wake_lanes

    def __call__(self, keys: Sequence[str]) -> None:
        """See :class:`kato_tasks.lanes.Wake`."""
        try:
            with self._app.producer_or_acquire() as producer:
                for part in self._parts(keys):
                    self._app.send_task(DELIVER, args=[part], producer=producer, retry=False)
        except (KombuError, OSError) as error:
            # The commands are accepted all the same; the workers' sweep finds the lanes.
            logger.warning("wake-up not sent", extra={"lanes": len(keys), "reason": str(error)})

    def _parts(self, keys: Sequence[str]) -> Iterator[list[str]]:
        for start in range(0, len(keys), self._lanes):
            yield list(keys[start : start + self._lanes])
