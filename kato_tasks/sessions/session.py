"""One session in a producer's hands."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from kato_tasks.kato import Predictions
from kato_tasks.models import PART, Append, Group, Kind, SessionRecord, SessionSpec
from kato_tasks.naming import check_command_id
from kato_tasks.observations import (
    ObservationLike,
    encode_observation,
    encode_observations,
    observation_fields,
)
from kato_tasks.sessions.intake import Intake
from kato_tasks.sessions.oracle import Oracle
from kato_tasks.sessions.receipts import Receipt
from kato_tasks.sessions.specs import encode_config

GROUP: Final = 500
"""Most commands of one group."""


class Session:
    """A session by the caller's own key; made by :meth:`Sessions.session`.

    Every method that changes the session only accepts commands: one round trip to the store, and
    one wake-up if nobody was at work on the lane. Workers deliver them, in order.

    Attributes:
        key: The caller's name for the session.
        spec: What the session is created with, if this is its first use.
        keep_alive: Keep it alive then.
    """

    def __init__(  # noqa: PLR0913 - what a session is and whom it talks to
        self,
        *,
        key: str,
        spec: SessionSpec,
        keep_alive: bool,
        node: str | None,
        instance: str | None,
        intake: Intake,
        oracle: Oracle,
    ) -> None:
        self.key = key
        self.spec = spec
        self.keep_alive = keep_alive
        self._node = node
        self._instance = instance
        self._intake = intake
        self._oracle = oracle

    def observe(
        self,
        strings: Sequence[str] = (),
        *,
        vectors: Sequence[Sequence[float]] = (),
        emotives: Mapping[str, float] | None = None,
        metadata: Mapping[str, object] | None = None,
        command_id: str | None = None,
    ) -> Receipt:
        """Accept one observation.

        Args:
            strings: Symbols; the server sorts them.
            vectors: Vectors of finite numbers, all of one length.
            emotives: Named finite numbers.
            metadata: Named JSON values.
            command_id: A name under which a repeated call adds nothing; minted by default.

        Raises:
            InvalidInput: The observation is none; nothing was accepted.
            SessionConflict: The key is in use with another node or instance.
            LaneFull: Too many commands of the session wait; repeat the call later.
            StoreUnavailable: Repeat the call with the ``command_ids`` of the error.
        """
        observation = observation_fields(strings, vectors, emotives, metadata)
        payload = encode_observation(observation, max_bytes=self._intake.max_observation_bytes)
        return self._append(Kind.OBSERVE, (payload,), command_id)

    def observe_many(
        self, observations: Iterable[ObservationLike], *, command_id: str | None = None
    ) -> Receipt:
        """Accept several observations, in order; the receipt is that of the last.

        Args:
            observations: At least one; each an :class:`Observation` or a mapping with its fields.
            command_id: A name under which the whole call, repeated, adds nothing.

        Raises:
            InvalidInput: One of them is no observation, or there is none; nothing was accepted.
            SessionConflict: The key is in use with another node or instance.
            StoreUnavailable: Repeat the call with the same ``command_id``; what had been
                accepted is not added again.
        """
        payloads = encode_observations(observations, max_bytes=self._intake.max_observation_bytes)
        return self._append(Kind.OBSERVE, payloads, command_id)

    def learn(self, *, command_id: str | None = None) -> Receipt:
        """Accept a learn: the short-term memory becomes a pattern of the node.

        The receipt's :meth:`~Receipt.wait` answers the pattern's name.
        """
        return self._append(Kind.LEARN, (b"",), command_id)

    def clear_stm(self, *, command_id: str | None = None) -> Receipt:
        """Accept a clear: the short-term memory, its accumulators and its clock start anew."""
        return self._append(Kind.CLEAR_STM, (b"",), command_id)

    def configure(
        self, config: Mapping[str, JsonValue], *, command_id: str | None = None
    ) -> Receipt:
        """Accept a change of the session's config; keys that are not named stay.

        Args:
            config: Config keys and their new values (kato-api 3), at least one.
            command_id: A name under which a repeated call adds nothing; minted by default.

        Raises:
            InvalidInput: The server would ignore or misread a key, or it is
                ``process_predictions``, which is our own option ``predictions``.
        """
        return self._append(Kind.CONFIGURE, (encode_config(config),), command_id)

    def delete(self, *, command_id: str | None = None) -> Receipt:
        """Accept the end of the session, after everything accepted before.

        What the node has learned stays. A later command under the key starts an empty session.
        """
        return self._append(Kind.DELETE, (b"",), command_id)

    def create(self) -> None:
        """Register the session and have it made at its server, if it is not there yet.

        Not needed before other calls: the first command creates the session too.
        """
        self._intake.register(self.request((), bind=True))

    def predictions(self, *, after: Receipt | None = None, timeout: float = 30.0) -> Predictions:
        """Ask the server for predictions, after the lane has been delivered.

        The question goes from this process to the server itself.

        Args:
            after: Wait for this receipt only; by default for all that is accepted now.
            timeout: Seconds to wait for the delivery at most.

        Returns:
            The predictions; none for a session without events.

        Raises:
            WaitTimeout: The lane was not delivered in time.
            SessionParked: Nothing is delivered until somebody unparks the session.
            KatoError: The server did not answer, or refused.
        """
        seq = None if after is None else after.seq
        return self._oracle.predictions(self.key, after=seq, timeout=timeout)

    def info(self) -> SessionRecord | None:
        """Return what the registry knows of the session; None before its first use."""
        return self._intake.registry.get(self.key)

    def request(self, groups: tuple[Group, ...], *, bind: bool = False) -> Append:
        """Return the request that accepts groups of commands for this session.

        Args:
            groups: What to accept; see :func:`group_commands`.
            bind: Have the session made at its server even if no command waits.
        """
        return Append(
            key=self.key,
            spec=self.spec,
            node=self._node,
            instance=self._instance,
            groups=groups,
            bind=bind,
            keep_alive=self.keep_alive,
        )

    def _append(self, kind: Kind, payloads: Sequence[bytes], command_id: str | None) -> Receipt:
        groups = group_commands(kind, payloads, command_id)
        return self._intake.accept([self.request(groups)])[0]


def group_commands(
    kind: Kind, payloads: Sequence[bytes], command_id: str | None
) -> tuple[Group, ...]:
    """Return commands of one kind as groups of bounded length, named after one ``command_id``.

    Args:
        kind: What each of them does.
        payloads: Their JSON, one per command.
        command_id: Their common name; minted if None.

    Raises:
        InvalidInput: The ``command_id`` is empty, too long or no text.
    """
    name = mint_command_id() if command_id is None else check_command_id(command_id)
    if len(payloads) <= GROUP:
        return (Group(command_id=name, kind=kind, payloads=tuple(payloads)),)
    return tuple(
        Group(
            command_id=f"{name}{PART}{start}",
            kind=kind,
            payloads=tuple(payloads[start : start + GROUP]),
        )
        for start in range(0, len(payloads), GROUP)
    )


def mint_command_id() -> str:
    """Return a ``command_id`` that nobody has used: 96 random bits."""
    return secrets.token_urlsafe(12)
