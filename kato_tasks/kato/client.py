"""The routes of a KATO server as methods.

Every method is one request and may raise any class below ``KatoError``; the docstrings name only
what is particular to them. The first that has to know which dialect the server speaks asks the
server, unless that was given: one more request, which writes nothing and which fails as
``Retryable``. ``SessionNotFound`` is no proof that a session is gone: ask ``exists``
(kato-api 9). Nothing is ever repeated here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote

import httpx
from pydantic import JsonValue

from kato_tasks.errors import ConfigDropped, Final, InvalidInput, KatoError
from kato_tasks.kato import answers
from kato_tasks.kato.answers import (
    Answer,
    Cognition,
    CreatedSession,
    Observed,
    Pattern,
    Predictions,
    SessionInfo,
    ShortTermMemory,
)
from kato_tasks.kato.config import effective_differences, validate_ttl
from kato_tasks.kato.dialects import DIALECTS, Dialect, NewSession, Verb, detect
from kato_tasks.kato.transport import Transport
from kato_tasks.models import DialectName

Answered = Callable[[KatoError | None], None]


def _unheard(_: KatoError | None) -> None:
    """Tell nobody."""


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
# The real server ignores it; the development server's audit tells replays by it.
_REPLAY: Mapping[str, str] = MappingProxyType({"X-Kato-Tasks-Source": "replay"})
_LONGEST_REPLAY = 1000
_PROBED_SECONDS = 600


class KatoClient:
    """A client of one KATO server, of either dialect.

    It may be shared by threads, but not across a fork: make it in the process that uses it. It
    connects when it is first used. The server wants one writing request at a time per session
    (kato-api 0); the caller sees to that.

    Args:
        base_url: Where the server is, such as ``http://127.0.0.1:8000``.
        timeout: Seconds without a byte from the server until an answer counts as lost; also
            seconds for an answer as a whole, from its first byte.
        connect_timeout: Seconds until a server that does not take a connection counts as
            unreachable, and seconds to wait for a free connection.
        max_connections: The most connections at a time; further threads wait for one.
        dialect: How the server speaks; None asks the server when it is first needed.
        answered: Told of every call to a session or pattern: what was raised for it, or None.
        transport: Takes the place of the network, for tests.

    Raises:
        InvalidInput: ``base_url`` is not the address of a server.
    """

    def __init__(  # noqa: PLR0913 - what a person may choose
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 32,
        dialect: DialectName | None = None,
        answered: Answered | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._answered = answered or _unheard
        self._counts_writes: bool | None = None
        self._dialect = None if dialect is None else DIALECTS[dialect]
        self._transport = Transport(
            base_url,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_connections=max_connections,
            transport=transport,
        )

    @property
    def base_url(self) -> str:
        """Where the server is, without a final slash."""
        return self._transport.base_url

    @property
    def calls(self) -> int:
        """How many HTTP requests this client has started so far, answered or not."""
        return self._transport.calls

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._transport.under_way

    @property
    def limit(self) -> int:
        """How many connections this client may use."""
        return self._transport.limit

    @property
    def connections(self) -> int:
        """How many connections may be open now, idle ones included."""
        return self._transport.connections

    @property
    def dialect(self) -> Dialect:
        """How the server speaks: as it was given, or as the server was found to.

        Raises:
            Retryable: It could not be told; nothing was written.
        """
        if self._dialect is None:
            try:
                self._dialect = self.detect_dialect()
            except KatoError as error:
                self._answered(error)
                raise
        return self._dialect

    @property
    def max_batch(self) -> int | None:
        """Most observations of one call; None where :meth:`observe_sequence` takes any number.

        Raises:
            Retryable: The dialect could not be told; nothing was written.
        """
        return self.dialect.max_batch

    @property
    def takes_metadata(self) -> bool:
        """True if a session can be created with metadata.

        Raises:
            Retryable: The dialect could not be told; nothing was written.
        """
        return self.dialect.takes_metadata

    @property
    def can_configure(self) -> bool:
        """True if the config of a session can be changed.

        Raises:
            Retryable: The dialect could not be told; nothing was written.
        """
        return Verb.CONFIGURE in self.dialect.routes

    @property
    def lists_sessions(self) -> bool:
        """True if the server says which sessions it has.

        Raises:
            Retryable: The dialect could not be told; nothing was written.
        """
        return Verb.LIST in self.dialect.routes

    @property
    def shows_percepts(self) -> bool:
        """True if a session's percept data can be read.

        Raises:
            Retryable: The dialect could not be told; nothing was written.
        """
        return Verb.PERCEPT in self.dialect.routes

    def resize(self, connections: int) -> None:
        """Use at most so many connections from now on, from 0; requests under way go on.

        Idle ones beyond that are closed.
        """
        self._transport.resize(connections)

    def detect_dialect(self) -> Dialect:
        """Ask the server how it speaks, whatever is known of it already.

        Raises:
            Retryable: It could not be told; nothing was written.
        """
        return detect(self._transport)

    def create_session(
        self,
        *,
        node_id: str,
        config: Mapping[str, JsonValue] | None = None,
        ttl_seconds: int | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CreatedSession:
        """Create a session.

        Where the guide's dialect leaves the config out of its answer, the session is looked at:
        one more request.

        Args:
            node_id: The knowledge base it works on.
            config: Config keys that differ from the server's defaults.
            ttl_seconds: Its time to live in whole seconds, from 1; the server's default if None.
            metadata: Anything that JSON can hold; not in the guide's dialect.

        Raises:
            InvalidInput: The server would drop or misread an argument; nothing was sent.
            ConfigDropped: The server took the session but not the config (kato-api 3). The
                useless session was deleted if that could be done.
        """
        new = NewSession(
            node_id=node_id,
            config=self.dialect.checked_config(config or {}),
            ttl_seconds=None if ttl_seconds is None else validate_ttl("ttl_seconds", ttl_seconds),
            metadata=metadata,
        )
        answer = self._send(Verb.CREATE, content=_encoded(self.dialect.create_fields(new)))
        created = self.dialect.created(answer, new)
        try:
            return self._with_config(answer, created, new.config)
        except KatoError:
            with contextlib.suppress(KatoError):
                self.delete_session(created.session_id)
            raise

    def sessions(self) -> tuple[str, ...]:
        """List the ids of all sessions; in the guide's dialect only."""
        listed = self._send(Verb.LIST)
        return tuple(listed.take("session_id", str, one) for one in listed.objects())

    def count(self) -> int:
        """Count the sessions; up to 5 s old, and expired ones stay in it (kato-api 2)."""
        return self.dialect.count(self._send(Verb.COUNT))

    def get_session(self, session_id: str) -> SessionInfo:
        """Describe a session; this does not keep it alive (kato-api 2)."""
        return self.dialect.session_info(self._send(Verb.GET, session_id))

    def exists(self, session_id: str) -> bool:
        """Tell whether the session exists: the one answer that proves it is gone (kato-api 9).

        The guide's dialect has no such question: there a 404 for the session has to do.
        """
        return self.dialect.exists(lambda: self._send(Verb.EXISTS, session_id))

    def delete_session(self, session_id: str) -> None:
        """Delete a session; SessionNotFound if there is none."""
        self._send(Verb.DELETE, session_id)

    def discard_session(self, session_id: str) -> None:
        """Delete a session that stands for nothing any more; SessionNotFound if there is none."""
        self._send(Verb.DELETE, session_id, headers=_REPLAY)

    def get_config(self, session_id: str) -> dict[str, JsonValue]:
        """Return the effective config, the server's defaults merged in (kato-api 3)."""
        return self._send(Verb.CONFIG, session_id).take("config", dict)

    def update_config(self, session_id: str, config: Mapping[str, JsonValue]) -> None:
        """Change some keys of a session's config; the others stay.

        Raises:
            InvalidInput: The server would ignore or misread a key; nothing was sent.
        """
        body = _encoded({"config": self.dialect.checked_config(config)})
        self._send(Verb.CONFIGURE, session_id, content=body)

    def extend(self, session_id: str, ttl_seconds: int) -> None:
        """Let a session expire this many whole seconds from now (kato-api 2).

        Raises:
            InvalidInput: Less than 1, which the server would take as a delete.
        """
        validate_ttl("ttl_seconds", ttl_seconds)
        self._send(Verb.EXTEND, session_id, query=f"?ttl_seconds={ttl_seconds:d}")

    def prolong(self, session_id: str, ttl_seconds: int) -> None:
        """Let a session live on for this many whole seconds.

        In the guide's dialect any call does that for a session that extends itself; it is read.
        """
        if Verb.EXTEND in self.dialect.routes:
            self.extend(session_id, ttl_seconds)
        else:
            self.get_session(session_id)

    def counts_writes(self, node_id: str) -> bool:
        """Tell whether a write gives a session its whole time to live again (kato-api 2).

        It is the server's setting, so it is asked once: with a session of its own that is extended
        and read, because a server that counts writes shows what a write would give it, and the
        others what it was extended to.

        Args:
            node_id: The node of the session that it is asked with.
        """
        if Verb.EXTEND not in self.dialect.routes:
            return True
        if self._counts_writes is None:
            self._counts_writes = self._asked_whether_writes_count(node_id)
        return self._counts_writes

    def observe(self, session_id: str, observation: bytes) -> Observed:
        """Apply one observation.

        Args:
            session_id: The session.
            observation: One JSON object, encoded as UTF-8; it is sent as it is.
        """
        return self.dialect.observed(self._send(Verb.OBSERVE, session_id, content=observation))

    def observe_sequence(self, session_id: str, observations: Sequence[bytes]) -> Observed:
        """Apply observations in order, all or none (kato-api 4); not in the guide's dialect.

        Without any, nothing changes and ``time`` is -1; on a server of one process the answer
        then comes after all that was sent before (kato-api 5).

        Args:
            session_id: The session.
            observations: JSON objects, each encoded as UTF-8; they are sent as they are.
        """
        body = b'{"observations":[' + b",".join(observations) + b"]}"
        answer = self._send(Verb.OBSERVE_SEQUENCE, session_id, content=body)
        return answers.observed_sequence(answer)

    def replay(self, session_id: str, observations: Sequence[bytes]) -> None:
        """Apply observations again that another session has had, in order.

        One call for up to 1000 of them, or one for each in the guide's dialect. If one fails, the
        session is in no defined state: delete it, and begin with another.

        Args:
            session_id: A session that was made for it.
            observations: JSON objects, each encoded as UTF-8.
        """
        if self.max_batch is not None:
            for observation in observations:
                self._send(Verb.OBSERVE, session_id, content=observation, headers=_REPLAY)
            return
        for start in range(0, len(observations), _LONGEST_REPLAY):
            part = observations[start : start + _LONGEST_REPLAY]
            body = b'{"observations":[' + b",".join(part) + b"]}"
            answer = self._send(Verb.OBSERVE_SEQUENCE, session_id, content=body, headers=_REPLAY)
            applied = answers.observed_sequence(answer).applied
            if applied != len(part):
                answer.refuse(f"{applied} of {len(part)} observations were applied")

    def look(self, session_id: str) -> Cognition:
        """Return what a session remembers; ``time`` is -1 where the guide's dialect has none."""
        return self.dialect.looked(lambda verb: self._send(verb, session_id))

    def get_stm(self, session_id: str) -> list[list[str]]:
        """Return the short-term memory: events, oldest first, each a list of symbols."""
        return self.read_stm(session_id).symbols

    def read_stm(self, session_id: str) -> ShortTermMemory:
        """Return the short-term memory with all that the server shows of it."""
        return self.dialect.stm(self._send(Verb.STM, session_id))

    def learn(self, session_id: str) -> str:
        """Learn the short-term memory as a pattern and empty it.

        Repeating it is not harmless: the pattern's frequency counts every learn (kato-api 8).

        Returns:
            The pattern's name, or ``""`` if a memory of one symbol was emptied unlearned.

        Raises:
            CallRejected: The short-term memory is empty (kato-api 1).
        """
        return self._send(Verb.LEARN, session_id).take("pattern_name", str)

    def finalize_training(self, session_id: str) -> int:
        """Have the server write out and weigh what the session's node has learned (kato-api 8).

        Returns:
            How many patterns it went through.
        """
        return self._send(Verb.FINALIZE, session_id).take("patterns_processed", int)

    def clear_stm(self, session_id: str) -> None:
        """Empty the short-term memory and set ``time`` back to 0 (kato-api 4)."""
        self._send(Verb.CLEAR_STM, session_id)

    def clear_all(self, session_id: str) -> None:
        """Empty the session, and forget every pattern of its node, for all its sessions.

        The patterns were gone afterwards (T:f_clear_learn_config_pattern); nothing brings them
        back.
        """
        self._send(Verb.CLEAR_ALL, session_id)

    def predictions(self, session_id: str) -> Predictions:
        """Predict from the short-term memory, whatever ``process_predictions`` is (kato-api 0)."""
        return answers.predictions(self._send(Verb.PREDICTIONS, session_id))

    def patterns(self, session_id: str) -> JsonValue:
        """Return the patterns of a session's node as they come; in the guide's dialect only."""
        return self._send(Verb.PATTERNS, session_id).value()

    def cognition_data(self, session_id: str) -> Cognition:
        """Return the session's state, with ``time``: what says which calls were applied."""
        return answers.cognition(self._send(Verb.COGNITION, session_id))

    def percept_data(self, session_id: str) -> dict[str, JsonValue]:
        """Return the last observation as the server holds it; empty after a clear."""
        return self._send(Verb.PERCEPT, session_id).take("percept_data", dict)

    def pattern(self, name: str, *, node_id: str) -> Pattern | None:
        """Look up a learned pattern; up to 200 ms behind its learn (kato-api 9).

        Args:
            name: The pattern's name, as a learn returned it.
            node_id: The node, as sessions are created with it (kato-api 8).

        Returns:
            The pattern; None if the node has none of that name.
        """
        query = "?node_id=" + _quoted(node_id)
        send = self._transport.send
        return answers.pattern(
            self._told(lambda: send("GET", "/pattern/{id}", name=name, query=query))
        )

    def root(self) -> dict[str, JsonValue]:
        """Return what the server says of itself: the cheapest question there is."""
        return self._transport.send("GET", "/").fields()

    def status(self) -> dict[str, JsonValue]:
        """Return the status report, which has the sessions and nodes in use."""
        return self._transport.send("GET", "/status").fields()

    def health(self) -> dict[str, JsonValue]:
        """Return the health report; it says healthy even without its stores (kato-api 9)."""
        return self._transport.send("GET", "/health").fields()

    def openapi(self) -> dict[str, JsonValue]:
        """Return the server's description of itself."""
        return self._transport.send("GET", "/openapi.json").fields()

    def version(self) -> str:
        """Return the server's version, such as ``3.10.1``, from its own description."""
        answer = self._transport.send("GET", "/openapi.json")
        return answer.take("version", str, answer.take("info", dict))

    def close(self) -> None:
        """Close all connections; may be repeated. Later calls raise KatoUnreachable."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _asked_whether_writes_count(self, node_id: str) -> bool:
        probe = self.create_session(node_id=node_id, ttl_seconds=_PROBED_SECONDS)
        try:
            self.extend(probe.session_id, 2 * _PROBED_SECONDS)
            shown = self.get_session(probe.session_id)
        except Final:
            # Where nothing can be extended, nothing else can be done than to count on it.
            return True
        finally:
            with contextlib.suppress(KatoError):
                self.discard_session(probe.session_id)
        if shown.expires_at is None or shown.created_at is None:
            return True
        lives = (shown.expires_at - shown.created_at).total_seconds()
        return lives < 1.5 * _PROBED_SECONDS

    def _with_config(
        self, answer: Answer, created: CreatedSession, sent: Mapping[str, JsonValue]
    ) -> CreatedSession:
        """Return a created session, if the server has taken its config."""
        if not sent:
            return created
        config = created.config
        if config is None:
            config = self.get_config(created.session_id)
        dropped = effective_differences(sent, config)
        if dropped:
            raise ConfigDropped(answer.call, f"not taken: {', '.join(dropped)}", answer.status)
        return replace(created, config=config)

    def _send(
        self,
        verb: Verb,
        session_id: str = "",
        *,
        query: str = "",
        content: bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Answer:
        method, path = self.dialect.route(verb)
        return self._told(
            lambda: self._transport.send(
                method, path, name=session_id, query=query, content=content, headers=headers
            )
        )

    def _told(self, send: Callable[[], Answer]) -> Answer:
        try:
            answer = send()
        except KatoError as error:
            self._answered(error)
            raise
        self._answered(None)
        return answer


def _quoted(node_id: str) -> str:
    try:
        return quote(node_id, safe="")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            subject="node_id",
            problem=f"has a lone surrogate at position {error.start}",
            allowed="text that UTF-8 can hold",
        ) from error


def _encoded(body: Mapping[str, object]) -> bytes:
    """Encode a body; without escapes, so that a lone surrogate fails here (kato-api 0)."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            subject="the request",
            problem=f"cannot be encoded ({error})",
            allowed="what JSON in UTF-8 can hold",
        ) from error
