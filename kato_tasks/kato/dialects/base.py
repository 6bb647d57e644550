"""What a dialect has to say: its routes, its fields, and how its answers are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import JsonValue

from kato_tasks.errors import RouteMissing
from kato_tasks.kato.answers import (
    Answer,
    Cognition,
    CreatedSession,
    Observed,
    SessionInfo,
    ShortTermMemory,
)
from kato_tasks.models import DialectName


class Verb(StrEnum):
    """What can be asked of a server's sessions; the value is the client's method."""

    CREATE = "create_session"
    LIST = "sessions"
    COUNT = "count"
    GET = "get_session"
    EXISTS = "exists"
    DELETE = "delete_session"
    CONFIG = "get_config"
    CONFIGURE = "update_config"
    EXTEND = "extend"
    OBSERVE = "observe"
    OBSERVE_SEQUENCE = "observe_sequence"
    STM = "get_stm"
    LEARN = "learn"
    FINALIZE = "finalize_training"
    CLEAR_STM = "clear_stm"
    CLEAR_ALL = "clear_all"
    PREDICTIONS = "predictions"
    PATTERNS = "patterns"
    PERCEPT = "percept_data"
    COGNITION = "cognition_data"


class Route(NamedTuple):
    """Where a verb is sent.

    Attributes:
        method: The HTTP method.
        path: The path, with ``{id}`` where the session id goes.
    """

    method: str
    path: str


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """What a session is to be created with, before a dialect has put it into its fields.

    Attributes:
        node_id: The knowledge base it works on.
        config: Config keys, as :meth:`Dialect.checked_config` returned them.
        ttl_seconds: Its time to live; None for the server's default.
        metadata: Anything that JSON can hold; None for none.
    """

    node_id: str
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    ttl_seconds: int | None = None
    metadata: Mapping[str, JsonValue] | None = None


class Dialect(ABC):
    """One way of speaking; stateless, so one object of each kind is enough.

    Attributes:
        name: What it is called in settings.
        max_batch: Most observations of one call; None where the server has
            ``observe-sequence``, which takes any number.
        takes_metadata: Sessions can be created with metadata of the caller's.
        routes: The routes there are. A verb that is not among them is refused unsent.
    """

    name: ClassVar[DialectName]
    max_batch: ClassVar[int | None]
    takes_metadata: ClassVar[bool]
    routes: ClassVar[Mapping[Verb, Route]]

    def route(self, verb: Verb) -> Route:
        """Return where a verb is sent.

        Raises:
            RouteMissing: This dialect has no such verb; nothing was sent.
        """
        route = self.routes.get(verb)
        if route is None:
            reason = f"the dialect {self.name.value!r} has no such call, so nothing was sent"
            raise RouteMissing(verb.value, reason)
        return route

    @abstractmethod
    def checked_config(self, config: Mapping[str, object]) -> dict[str, JsonValue]:
        """Return a session config as plain JSON values.

        Raises:
            InvalidInput: A server would drop, ignore or misread a key.
        """

    @abstractmethod
    def create_fields(self, new: NewSession) -> dict[str, object]:
        """Return the fields of a create's body.

        Raises:
            InvalidInput: The dialect has no field for something.
        """

    @abstractmethod
    def created(self, answer: Answer, new: NewSession) -> CreatedSession:
        """Read the answer to a create."""

    @abstractmethod
    def session_info(self, answer: Answer) -> SessionInfo:
        """Read the description of a session."""

    @abstractmethod
    def exists(self, ask: Callable[[], Answer]) -> bool:
        """Ask whether a session exists, and read the answer."""

    @abstractmethod
    def observed(self, answer: Answer) -> Observed:
        """Read the answer to one observation."""

    @abstractmethod
    def stm(self, answer: Answer) -> ShortTermMemory:
        """Read a short-term memory."""

    @abstractmethod
    def looked(self, read: Callable[[Verb], Answer]) -> Cognition:
        """Read what a session remembers, as far as the server shows it."""

    @abstractmethod
    def count(self, answer: Answer) -> int:
        """Read how many sessions there are."""
