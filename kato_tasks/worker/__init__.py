"""The Celery side: ``celery -A kato_tasks.worker worker|beat|inspect``.

The only package that imports Celery.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from kato_tasks.worker.celery_app import make_app
from kato_tasks.worker.hire import CeleryHire
from kato_tasks.worker.wake import CeleryWake

if TYPE_CHECKING:
    from celery import Celery

    app: Celery
    """The app of this process's settings; nothing is connected by it."""

__all__ = ["CeleryHire", "CeleryWake", "app", "make_app"]

_made_once = cache(make_app)


def __getattr__(name: str) -> Celery:
    # Made at its first use: a setting out of its range must not break every import.
    if name != "app":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return _made_once()
