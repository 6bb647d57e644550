"""The tasks on a real store and a development server, called the way a message calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
from celery import Celery

from kato_tasks.errors import InvalidInput, SessionConflict
from kato_tasks.models import Claim
from kato_tasks.settings import Settings
from kato_tasks.worker import process

_ARITY: Final = ("positional argument", "keyword argument", "multiple values")
"""What Python says of a call that does not fit a function; Celery passes it on."""


class Site:
    """An app whose tasks run here, and its store, which is emptied between two cases.

    Args:
        app: The app.
        settings: Its settings.
        store: A client of the store.
    """

    def __init__(self, app: Celery, settings: Settings, store: redis.Redis) -> None:
        app.loader.import_default_modules()
        self._app = app
        self._prefix = settings.prefix
        self._store = store
        self._services = process.services(app)

    def empty(self) -> None:
        """Forget every session, and every wake-up."""
        names = list(self._store.scan_iter(f"{self._prefix}*", count=1_000))
        if names:
            self._store.unlink(*names)

    def run(self, task: str, args: list[Any], kwargs: dict[str, Any], task_id: str) -> Any:  # noqa: ANN401 - what the task answers
        """Run a task to its end and return its result, or the error that its caller is told."""
        result = self._app.tasks[task].apply(args=tuple(args), kwargs=kwargs, task_id=task_id)
        if isinstance(result.result, Exception):
            return self._told(result.result)
        return json.loads(json.dumps(result.result))

    def lane(self, key: str) -> list[bytes]:
        """Return the payloads of a lane."""
        claim = self._services.lanes.claim(key, most=10_000)
        if not isinstance(claim, Claim):
            return []
        self._services.lanes.release(claim.lease)
        return [command.payload for command in claim.commands]

    def is_untouched(self) -> bool:
        """Tell whether no session is known."""
        return self._services.registry.stats().sessions == 0

    def _told(self, error: Exception) -> Exception:
        """Return an error as it comes out of the results at the other end."""
        backend: Any = self._app.backend
        stored = json.loads(backend.encode(backend.prepare_exception(error, "json")))
        told: Exception = backend.exception_to_python(stored)
        assert str(told) == str(error)
        return told


def is_refusal(error: object) -> bool:
    """Tell whether a task refused its arguments: with our sentence, or as Python refuses a call."""
    if isinstance(error, TypeError):
        return any(words in str(error) for words in _ARITY)
    return isinstance(error, InvalidInput | SessionConflict)


@contextmanager
def devserver() -> Iterator[str]:
    """Run a development server; its URL."""
    command = [sys.executable, "-m", "kato_tasks.devserver", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield str(json.loads(server.stdout.readline())["url"])
        finally:
            server.terminate()
