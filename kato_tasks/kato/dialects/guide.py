"""Servers that answer as KATO's own session guide writes.

The guide documents eight routes and few fields. What it does not promise is read if it is there
and unknown if it is not; what it has no route for is composed here, or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import JsonValue

from kato_tasks.errors import InvalidInput, SessionNotFound
from kato_tasks.kato import answers
from kato_tasks.kato.answers import (
    TIME_UNKNOWN,
    Answer,
    Cognition,
    CreatedSession,
    Observed,
    SessionInfo,
    ShortTermMemory,
)
from kato_tasks.kato.config import validate_config, validate_flag, validate_ttl
from kato_tasks.kato.dialects.base import Dialect, NewSession, Route, Verb
from kato_tasks.models import DialectName

_SESSION = Route("GET", "/sessions/{id}")
_SESSIONS = Route("GET", "/sessions")
_ROUTES = MappingProxyType(
    {
        Verb.CREATE: Route("POST", "/sessions"),
        Verb.LIST: _SESSIONS,
        Verb.GET: _SESSION,
        Verb.DELETE: Route("DELETE", "/sessions/{id}"),
        Verb.OBSERVE: Route("POST", "/sessions/{id}/observe"),
        Verb.STM: Route("GET", "/sessions/{id}/stm"),
        Verb.PATTERNS: Route("GET", "/sessions/{id}/patterns"),
        Verb.CLEAR_STM: Route("POST", "/sessions/{id}/clear_stm"),
        # Beyond the guide's page, which refers to the API reference for the rest.
        Verb.LEARN: Route("POST", "/sessions/{id}/learn"),
        Verb.PREDICTIONS: Route("GET", "/sessions/{id}/predictions"),
        # Composed of the above.
        Verb.COUNT: _SESSIONS,
        Verb.EXISTS: _SESSION,
        Verb.CONFIG: _SESSION,
    }
)


class GuideDialect(Dialect):
    """The guide's dialect: ``ttl``, ``config``, ``stm.events``, one observation per call.

    It has neither ``observe-sequence`` nor ``cognition-data``, so what was applied cannot be
    checked against ``time``, unless an observe answers it of its own accord.
    """

    name: ClassVar[DialectName] = DialectName.GUIDE
    # Sending a sequence as single observes would leave several requests of one batch unanswered
    # after a fault, and only one may be.
    max_batch: ClassVar[int | None] = 1
    takes_metadata: ClassVar[bool] = False
    routes: ClassVar[Mapping[Verb, Route]] = _ROUTES

    def checked_config(self, config: Mapping[str, object]) -> dict[str, JsonValue]:
        """Return the config; the guide's two keys are allowed beside the server's own."""
        own = {key: _OWN_KEYS[key](key, config[key]) for key in config if key in _OWN_KEYS}
        rest = validate_config({key: config[key] for key in config if key not in _OWN_KEYS})
        return {key: own[key] if key in own else rest[key] for key in config}

    def create_fields(self, new: NewSession) -> dict[str, object]:
        """Return the fields; metadata has none."""
        if new.metadata:
            raise InvalidInput("metadata", "has no field in the guide's dialect", "none")
        fields: dict[str, object] = {"node_id": new.node_id}
        if new.config:
            fields["config"] = new.config
        if new.ttl_seconds is not None:
            fields["ttl"] = new.ttl_seconds
        return fields

    def created(self, answer: Answer, new: NewSession) -> CreatedSession:
        """Read the session; only its id is promised, and the config is None if it is absent."""
        fields = answer.fields()
        return CreatedSession(
            session_id=answer.take("session_id", str, fields),
            node_id=answer.find("node_id", str, fields) or new.node_id,
            created_at=answers.moment(answer, "created_at", fields),
            expires_at=answers.moment(answer, "expires_at", fields),
            ttl_seconds=answer.find("ttl", int, fields),
            config=answer.find("config", dict, fields),
        )

    def session_info(self, answer: Answer) -> SessionInfo:
        """Read the session; its node and config are promised."""
        fields = answer.fields()
        return SessionInfo(
            session_id=answer.take("session_id", str, fields),
            node_id=answer.take("node_id", str, fields),
            created_at=answers.moment(answer, "created_at", fields),
            expires_at=answers.moment(answer, "expires_at", fields),
            ttl_seconds=answer.find("ttl", int, fields),
            config=answer.take("config", dict, fields),
            metadata=answer.find("metadata", dict, fields) or {},
        )

    def exists(self, ask: Callable[[], Answer]) -> bool:
        """Ask for the session itself: nothing better than its 404 says that it is gone.

        As any call on a session that extends itself, asking keeps it alive.
        """
        try:
            ask()
        except SessionNotFound:
            return False
        return True

    def observed(self, answer: Answer) -> Observed:
        """Read the answer, of which nothing is promised."""
        fields = answer.fields()
        time = answer.find("time", int, fields)
        length = answer.find("stm_length", int, fields)
        learned = answer.find("auto_learned_pattern", str, fields)
        return Observed(
            applied=1,
            time=TIME_UNKNOWN if time is None else time,
            stm_length=-1 if length is None else length,
            auto_learned=(learned,) if learned else (),
        )

    def stm(self, answer: Answer) -> ShortTermMemory:
        """Read the events: observations, whose strings are the symbols in the server's order."""
        observations = answer.objects("events")
        symbols = [sorted(_strings(answer, event)) for event in observations]
        return ShortTermMemory(symbols=symbols, observations=observations)

    def looked(self, read: Callable[[Verb], Answer]) -> Cognition:
        """Read the events; the time and the emotives are not shown."""
        symbols = self.stm(read(Verb.STM)).symbols
        return Cognition(time=TIME_UNKNOWN, stm=symbols, emotives={}, raw={})

    def count(self, answer: Answer) -> int:
        """Count the sessions that are listed."""
        return len(answer.objects())


def _strings(answer: Answer, event: Mapping[str, JsonValue]) -> list[str]:
    strings = event.get("strings") or []
    if not isinstance(strings, list):
        answer.refuse("an event's 'strings' are no list")
    texts = [symbol for symbol in strings if isinstance(symbol, str)]
    if len(texts) != len(strings):
        answer.refuse("an event's 'strings' are not all strings")
    return texts


def _ttl(key: str, value: object) -> JsonValue:
    return validate_ttl(f"config.{key}", value)


def _flag(key: str, value: object) -> JsonValue:
    return validate_flag(f"config.{key}", value)


_OWN_KEYS: Mapping[str, Callable[[str, object], JsonValue]] = MappingProxyType(
    {"session_ttl": _ttl, "session_auto_extend": _flag}
)

GUIDE = GuideDialect()
