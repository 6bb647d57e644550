"""KATO 3.10.1 as it was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import JsonValue

from kato_tasks.kato import answers
from kato_tasks.kato.answers import (
    Answer,
    Cognition,
    CreatedSession,
    Observed,
    SessionInfo,
    ShortTermMemory,
)
from kato_tasks.kato.config import validate_config
from kato_tasks.kato.dialects.base import Dialect, NewSession, Route, Verb
from kato_tasks.models import DialectName

_ROUTES = MappingProxyType(
    {
        Verb.CREATE: Route("POST", "/sessions"),
        Verb.COUNT: Route("GET", "/sessions/count"),
        Verb.GET: Route("GET", "/sessions/{id}"),
        Verb.EXISTS: Route("GET", "/sessions/{id}/exists"),
        Verb.DELETE: Route("DELETE", "/sessions/{id}"),
        Verb.CONFIG: Route("GET", "/sessions/{id}/config"),
        Verb.CONFIGURE: Route("POST", "/sessions/{id}/config"),
        Verb.EXTEND: Route("POST", "/sessions/{id}/extend"),
        Verb.OBSERVE: Route("POST", "/sessions/{id}/observe"),
        Verb.OBSERVE_SEQUENCE: Route("POST", "/sessions/{id}/observe-sequence"),
        Verb.STM: Route("GET", "/sessions/{id}/stm"),
        Verb.LEARN: Route("POST", "/sessions/{id}/learn"),
        Verb.FINALIZE: Route("POST", "/sessions/{id}/finalize-training"),
        Verb.CLEAR_STM: Route("POST", "/sessions/{id}/clear-stm"),
        Verb.CLEAR_ALL: Route("POST", "/sessions/{id}/clear-all"),
        Verb.PREDICTIONS: Route("GET", "/sessions/{id}/predictions"),
        Verb.PERCEPT: Route("GET", "/sessions/{id}/percept-data"),
        Verb.COGNITION: Route("GET", "/sessions/{id}/cognition-data"),
    }
)


class V3Dialect(Dialect):
    """The dialect of KATO 3.10.1: it says everything, and lists no sessions or patterns."""

    name: ClassVar[DialectName] = DialectName.V3
    max_batch: ClassVar[int | None] = None
    takes_metadata: ClassVar[bool] = True
    routes: ClassVar[Mapping[Verb, Route]] = _ROUTES

    def checked_config(self, config: Mapping[str, object]) -> dict[str, JsonValue]:
        """Return the config if it holds known keys in their ranges only (kato-api 3)."""
        return validate_config(config)

    def create_fields(self, new: NewSession) -> dict[str, object]:
        """Return the fields; what is not given is left out."""
        fields: dict[str, object] = {"node_id": new.node_id}
        if new.config:
            fields["config"] = new.config
        if new.ttl_seconds is not None:
            fields["ttl_seconds"] = new.ttl_seconds
        if new.metadata is not None:
            fields["metadata"] = dict(new.metadata)
        return fields

    def created(self, answer: Answer, new: NewSession) -> CreatedSession:
        """Read the session; what was asked for adds nothing, the answer has it all."""
        del new
        return answers.created_session(answer)

    def session_info(self, answer: Answer) -> SessionInfo:
        """Read the session."""
        return answers.session_info(answer)

    def exists(self, ask: Callable[[], Answer]) -> bool:
        """Ask; a 404 is no answer to this, so it is raised (kato-api 9)."""
        return ask().take("exists", bool)

    def observed(self, answer: Answer) -> Observed:
        """Read the answer, which always says the time."""
        return answers.observed(answer)

    def stm(self, answer: Answer) -> ShortTermMemory:
        """Read the symbols; the observations they came from are not shown (kato-api 7)."""
        symbols = answers.events(answer, "stm", answer.fields())
        return ShortTermMemory(symbols=symbols, observations=None)

    def looked(self, read: Callable[[Verb], Answer]) -> Cognition:
        """Read the cognition data, which has both the time and the memory."""
        return answers.cognition(read(Verb.COGNITION))

    def count(self, answer: Answer) -> int:
        """Read the count."""
        return answer.take("active_session_count", int)


V3 = V3Dialect()
