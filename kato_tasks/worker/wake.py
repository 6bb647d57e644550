"""Wake-ups through Celery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from celery import Celery
from kombu.exceptions import KombuError

from kato_tasks.instrumentation import logger
from kato_tasks.settings import Settings
from kato_tasks.worker.names import DELIVER

_GRACES: Final = 2
"""A wake-up lives that many times the sweep's grace: they must not pile up before slow servers."""


class CeleryWake:
    """Sends ``kato_tasks.deliver`` messages, each for a few lanes.

    Args:
        app: Whose broker to use.
        settings: How many lanes one message names.
    """

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._lanes = settings.wake_lanes
        self._expires = settings.wake_grace * _GRACES

    def __call__(self, keys: Sequence[str]) -> None:
        """See :class:`kato_tasks.lanes.Wake`."""
        try:
            with self._app.producer_or_acquire() as producer:
                for part in self._parts(keys):
                    self._app.send_task(
                        DELIVER,
                        args=[part],
                        producer=producer,
                        retry=False,
                        # Asked for a result, Celery would subscribe to it, at two more round trips.
                        ignore_result=True,
                        # By then the sweep has sent another one.
                        expires=self._expires,
                    )
        except (KombuError, OSError) as error:
            # The commands are accepted all the same; the workers' sweep finds the lanes.
            logger.warning("wake-up not sent", extra={"lanes": len(keys), "reason": str(error)})

    def _parts(self, keys: Sequence[str]) -> Iterator[list[str]]:
        for start in range(0, len(keys), self._lanes):
            yield list(keys[start : start + self._lanes])
