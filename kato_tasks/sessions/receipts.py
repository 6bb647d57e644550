"""Receipts: where an accepted command stands in its lane, and how to wait for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.errors import CommandRefused, ReceiptLost, SessionParked, WaitTimeout
from kato_tasks.models import PART, Accepted, Append, Progress
from kato_tasks.registry import Registry

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What became of a command.

    Attributes:
        seq: Its position in its lane.
        pattern: For a learn, the name of the pattern it made (``""`` if the server made none);
            None for other commands, and once a day has passed.
    """

    seq: int
    pattern: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """Proof that commands were accepted: they will take effect, once and in order.

    Attributes:
        key: The session key.
        command_id: What to give again when an append has to be repeated.
        first: Position of the first command, from 1.
        seq: Position of the last command.
        added: How many commands this call has added; the others had been accepted before.
    """

    key: str
    command_id: str
    first: int
    seq: int
    added: int
    _registry: Registry = field(repr=False, compare=False)
    _last: tuple[str, int] = field(repr=False, compare=False)

    @classmethod
    def of(cls, request: Append, accepted: Sequence[Accepted], registry: Registry) -> Receipt:
        """Return the receipt of a request's groups."""
        return cls(
            key=request.key,
            command_id=request.groups[0].command_id.partition(PART)[0],
            first=min(group.first for group in accepted),
            seq=max(group.last for group in accepted),
            added=sum(group.last - group.first + 1 for group in accepted if not group.repeated),
            _registry=registry,
            _last=(request.groups[-1].command_id, accepted[-1].first),
        )

    @property
    def repeated(self) -> bool:
        """True if all of it had been accepted before, and nothing was added now."""
        return self.added == 0

    @property
    def applied(self) -> bool:
        """True once the last command has been delivered (or refused by the server)."""
        progress = self._registry.progress(self.key)
        return progress is not None and progress.applied >= self.seq

    def wait(self, timeout: float = 30.0) -> Applied:
        """Wait until the commands have taken effect.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            CommandRefused: The server refused one of the commands for good; the others took effect.
            ReceiptLost: The store has lost the command, which it had accepted.
            SessionParked: Nothing is delivered until somebody unparks the session.
            WaitTimeout: It was not delivered in time; it still will be.
            StoreUnavailable: The store did not answer.
        """
        wait_for(self._registry, self.key, self.seq, timeout, command_id=self.command_id)
        if not self._registry.knows(self.key, *self._last):
            raise ReceiptLost(self.key, self.command_id, self.seq)
        outcomes = self._registry.outcomes(self.key, self.first, self.seq)
        for seq, outcome in sorted(outcomes.items()):
            if outcome.refusal is not None:
                raise CommandRefused(self.key, seq, outcome.refusal)
        last = outcomes.get(self.seq)
        return Applied(seq=self.seq, pattern=None if last is None else last.pattern)


def wait_for(
    registry: Registry, key: str, seq: int, timeout: float, *, command_id: str | None = None
) -> None:
    """Wait until a lane has been delivered up to position ``seq``.

    Args:
        registry: Tells how far it has come.
        key: The session key.
        seq: The position.
        timeout: Seconds to wait at most.
        command_id: The command at that position, if it is known to have been accepted.

    Raises:
        ReceiptLost: The store knows nothing of that command.
        SessionParked: The session is parked.
        WaitTimeout: It took longer than ``timeout`` seconds.
    """
    until, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        progress = registry.progress(key) or Progress(appended=0, applied=0)
        if command_id is not None and progress.appended < seq:
            raise ReceiptLost(key, command_id, seq)
        if progress.applied >= seq:
            return
        if progress.parked is not None:
            raise SessionParked(key, progress.parked)
        if time.monotonic() >= until:
            raise WaitTimeout(
                f"command {seq} of session {key!r}",
                timeout,
                f"{progress.applied} of {progress.appended} commands are delivered and the rest "
                "will be, as soon as a worker runs",
            )
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)
