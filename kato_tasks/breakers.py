"""One circuit breaker per instance, shared by all workers.

A server that is away, overrun or broken is not helped by calls. After some failures in a row,
over all workers, its breaker *opens*: nobody calls for a short while. Then it is *half open*: one
caller, over all workers, makes one call. If that works the breaker is *closed* again; if not, the
pause doubles up to a limit.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from kato_tasks.errors import (
    AnswerLost,
    KatoBusy,
    KatoError,
    KatoUnreachable,
    NoFreeConnection,
    ServerFault,
)
from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner, care_calls
from kato_tasks.settings import Settings

LOOK: Final = 0.5
"""For how many seconds a process takes an answer for granted before it asks the store again."""

_SPREAD: Final = 1.5
_AFTERMATH: Final = 60.0
_FAILURES: Final = (KatoUnreachable, KatoBusy, AnswerLost, ServerFault)


class Circuit(StrEnum):
    """What a breaker lets pass."""

    CLOSED = "closed"
    """Every call."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half_open"
    """One, to see how the server is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerState:
    """The breaker of one instance, to be shown.

    Attributes:
        circuit: What it lets pass.
        failures: Failed calls in a row.
        until: Until when nobody calls, epoch seconds by the store's clock; None if it is closed.
    """

    circuit: Circuit
    failures: int = 0
    until: float | None = None


class Breakers(Protocol):
    """The breakers of all instances. Every verb may raise StoreUnavailable."""

    def ask(self, instance: str) -> float:
        """Ask whether an instance may be called now.

        Who is told 0.0 makes a call and reports it, in the same thread, or withdraws: it may be
        the one probe that all others wait for.

        Returns:
            0.0 to call; else how many seconds to pause, with jitter.
        """
        ...

    def report(self, instance: str, *, sound: bool) -> None:
        """Report what came of a call.

        Args:
            instance: Which was called.
            sound: False for a failure of the server, as :func:`is_failure` tells.
        """
        ...

    def withdraw(self, instance: str) -> None:
        """Say that the call that :meth:`ask` let pass was not made after all."""
        ...

    def states(self) -> Mapping[str, BreakerState]:
        """Return the state of every configured instance by its name."""
        ...


class Watch:
    """Asks before each step of a delivery, and reports what its calls have shown. Thread-safe.

    Args:
        breakers: What to ask, and to tell.
    """

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._here = threading.local()

    def ask(self, instance: str) -> float:
        """Return how many seconds to pause before an instance is called; 0.0 to call it now."""
        self._here.called = False
        return self._breakers.ask(instance)

    def answered(self, instance: str, error: KatoError | None) -> None:
        """Report a call of this thread: what was raised for it, or None."""
        if isinstance(error, NoFreeConnection):
            # Our own limit: it says nothing of the server, and nothing was sent.
            return
        self._here.called = True
        self._breakers.report(instance, sound=error is None or not is_failure(error))

    def done(self, instance: str) -> None:
        """End a step; one that has made no call gives its right to make one back."""
        if not self._here.called:
            self._breakers.withdraw(instance)


def is_failure(error: KatoError) -> bool:
    """Tell whether an error counts against its server.

    It does if the server could not be reached, was at its limit, did not answer, or answered with
    a fault: another call would most likely fare no better. A refusal, or "no such session", is
    the answer of a server at work; having no connection free is our own limit.
    """
    return isinstance(error, _FAILURES) and not isinstance(error, NoFreeConnection)


def spread(seconds: float) -> float:
    """Return a pause with jitter, never shorter: all who wait must not come back at once."""
    return seconds * random.uniform(1.0, _SPREAD)  # noqa: S311 - jitter, no secret


def kept(settings: Settings) -> float:
    """Return how long a breaker remembers its last failure, in seconds."""
    return settings.breaker_most + settings.longest_call + _AFTERMATH


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What a process knows of a breaker, until a time of the monotonic clock."""

    closed: bool
    until: float


class RedisBreakers:
    """Breakers in Redis or Valkey. Thread-safe.

    While all is well a process asks the store once per ``look`` and reports nothing.

    Args:
        runner: Reaches the store.
        settings: Limits and pauses.
        look: For how many seconds an answer is taken for granted.
    """

    def __init__(self, runner: Runner, settings: Settings, *, look: float = LOOK) -> None:
        self._runner = runner
        self._settings = settings
        self._look = look
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._name = secrets.token_hex(8)
        # Threads may overwrite each other's entries: then an answer is a little older or newer.
        self._seen: dict[str, _Seen] = {}
        self._suspects: set[str] = set()

    def ask(self, instance: str) -> float:
        """See :meth:`Breakers.ask`."""
        now = time.monotonic()
        seen = self._seen.get(instance)
        if seen is not None and now < seen.until:
            return 0.0 if seen.closed else spread(seen.until - now)
        return self._ask(instance, now)

    def report(self, instance: str, *, sound: bool) -> None:
        """See :meth:`Breakers.report`."""
        if not sound:
            self._fail(instance)
        elif instance in self._suspects:
            with self._runner.translated():
                self._runner.client.delete(self._keys.breaker(instance))
            self._note_closed(instance, failures=0)

    def withdraw(self, instance: str) -> None:
        """See :meth:`Breakers.withdraw`."""
        if instance in self._suspects:
            breaker = self._keys.breaker(instance)
            self._runner.run(care_calls.withdraw_probe(breaker, self._token()))

    def states(self) -> Mapping[str, BreakerState]:
        """See :meth:`Breakers.states`."""
        names = list(self._settings.instances)
        with self._runner.translated(), self._runner.client.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in names:
                pipe.hmget(self._keys.breaker(name), ("until", "failures"))
            (seconds, micros), *breakers = pipe.execute()
        now = seconds + micros / 1e6
        return {name: _state(fields, now) for name, fields in zip(names, breakers, strict=True)}

    def _ask(self, instance: str, now: float) -> float:
        verdict, amount = self._runner.run(
            care_calls.ask_breaker(
                self._keys.breaker(instance),
                self._token(),
                longest_call=self._settings.longest_call,
                pause=self._settings.breaker_open,
            )
        )
        if verdict == "closed":
            self._note_closed(instance, failures=amount)
            return 0.0
        self._suspects.add(instance)
        if verdict == "probe":
            return 0.0
        pause = amount / 1000
        self._seen[instance] = _Seen(closed=False, until=now + pause)
        return spread(pause)

    def _fail(self, instance: str) -> None:
        self._suspects.add(instance)
        breaker, remembered = self._keys.breaker(instance), kept(self._settings)
        pause = self._runner.run(
            care_calls.fail_breaker(
                breaker, self._token(), kept=remembered, settings=self._settings
            )
        )
        if pause:
            until = time.monotonic() + pause / 1000
            self._seen[instance] = _Seen(closed=False, until=until)

    def _note_closed(self, instance: str, *, failures: int) -> None:
        self._seen[instance] = _Seen(closed=True, until=time.monotonic() + self._look)
        # Failures of others: a sound call of ours shall end their row.
        (self._suspects.add if failures else self._suspects.discard)(instance)

    def _token(self) -> str:
        return f"{self._name}:{threading.get_ident()}"


def _state(fields: Sequence[bytes | None], now: float) -> BreakerState:
    until, failures = fields
    count = int(failures or 0)
    if until is None:
        return BreakerState(circuit=Circuit.CLOSED, failures=count)
    ends = int(until) / 1000
    circuit = Circuit.OPEN if now < ends else Circuit.HALF_OPEN
    return BreakerState(circuit=circuit, failures=count, until=ends)
