"""Keeps an app at the broker and the results that its settings name."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.app.utils import Settings as Configuration

from kato_tasks.instrumentation import hide_password


class _Pinned(Configuration):
    """Celery's configuration, which no ``CELERY_*_URL`` variable overrides."""

    # Celery's own properties look into the environment first. A variable that was meant for the
    # program around us would lead our messages to queues that none of our workers consumes.
    @property
    def broker_url(self) -> str:
        return str(self["broker_url"])

    @property
    def broker_read_url(self) -> str:
        return self.broker_url

    @property
    def broker_write_url(self) -> str:
        return self.broker_url

    @property
    def result_backend(self) -> str:
        return str(self["result_backend"])

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Celery's
        """Return what ``celery inspect conf`` and Flower show.

        Celery leaves passwords in the query of a URL, where redis-py takes them too.
        """
        found: dict[str, Any] = super().table(with_defaults, censored)
        if censored:
            found |= {
                "broker_url": hide_password(self.broker_url),
                "result_backend": hide_password(self.result_backend),
            }
        return found


def pin(app: Celery) -> None:
    """Make an app's configuration, as it is now, the one that counts."""
    app.conf.finalize()
    pinned = _Pinned({})
    pinned.swap_with(app.conf)
    app.conf = pinned
