"""Stand-ins for what lies outside: the broker, and a KATO server."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from pydantic import JsonValue

from kato_tasks.delivery.memory import STM_EVENTS, pattern_name
from kato_tasks.errors import CallRejected, KatoError, SessionNotFound
from kato_tasks.kato import (
    Cognition,
    CreatedSession,
    KatoClient,
    Observed,
    Pattern,
    Predictions,
)

R = TypeVar("R")


class RecordingWake:
    """A :class:`kato_tasks.lanes.Wake` that calls nobody and keeps the session keys.

    Attributes:
        calls: The keys of each call, in order.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, keys: Sequence[str]) -> None:
        """Keep the keys."""
        self.calls.append(tuple(keys))

    @property
    def keys(self) -> list[str]:
        """All keys that were called, in order, with repetitions."""
        return [key for call in self.calls for key in call]


@dataclass(kw_only=True)
class FakeSession:
    """A session of a :class:`FakeKato`.

    Attributes:
        node_id: Its node.
        config: What it was created with, and configured since.
        metadata: What its creator said of it.
        time: Observations applied since the last clear.
        stm: The observations whose events are remembered, as they were sent.
        observed: All observations that were applied, as they were sent.
        learned: The memories that were learned.
        prolonged: For how many seconds it was to live on, each time.
    """

    node_id: str
    config: dict[str, JsonValue]
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    time: int = 0
    stm: list[bytes] = field(default_factory=list)
    observed: list[bytes] = field(default_factory=list)
    learned: list[list[bytes]] = field(default_factory=list)
    prolonged: list[int] = field(default_factory=list)

    def since(self, name: str) -> list[dict[str, Any]]:
        """Return what observations had of this kind since the last clear, if they had any."""
        observed = self.observed[len(self.observed) - self.time :]
        found = (json.loads(payload).get(name) for payload in observed)
        return [one for one in found if one]


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeCall:
    """A call that a :class:`FakeKato` was sent.

    Attributes:
        verb: The method of :class:`kato_tasks.kato.KatoClient`.
        session_id: The session; ``""`` for a create.
        payloads: The observations it carried.
    """

    verb: str
    session_id: str
    payloads: tuple[bytes, ...] = ()


