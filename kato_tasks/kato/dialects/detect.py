"""Finds out which dialect a server speaks. Nothing is written to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from kato_tasks.errors import KatoError, KatoUnreachable, Retryable, ServerFault
from kato_tasks.kato.answers import Answer
from kato_tasks.kato.dialects.base import Dialect, Route, Verb
from kato_tasks.kato.dialects.guide import GUIDE
from kato_tasks.kato.dialects.v3 import V3
from kato_tasks.kato.transport import Transport
from kato_tasks.models import DialectName

DIALECTS: Mapping[DialectName, Dialect] = MappingProxyType({V3.name: V3, GUIDE.name: GUIDE})

_NOBODY: Final = "kato-tasks-nobody"
_NO_ROUTE: Final = (404, 405)


def detect(transport: Transport) -> Dialect:
    """Return the dialect of a server, by ``/openapi.json`` or else by two harmless questions.

    Raises:
        Retryable: It could not be told; nothing was written, so whatever was about to be sent
            may be tried again.
    """
    try:
        found = _by_description(transport) or _by_answers(transport)
    except Retryable:
        raise
    except KatoError as error:
        # Whatever this is about a GET, nothing has happened to any session.
        reason = f"its dialect cannot be told: {error.reason}"
        raise KatoUnreachable(error.call, reason, error.status) from error
    if found is None:
        known = " or ".join(name.value for name in DIALECTS)
        reason = f"it answers like no dialect that is known; set its dialect ({known})"
        raise KatoUnreachable("GET /openapi.json", reason)
    return found


def _by_description(transport: Transport) -> Dialect | None:
    try:
        answer = _ask(transport, Route("GET", "/openapi.json"))
        paths = answer.fields().get("paths") if answer is not None else None
    except ServerFault:
        return None
    if not isinstance(paths, dict):
        return None
    # The real server first: one that had both would lose nothing by it.
    return next((one for one in (V3, GUIDE) if _clears(one, paths)), None)


def _clears(dialect: Dialect, paths: Iterable[str]) -> bool:
    """Tell a dialect by its route to empty the short-term memory: the other has another."""
    tail = dialect.route(Verb.CLEAR_STM).path.rpartition("/")[2]
    return any(path.endswith(f"}}/{tail}") for path in paths)


def _by_answers(transport: Transport) -> Dialect | None:
    if _ask(transport, V3.route(Verb.EXISTS)) is not None:
        return V3
    # The real server answers 404 or 405 to this one (kato-api 1).
    return GUIDE if _ask(transport, GUIDE.route(Verb.LIST)) is not None else None


def _ask(transport: Transport, route: Route) -> Answer | None:
    """Return a route's answer for a session that nobody has; None if there is no such route."""
    try:
        return transport.send(route.method, route.path, name=_NOBODY)
    except KatoError as error:
        if error.status in _NO_ROUTE:
            return None
        raise
