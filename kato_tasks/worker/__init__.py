"""The Celery side: ``celery -A kato_tasks.worker worker|beat|inspect``.

The only package that imports Celery.
"""

from kato_tasks.worker.app import make_app
from kato_tasks.worker.wake import CeleryWake

__all__ = ["CeleryWake", "app", "make_app"]

app = make_app()
"""The app of this process's settings; nothing is connected by importing it."""