class FakeKato:
    """A KATO server in this process, as far as delivery and predictions need one. Thread-safe.

    It is its own factory of clients: hand it in where a ``Callable[[str], KatoClient]`` is asked
    for. It says nothing about how the real server answers; it does what it is told to.

    Attributes:
        sessions: The sessions by server-side id; deleted ones are gone.
        calls: What was sent, in order.
        max_batch: Most observations of one call; None for any number.
        takes_metadata: Sessions can be created with metadata.
        can_configure: The config of a session can be changed.
        shows_percepts: The percept data of a session can be read.
        patterns: How often each pattern was learned, by node and name.
        unstored: How many of the next writes are answered as if they were stored, and are not.
        defaults: What the server's session config is, unless a session overrides it.
        refused: Observations for which a call is refused for good.
        slides: A write gives a session its whole time to live again.
        forecast: What :meth:`predictions` answers.
        on_call: Called at the beginning of every call, outside of any lock.

    Args:
        names: What the ids of its sessions begin with; no two servers give the same one.
    """

    def __init__(self, names: str = "session") -> None:
        self.sessions: dict[str, FakeSession] = {}
        self.calls: list[FakeCall] = []
        self.max_batch: int | None = None
        self.takes_metadata = True
        self.can_configure = True
        self.shows_percepts = True
        self.patterns: Counter[tuple[str, str]] = Counter()
        self.unstored = 0
        self.defaults: dict[str, JsonValue] = {}
        self.refused: set[bytes] = set()
        self.slides = True
        self.forecast = Predictions(predictions=(), future_potentials=())
        self.on_call: Callable[[FakeCall], None] = lambda _: None
        self._errors: dict[str, deque[tuple[KatoError, bool]]] = defaultdict(deque)
        self._times: deque[int] = deque()
        self._names = names
        self._made = 0
        self._lock = threading.Lock()

    def __call__(self, instance: str) -> KatoClient:
        """Return the client of an instance: this one, whatever its name."""
        del instance
        return cast("KatoClient", self)

    def fail(self, verb: str, error: KatoError, *, applied: bool = False) -> None:
        """Raise an error at the next call of a verb; ``applied``: after it has taken effect."""
        self._errors[verb].append((error, applied))

    def answer_time(self, time: int) -> None:
        """Answer this time to the next observe, whatever the session's own is."""
        self._times.append(time)

    def verbs(self) -> list[str]:
        """Return the verbs that were called, in order."""
        return [call.verb for call in self.calls]

    def create_session(
        self,
        *,
        node_id: str,
        config: Mapping[str, JsonValue] | None = None,
        ttl_seconds: int | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CreatedSession:
        """Create a session."""
        made = dict(config or {})

        def create() -> str:
            self._made += 1
            name = f"{self._names}-{self._made}"
            self.sessions[name] = FakeSession(
                node_id=node_id, config=made, metadata=dict(metadata or {})
            )
            return name

        now = datetime.now(UTC)
        return CreatedSession(
            session_id=self._call(FakeCall(verb="create_session", session_id=""), create),
            node_id=node_id,
            created_at=now,
            expires_at=now + timedelta(seconds=ttl_seconds or 3600),
            ttl_seconds=ttl_seconds or 3600,
            config={**self.defaults, **made},
        )

    def exists(self, session_id: str) -> bool:
        """Tell whether there is such a session."""
        call = FakeCall(verb="exists", session_id=session_id)
        return self._call(call, lambda: session_id in self.sessions)

    def counts_writes(self, session_id: str) -> bool:
        """Tell whether a write gives a session its whole time to live again."""
        del session_id
        return self.slides

    def prolong(self, session_id: str, ttl_seconds: int) -> None:
        """Let a session live on."""

        def prolong() -> None:
            self._stored(session_id).prolonged.append(ttl_seconds)

        self._call(FakeCall(verb="prolong", session_id=session_id), prolong)

    def delete_session(self, session_id: str) -> None:
        """Delete a session."""

        def delete() -> None:
            self._find(session_id)
            del self.sessions[session_id]

        self._call(FakeCall(verb="delete_session", session_id=session_id), delete)

    def discard_session(self, session_id: str) -> None:
        """Delete a session that stands for nothing any more."""
        self.delete_session(session_id)

    def observe(self, session_id: str, observation: bytes) -> Observed:
        """Apply one observation."""
        return self._observe("observe", session_id, (observation,))

    def observe_sequence(self, session_id: str, observations: Sequence[bytes]) -> Observed:
        """Apply observations, all or none."""
        return self._observe("observe_sequence", session_id, tuple(observations))

    def replay(self, session_id: str, observations: Sequence[bytes]) -> None:
        """Apply observations again that another session has had."""
        self._observe("replay", session_id, tuple(observations))

    def look(self, session_id: str) -> Cognition:
        """Return what a session remembers."""

        def look() -> Cognition:
            session = self._find(session_id)
            stm = [list(_symbols(payload)) for payload in session.stm]
            felt = session.since("emotives")
            return Cognition(time=session.time, stm=stm, emotives=felt[-1] if felt else {}, raw={})

        return self._call(FakeCall(verb="look", session_id=session_id), look)

    def percept_data(self, session_id: str) -> dict[str, JsonValue]:
        """Return what came with the last observation, and all emotives since the last clear."""

        def percept() -> dict[str, JsonValue]:
            session = self._find(session_id)
            if not session.time:
                return {}
            last = json.loads(session.observed[-1])
            felt: list[JsonValue] = [*session.since("emotives")]
            return {"emotives": felt, "metadata": last.get("metadata", {})}

        return self._call(FakeCall(verb="percept_data", session_id=session_id), percept)

    def get_config(self, session_id: str) -> dict[str, JsonValue]:
        """Return the effective config."""
        call = FakeCall(verb="get_config", session_id=session_id)
        return self._call(call, lambda: {**self.defaults, **self._find(session_id).config})

    def update_config(self, session_id: str, config: Mapping[str, JsonValue]) -> None:
        """Change some keys of a session's config."""

        def update() -> None:
            self._stored(session_id).config.update(config)

        self._call(FakeCall(verb="update_config", session_id=session_id), update)

    def pattern(self, name: str, *, node_id: str) -> Pattern | None:
        """Look up a pattern."""

        def find() -> Pattern | None:
            count = self.patterns[node_id, name]
            return (
                Pattern(name=name, events=[], length=0, frequency=count, emotives=(), metadata={})
                if count
                else None
            )

        return self._call(FakeCall(verb="pattern", session_id=""), find)

    def learn(self, session_id: str) -> str:
        """Learn the short-term memory and empty it; an empty one is refused."""

        def learn() -> str:
            session = self._find(session_id)
            if not session.stm:
                raise CallRejected("POST /sessions/{id}/learn", "Cannot learn from empty STM", 400)
            return self._learn(session, self._stored(session_id), kept=0)

        return self._call(FakeCall(verb="learn", session_id=session_id), learn)

    def clear_stm(self, session_id: str) -> None:
        """Empty the short-term memory and set the time to 0."""

        def clear() -> None:
            session = self._stored(session_id)
            session.stm, session.time = [], 0

        self._call(FakeCall(verb="clear_stm", session_id=session_id), clear)

    def predictions(self, session_id: str) -> Predictions:
        """Answer the :attr:`forecast`."""

        def predict() -> Predictions:
            self._find(session_id)
            return self.forecast

        return self._call(FakeCall(verb="predictions", session_id=session_id), predict)

    def _observe(self, verb: str, session_id: str, payloads: tuple[bytes, ...]) -> Observed:
        def observe() -> Observed:
            self._find(session_id)
            if not self.refused.isdisjoint(payloads):
                raise CallRejected(f"POST /sessions/{{id}}/{verb}", "not taken", 422)
            session, learned = self._stored(session_id), []
            for payload in payloads:
                learned += self._take_in(session, payload)
            session.observed += payloads
            length = len(session.stm)
            del session.stm[:-STM_EVENTS]
            return Observed(
                applied=len(payloads),
                time=self._times.popleft() if self._times else session.time,
                stm_length=length,
                auto_learned=tuple(learned),
            )

        return self._call(FakeCall(verb=verb, session_id=session_id, payloads=payloads), observe)

    def _take_in(self, session: FakeSession, payload: bytes) -> list[str]:
        session.time += 1
        if not _symbols(payload):
            return []
        session.stm.append(payload)
        config = {**self.defaults, **session.config}
        limit = config.get("max_pattern_length")
        if not isinstance(limit, int) or not 0 < limit <= len(session.stm):
            return []
        return [self._learn(session, session, kept=limit - 1 if _rolls(config) else 0)]

    def _learn(self, session: FakeSession, stored: FakeSession, *, kept: int) -> str:
        name = pattern_name([_symbols(payload) for payload in session.stm])
        self.patterns[session.node_id, name] += 1
        stored.learned.append(list(session.stm))
        stored.stm = stored.stm[len(stored.stm) - kept :] if kept else []
        return name

    def _stored(self, session_id: str) -> FakeSession:
        """Return the session to write to: a copy that nobody keeps, if it is not to be stored."""
        session = self._find(session_id)
        if not self.unstored:
            return session
        self.unstored -= 1
        return deepcopy(session)

    def _find(self, session_id: str) -> FakeSession:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise SessionNotFound("/sessions/{id}", "no such session", 404) from None

    def _call(self, call: FakeCall, effect: Callable[[], R]) -> R:
        self.on_call(call)
        with self._lock:
            self.calls.append(call)
            errors = self._errors[call.verb]
            error, applied = errors.popleft() if errors else (None, True)
            if error is not None and not applied:
                raise error
            answer = effect()
            if error is not None:
                raise error
            return answer


def _symbols(payload: bytes) -> tuple[str, ...]:
    return tuple(sorted(json.loads(payload).get("strings", ())))


def _rolls(config: Mapping[str, JsonValue]) -> bool:
    return config.get("stm_mode") == "ROLLING"
