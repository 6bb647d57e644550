"""Accepts commands: puts them into their lanes and calls workers to idle ones."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.errors import InvalidInput
from kato_tasks.lanes import Lanes, Refusal, Wake
from kato_tasks.models import Append, Appended
from kato_tasks.registry import Registry
from kato_tasks.sessions.places import Places
from kato_tasks.sessions.receipts import Receipt


class Intake:
    """Accepts commands for the sessions of one store.

    Args:
        lanes: Takes the commands.
        registry: Tells receipts how far their lanes have come.
        wake: Calls workers to lanes with work.
        max_observation_bytes: Longest observation that is accepted.
        places: Says where new sessions are made; None to make them where their requests say.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        registry: Registry,
        wake: Wake,
        max_observation_bytes: int,
        places: Places | None = None,
    ) -> None:
        self.max_observation_bytes = max_observation_bytes
        self.registry = registry
        self._lanes = lanes
        self._wake = wake
        self._places = places

    def register(self, request: Append) -> None:
        """Make a session known without a command.

        Raises:
            SessionConflict: The key is in use with another node or instance.
            InstanceCordoned: It is new, and its instance takes no new session.
            EveryInstanceCordoned: It is new, and no instance takes it.
            StoreUnavailable: Repeat the call.
        """
        [answer] = self._append([request])
        if not isinstance(answer, Appended):
            raise answer

    def accept(self, requests: Sequence[Append]) -> list[Receipt]:
        """Accept commands of several sessions in one round trip.

        Args:
            requests: Each with at least one group, and no group empty.

        Raises:
            InvalidInput: There is no command in a request; nothing was accepted.
            SessionConflict: A key is in use with another node or instance; the other requests
                are accepted.
            LaneFull: Too many commands of a session wait; the other requests are accepted.
            InstanceCordoned: A session is new, and its instance takes no new one; the other
                requests are accepted.
            EveryInstanceCordoned: A session is new, and no instance takes it; the other requests
                are accepted.
            StoreUnavailable: Repeat the call; what had been accepted is not added again.
        """
        receipts = []
        for answer in self.accept_each(requests):
            if not isinstance(answer, Receipt):
                raise answer
            receipts.append(answer)
        return receipts

    def accept_each(self, requests: Sequence[Append]) -> list[Receipt | Refusal]:
        """Accept commands as :meth:`accept` does, with refusals as values in their places.

        Raises:
            InvalidInput: There is no command in a request; nothing was accepted.
            StoreUnavailable: Repeat the call; what had been accepted is not added again.
        """
        for request in requests:
            if not request.groups or not all(group.payloads for group in request.groups):
                raise InvalidInput("observations", "are empty", "at least one")
        return [
            Receipt.of(request, answer.groups, self.registry)
            if isinstance(answer, Appended)
            else answer
            for request, answer in zip(requests, self._append(requests), strict=True)
        ]

    def _append(self, requests: Sequence[Append]) -> list[Appended | Refusal]:
        if self._places is None:
            return self._append_placed(requests)
        placed = self._places.placed(requests)
        good = [one for one in placed if isinstance(one, Append)]
        answers = iter(self._append_placed(good))
        return [next(answers) if isinstance(one, Append) else one for one in placed]

    def _append_placed(self, requests: Sequence[Append]) -> list[Appended | Refusal]:
        answers = self._lanes.append(requests)
        idle = [
            request.key
            for request, answer in zip(requests, answers, strict=True)
            if isinstance(answer, Appended) and answer.wake
        ]
        if idle:
            self._wake(idle)
        return answers
