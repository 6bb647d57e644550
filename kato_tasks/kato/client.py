"""The routes of a KATO server as methods.

Every method is one request and may raise any class below ``KatoError``; the docstrings name only
what is particular to them. ``SessionNotFound`` is no proof that a session is gone: ask ``exists``
(kato-api 9). Nothing is ever repeated here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx
from pydantic import JsonValue

from kato_tasks.errors import ConfigDropped, InvalidInput, KatoError
from kato_tasks.kato import answers
from kato_tasks.kato.answers import Cognition, CreatedSession, Observed, Predictions, SessionInfo
from kato_tasks.kato.config import effective_differences, validate_config, validate_ttl
from kato_tasks.kato.transport import Transport


class KatoClient:
    """A client of one KATO 3.10.1 server.

    It may be shared by threads, but not across a fork: make it in the process that uses it. It
    connects when it is first used. The server wants one writing request at a time per session
    (kato-api 0); the caller sees to that.

    Args:
        base_url: Where the server is, such as ``http://127.0.0.1:8000``.
        timeout: Seconds without a byte from the server until an answer counts as lost, and
            seconds to wait for a free connection.
        connect_timeout: Seconds until a server that does not take a connection counts as
            unreachable.
        max_connections: The most connections at a time; further threads wait for one.
        transport: Takes the place of the network, for tests.

    Raises:
        InvalidInput: ``base_url`` is not the address of a server.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 32,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
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

    def create_session(
        self,
        *,
        node_id: str,
        config: Mapping[str, JsonValue] | None = None,
        ttl_seconds: int | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CreatedSession:
        """Create a session.

        Args:
            node_id: The knowledge base it works on.
            config: Config keys that differ from the server's defaults.
            ttl_seconds: Its time to live in whole seconds, from 1; the server's default if None.
            metadata: Anything that JSON can hold.

        Raises:
            InvalidInput: The server would drop or misread an argument; nothing was sent.
            ConfigDropped: The server took the session but not the config (kato-api 3). The
                useless session was deleted if that could be done.
        """
        checked = validate_config(config or {})
        body = _create_body(node_id, checked, ttl_seconds, metadata)
        answer = self._transport.send("POST", "/sessions", content=body)
        created = answers.created_session(answer)
        dropped = effective_differences(checked, created.config)
        if dropped:
            with contextlib.suppress(KatoError):
                self.delete_session(created.session_id)
            raise ConfigDropped(answer.call, f"not taken: {', '.join(dropped)}", answer.status)
        return created

    def get_session(self, session_id: str) -> SessionInfo:
        """Describe a session; this does not keep it alive (kato-api 2)."""
        return answers.session_info(self._session("GET", session_id))

    def exists(self, session_id: str) -> bool:
        """Tell whether the session exists: the one answer that proves it is gone (kato-api 9)."""
        return self._session("GET", session_id, "/exists").take("exists", bool)

    def delete_session(self, session_id: str) -> None:
        """Delete a session; SessionNotFound if there is none."""
        self._session("DELETE", session_id)

    def get_config(self, session_id: str) -> dict[str, JsonValue]:
        """Return the effective config, the server's defaults merged in (kato-api 3)."""
        return self._session("GET", session_id, "/config").take("config", dict)

    def update_config(self, session_id: str, config: Mapping[str, JsonValue]) -> None:
        """Change some keys of a session's config; the others stay.

        Raises:
            InvalidInput: The server would ignore or misread a key; nothing was sent.
        """
        body = _encoded({"config": validate_config(config)})
        self._session("POST", session_id, "/config", content=body)

    def extend(self, session_id: str, ttl_seconds: int) -> None:
        """Let a session expire this many whole seconds from now (kato-api 2).

        Raises:
            InvalidInput: Less than 1, which the server would take as a delete.
        """
        validate_ttl("ttl_seconds", ttl_seconds)
        self._session("POST", session_id, "/extend", query=f"?ttl_seconds={ttl_seconds:d}")

    def observe(self, session_id: str, observation: bytes) -> Observed:
        """Apply one observation.

        Args:
            session_id: The session.
            observation: One JSON object, encoded as UTF-8; it is sent as it is.
        """
        return answers.observed(self._session("POST", session_id, "/observe", content=observation))

    def observe_sequence(self, session_id: str, observations: Sequence[bytes]) -> Observed:
        """Apply observations in order, all or none (kato-api 4).

        Without any, nothing changes and ``time`` is -1; on a server of one process the answer
        then comes after all that was sent before (kato-api 5).

        Args:
            session_id: The session.
            observations: JSON objects, each encoded as UTF-8; they are sent as they are.
        """
        body = b'{"observations":[' + b",".join(observations) + b"]}"
        answer = self._session("POST", session_id, "/observe-sequence", content=body)
        return answers.observed_sequence(answer)

    def get_stm(self, session_id: str) -> list[list[str]]:
        """Return the short-term memory: events, oldest first, each a list of symbols."""
        answer = self._session("GET", session_id, "/stm")
        return answers.events(answer, "stm", answer.fields())

    def learn(self, session_id: str) -> str:
        """Learn the short-term memory as a pattern and empty it.

        Repeating it is not harmless: the pattern's frequency counts every learn (kato-api 8).

        Returns:
            The pattern's name, or ``""`` if a memory of one symbol was emptied unlearned.

        Raises:
            CallRejected: The short-term memory is empty (kato-api 1).
        """
        return self._session("POST", session_id, "/learn").take("pattern_name", str)

    def clear_stm(self, session_id: str) -> None:
        """Empty the short-term memory and set ``time`` back to 0 (kato-api 4)."""
        self._session("POST", session_id, "/clear-stm")

    def predictions(self, session_id: str) -> Predictions:
        """Predict from the short-term memory, whatever ``process_predictions`` is (kato-api 0)."""
        return answers.predictions(self._session("GET", session_id, "/predictions"))

    def cognition_data(self, session_id: str) -> Cognition:
        """Return the session's state, with ``time``: what says which calls were applied."""
        return answers.cognition(self._session("GET", session_id, "/cognition-data"))

    def percept_data(self, session_id: str) -> dict[str, JsonValue]:
        """Return the last observation as the server holds it; empty after a clear."""
        return self._session("GET", session_id, "/percept-data").take("percept_data", dict)

    def count(self) -> int:
        """Count the sessions; up to 5 s old, and expired ones stay in it (kato-api 2)."""
        return self._transport.send("GET", "/sessions/count").take("active_session_count", int)

    def health(self) -> dict[str, JsonValue]:
        """Return the health report; it says healthy even without its stores (kato-api 9)."""
        return self._transport.send("GET", "/health").fields()

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

    def _session(
        self,
        method: str,
        session_id: str,
        tail: str = "",
        *,
        query: str = "",
        content: bytes | None = None,
    ) -> answers.Answer:
        route = "/sessions/{id}" + tail
        return self._transport.send(
            method, route, session_id=session_id, query=query, content=content
        )


def _create_body(
    node_id: str,
    config: Mapping[str, JsonValue],
    ttl_seconds: int | None,
    metadata: Mapping[str, JsonValue] | None,
) -> bytes:
    body: dict[str, object] = {"node_id": node_id}
    if config:
        body["config"] = config
    if ttl_seconds is not None:
        validate_ttl("ttl_seconds", ttl_seconds)
        body["ttl_seconds"] = ttl_seconds
    if metadata is not None:
        body["metadata"] = dict(metadata)
    return _encoded(body)


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
