"""The services of a worker process: opened at the first use, never before a fork."""

from __future__ import annotations

import threading
from typing import Final

from celery import Celery

from kato_tasks.services import Services
from kato_tasks.worker.celery_app import settings_of
from kato_tasks.worker.hire import ChordHire
from kato_tasks.worker.wake import CeleryWake

_lock: Final = threading.Lock()
_opened: dict[int, Services] = {}


def services(app: Celery) -> Services:
    """Return the services of this process for an app; opened at the first call."""
    with _lock:
        found = _opened.get(id(app))
        if found is None:
            settings = settings_of(app)
            found = _opened[id(app)] = Services(settings, CeleryWake(app, settings), ChordHire(app))
        return found


def stop() -> None:
    """Let deliveries end after the calls that they are in. For signal handlers: takes no lock."""
    for opened in list(_opened.values()):
        opened.deliverer.stop()


def close() -> None:
    """Close what this process has opened."""
    with _lock:
        for opened in _opened.values():
            opened.close()
        _opened.clear()
