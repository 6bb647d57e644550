"""What every class of the guide stands on: a KatoTasks of its own, and the server of a URL."""

from __future__ import annotations

import re
import secrets
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from kato_tasks.delivery import ensure_session
from kato_tasks.errors import InvalidInput, KatoTasksError
from kato_tasks.local import find_settings
from kato_tasks.models import Append, Appended
from kato_tasks.observations import shown
from kato_tasks.producer import KatoTasks
from kato_tasks.services import Services
from kato_tasks.sessions import Session
from kato_tasks.settings import Settings

TIMEOUT: Final = 30.0
"""Seconds that a call waits for a server at most; as long as the guide's own clients do."""

_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = {"localhost": "127.0.0.1"}
_BEFORE_HOST: Final = re.compile(r"(^[A-Za-z]+://)?.*@", re.DOTALL)


class Face:
    """A class of the guide: it connects at its first use, and may be used from any thread.

    Use it as a context manager or :meth:`close` it. What it connects to is what
    :class:`kato_tasks.KatoTasks` does by default: the environment's, or what runs on this machine.

    Args:
        kato_url: The URL of a server, if the class has one.

    Attributes:
        instance: The name of that server in the settings; None if the class has none.

    Raises:
        InvalidInput: No instance of the settings has this URL, or a setting is out of its range.
    """

    def __init__(self, kato_url: str | None = None) -> None:
        self._settings = find_settings()
        self.instance = None if kato_url is None else instance_at(self._settings, kato_url)
        self._opened: KatoTasks | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def kato(self) -> KatoTasks:
        """What it works with: the way to all that the guide has no name for."""
        with self._lock:
            if self._opened is None:
                self._opened = KatoTasks(self._settings)
            return self._opened

    def close(self) -> None:
        """Close its connections. Idempotent; a later call opens them anew."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def _services(self) -> Services:
        return self.kato.services

    def _make(self, session: Session) -> str:
        """Have a session made at its server, by this process if no worker does; its key.

        Raises:
            WaitTimeout: Its server did not answer in time; nothing is left of the session.
            StoreUnavailable: The store did not answer.
        """
        services = self._services
        try:
            # No worker is called to it: this process is at work on it.
            [placed] = services.places.placed([session.request((), bind=True)])
            if not isinstance(placed, Append):
                raise placed
            [answer] = services.lanes.append([placed])
            if not isinstance(answer, Appended):
                raise answer
            ensure_session(services.deliverer, services.registry, session.key, timeout=TIMEOUT)
        except KatoTasksError:
            # Nobody will ever use it: its key was not told.
            with suppress(KatoTasksError):
                session.delete()
            raise
        return session.key


def mint_key() -> str:
    """Return a session key that nobody has used: 128 random bits."""
    return f"session-{secrets.token_hex(16)}"


def instance_at(settings: Settings, kato_url: object) -> str:
    """Return the name of the instance that has a URL.

    A slash at its end, a user before its host, and whether it says ``localhost`` or ``127.0.0.1``
    make no difference. Of several it is the first.

    Raises:
        InvalidInput: None has; the sentence names those that there are.
    """
    place = _place(kato_url)
    for name, url in settings.instances.items():
        if place is not None and _place(url) == place:
            return name
    known = ", ".join(f"{_bare(url)} ({name})" for name, url in settings.instances.items())
    said = shown(_bare(kato_url) if isinstance(kato_url, str) else kato_url)
    raise InvalidInput("kato_url", f"is {said}, which no configured instance has", known)


def _place(url: object) -> tuple[object, ...] | None:
    """Return what tells one server from another; None for what is no URL."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    host = _LOOPBACK.get(parts.hostname or "", parts.hostname)
    return parts.scheme, host, port, parts.path.rstrip("/"), parts.query, parts.fragment


def _bare(url: str) -> str:
    return _BEFORE_HOST.sub(r"\1***@", url)
