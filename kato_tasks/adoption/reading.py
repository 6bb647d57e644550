"""What a server shows of a session that it has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from kato_tasks.delivery.making import lifetime_of
from kato_tasks.delivery.memory import adds_event, nameless
from kato_tasks.errors import KatoError, KatoTasksError, SessionNotFound
from kato_tasks.kato import (
    TIME_UNKNOWN,
    CreatedSession,
    KatoClient,
    SessionInfo,
    effective_differences,
)
from kato_tasks.observations import shown

_NOT_OWN: Final = frozenset({"process_predictions", "session_ttl", "session_auto_extend"})
"""Config keys that we have options for, beside the config."""
_FIELDS: Final = ("strings", "vectors", "emotives", "metadata")


class NotThere(KatoTasksError):
    """A session that its server does not have.

    Args:
        session_id: The session.
        instance: The instance.
    """

    def __str__(self) -> str:
        session_id, instance = self.args
        return f"Session {session_id!r} is not at {instance}: it never was, or has expired."


class NotReplayable(KatoTasksError):
    """A session whose memory no observations would give again.

    Args:
        session_id: The session.
        event: The event that they would not give, as the server shows it.
    """

    def __str__(self) -> str:
        session_id, event = self.args
        return (
            f"Session {session_id!r} remembers the event {shown(event)}, which no observation "
            "gives again: it could not be made anew as it is."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What a session remembers.

    Attributes:
        time: KATO's ``time``; -1 if the server does not show it.
        journal: Observations that give the same short-term memory.
        vectors: Symbols of vectors are among their strings.
    """

    time: int
    journal: tuple[bytes, ...]
    vectors: bool

    @property
    def older(self) -> int:
        """How many observations there were beside these, as far as is shown."""
        return max(0, self.time - len(self.journal))


def read_session(client: KatoClient, instance: str, session_id: str) -> SessionInfo:
    """Return a session as its server describes it.

    Raises:
        NotThere: The server has no such session.
        KatoError: It did not answer, or cannot tell.
        InvalidInput: No server names a session so.
    """
    try:
        return client.get_session(session_id)
    except SessionNotFound:
        # With KATO's own store down every session is "not found": nothing is concluded then.
        if client.exists(session_id):
            raise
        raise NotThere(session_id, instance) from None


def read_memory(client: KatoClient, session_id: str) -> Remembered:
    """Return what a session remembers.

    A server that shows the observations of the events has them told as they were; of the others
    the symbols of each event become its strings.

    Raises:
        NotReplayable: An event is none that its strings would give.
        KatoError: The server did not answer.
    """
    seen = client.look(session_id)
    observations = client.read_stm(session_id).observations if seen.time == TIME_UNKNOWN else None
    if observations is None:
        told = [_spoken(session_id, event) for event in seen.stm]
    else:
        told = [{name: one[name] for name in _FIELDS if one.get(name)} for one in observations]
    return Remembered(
        time=seen.time,
        journal=tuple(_encoded(session_id, fields) for fields in told),
        vectors=observations is None and any(nameless(one) != tuple(one) for one in seen.stm),
    )


def _spoken(session_id: str, event: Sequence[str]) -> dict[str, JsonValue]:
    """Return the observation of an event, whose symbols become its strings."""
    # Symbols of vectors come first in an event, and strings are sorted (kato-api 4).
    if list(event) != sorted(event):
        raise NotReplayable(session_id, list(event))
    return {"strings": list(event)}


def _encoded(session_id: str, fields: Mapping[str, JsonValue]) -> bytes:
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        payload = text.encode()
    except ValueError:
        # A lone surrogate, or a number that is none: what no observation may hold.
        raise NotReplayable(session_id, fields) from None
    if not adds_event(payload):
        raise NotReplayable(session_id, fields)
    return payload


@dataclass(frozen=True, kw_only=True, slots=True)
class Blank:
    """A session of which nobody has asked anything: what a server does by itself.

    Attributes:
        created: What the server answered when it was made.
        info: How the server describes it.
        made_at: When it was made, by this process's monotonic clock.
    """

    created: CreatedSession
    info: SessionInfo
    made_at: float

    @property
    def lifetime(self) -> int | None:
        """The server's own time to live of sessions, in seconds; None if it does not show it."""
        return lifetime_of(self.created)

    def lifetime_of(self, info: SessionInfo) -> int | None:
        """Return the time to live of a session, in seconds; None if the server does not show it.

        A server that lets reading move the end that it shows (kato-api 2) shows with it what is
        left, in whole seconds: as much less for every session as for the blank one. One that does
        not shows when the session ends: since its creation, it is longer than it was made for if
        somebody has extended it.
        """
        if self._slides and self.lifetime is not None and self.info.ttl_seconds is not None:
            lacking = self.lifetime - self.info.ttl_seconds
            return None if info.ttl_seconds is None else info.ttl_seconds + lacking
        if info.created_at is None or info.expires_at is None:
            return info.ttl_seconds
        return round((info.expires_at - info.created_at).total_seconds())

    def own_config(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what of a session's config is its own.

        A server shows its own defaults with it (kato-api 3), so a key that a session has set to
        the default is taken for one that it has not set.
        """
        known = {key: value for key, value in config.items() if key not in _NOT_OWN}
        return {key: known[key] for key in effective_differences(known, self.info.config)}

    def left(self, expires_at: datetime | None) -> float | None:
        """Return in how many seconds a session ends, by the server's clock; None if not known."""
        if expires_at is None or self.info.created_at is None:
            return None
        passed = time.monotonic() - self.made_at
        return (expires_at - self.info.created_at).total_seconds() - passed

    @property
    def _slides(self) -> bool:
        return self.info.expires_at != self.created.expires_at


class Baseline:
    """Makes a blank session at a server, reads it and deletes it, once. Thread-safe.

    Args:
        client: The client of the server.
    """

    def __init__(self, client: KatoClient) -> None:
        self._client = client
        self._blank: Blank | None = None
        self._lock = threading.Lock()

    def __call__(self, node: str) -> Blank:
        """Return the blank session.

        Args:
            node: The node that it is made on, if it has to be made.

        Raises:
            KatoError: It could not be made or read; the next call tries again.
        """
        with self._lock:
            if self._blank is None:
                self._blank = self._read(node)
            return self._blank

    def _read(self, node: str) -> Blank:
        began = time.monotonic()
        created = self._client.create_session(node_id=node)
        try:
            info = self._client.get_session(created.session_id)
            return Blank(created=created, info=info, made_at=began)
        finally:
            with suppress(KatoError):
                self._client.discard_session(created.session_id)
