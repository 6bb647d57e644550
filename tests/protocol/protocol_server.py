"""A KATO server in this process that fails as the real one does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from pydantic import JsonValue

from kato_tasks.errors import (
    AnswerLost,
    KatoError,
    KatoUnreachable,
    ServerFault,
    SessionNotFound,
)
from kato_tasks.kato import Cognition, CreatedSession
from kato_tasks.testing import FakeCall, FakeKato

R = TypeVar("R")


class Fault(StrEnum):
    """What happens to one call."""

    NONE = "none"
    """It is answered."""
    AWAY = "away"
    """No connection is had."""
    LOST_BEFORE = "lost before"
    """No answer comes, and nothing happens."""
    LOST_AFTER = "lost after"
    """It is applied, and no answer comes."""
    LATE = "late"
    """No answer comes, and it is applied later."""
    LATE_WRITE = "late write"
    """No answer comes; it has read the session already, and writes it back later."""
    FAILS = "fails"
    """500, nothing applied."""
    LEARNS_ONLY = "learns only"
    """What it learns is counted, the session stays as it was, no answer comes."""
    LEARNS_AND_FAILS = "learns and fails"
    """What it learns is counted, the session stays as it was, 500."""
    UNSTORED = "unstored"
    """It is answered as if it were applied, and is not."""
    SWAPPED = "swapped"
    """Somebody else's observation is applied in its place, and no answer comes."""
    GONE = "gone"
    """The session is lost before it."""
    STORE_DOWN = "store down"
    """Every session is "not found", and nobody can tell whether it exists."""


STRANGER = b'{"strings":["stranger"]}'
_OBSERVES = frozenset({"observe", "observe_sequence", "replay"})
_WRITES = _OBSERVES | {
    *("create_session", "learn", "clear_stm", "update_config", "delete_session", "prolong"),
}
_UNSTORABLE = _OBSERVES | {"learn", "clear_stm", "update_config"}


class FaultyKato(FakeKato):
    """A server whose next calls meet the faults that it is given.

    Attributes:
        faults: What happens to the next calls, in order; to the later ones nothing.
        pending: Calls that will land later.
        prompt: Whatever is late has landed when a frequency is read: after the longest stall.
        down: Its session store is away: it knows no session, and cannot tell whether it has one.
        full: Its session store takes no more writes (kato-api 9).
        fails_at: Observations at which it always fails.
        unlike: Vectors get other symbols in each session: their neighbours are others by then.
        lifetimes: The times to live that sessions were asked for with, seconds.
        step: Called before and after every call, to crash its caller there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[Fault] = deque()
        self.pending: list[Callable[[], None]] = []
        self.prompt = True
        self.down = False
        self.full = False
        self.fails_at: set[bytes] = set()
        self.unlike = False
        self.lifetimes: list[int | None] = []
        self.step: Callable[[str], None] = lambda _: None

    def land(self) -> None:
        """Let every call land that is still on its way."""
        while self.pending:
            self.pending.pop(0)()

    def create_session(
        self,
        *,
        node_id: str,
        config: Mapping[str, JsonValue] | None = None,
        ttl_seconds: int | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CreatedSession:
        self.lifetimes.append(ttl_seconds)
        return super().create_session(
            node_id=node_id, config=config, ttl_seconds=ttl_seconds, metadata=metadata
        )

    def look(self, session_id: str) -> Cognition:
        seen = super().look(session_id)
        if not self.unlike:
            return seen
        payloads = self.sessions[session_id].stm
        stm = [
            [f"VCTR|{session_id}", *event] if b"vectors" in payload else event
            for payload, event in zip(payloads, seen.stm, strict=True)
        ]
        return replace(seen, stm=stm)

    def _call(self, call: FakeCall, effect: Callable[[], R]) -> R:
        self.step(f"before {call.verb}")
        if call.verb == "pattern" and self.prompt:
            # Frequencies are read when no request can be late any more.
            self.land()
        answer = self._struck(self._fault(call), call, effect)
        self.step(f"after {call.verb}")
        return answer

    def _fault(self, call: FakeCall) -> Fault:
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if self.down:
            return Fault.STORE_DOWN
        if not self.fails_at.isdisjoint(call.payloads):
            return Fault.FAILS
        if self.full:
            return _WHEN_FULL.get(call.verb, Fault.UNSTORED)
        return fault

    def _struck(self, fault: Fault, call: FakeCall, effect: Callable[[], R]) -> R:
        writes = call.verb in _WRITES
        route = f"{call.verb} {call.session_id}"
        if fault is Fault.AWAY:
            raise KatoUnreachable(route, "refused")
        if fault is Fault.STORE_DOWN:
            raise self._without_store(call, route)
        if fault is Fault.GONE:
            self.sessions.pop(call.session_id, None)
        elif fault is Fault.UNSTORED:
            return self._unstored(call, effect)
        elif fault is not Fault.NONE and not writes:
            raise AnswerLost(route, "time-out")
        elif fault in _UNANSWERED:
            self.calls.append(call)
            _UNANSWERED[fault](self, call, effect)
            if fault in (Fault.FAILS, Fault.LEARNS_AND_FAILS):
                raise ServerFault(route, "Internal Server Error", 500)
            raise AnswerLost(route, "time-out")
        return super()._call(call, effect)

    def _unstored(self, call: FakeCall, effect: Callable[[], R]) -> R:
        self.unstored = int(call.verb in _UNSTORABLE)
        try:
            return super()._call(call, effect)
        finally:
            self.unstored = 0

    def _without_store(self, call: FakeCall, route: str) -> Exception:
        if call.verb in ("exists", "create_session"):
            return ServerFault(route, "Internal Server Error", 500)
        if call.verb == "pattern":
            return AnswerLost(route, "time-out")
        return SessionNotFound(route, "not found", 404)

    def _after(self, _: FakeCall, effect: Callable[[], object]) -> None:
        with suppress(KatoError):
            effect()

    def _later(self, call: FakeCall, effect: Callable[[], object]) -> None:
        self.pending.append(lambda: self._after(call, effect))

    def _write_later(self, call: FakeCall, effect: Callable[[], object]) -> None:
        session = self.sessions.get(call.session_id)
        before, patterns = deepcopy(session), self.patterns.copy()
        with suppress(KatoError):
            effect()
        after, learned = self.sessions.get(call.session_id), self.patterns - patterns
        self.patterns = patterns
        if before is not None:
            self.sessions[call.session_id] = before

        def land() -> None:
            self.patterns.update(learned)
            if after is not None:
                self.sessions[call.session_id] = after
            else:
                self.sessions.pop(call.session_id, None)

        self.pending.append(land)

    def _learn_only(self, call: FakeCall, effect: Callable[[], object]) -> None:
        before = deepcopy(self.sessions.get(call.session_id))
        with suppress(KatoError):
            effect()
        if before is not None:
            self.sessions[call.session_id] = before

    def _swap(self, call: FakeCall, effect: Callable[[], object]) -> None:
        if call.verb not in _OBSERVES:
            self._after(call, effect)
            return
        session = self.sessions.get(call.session_id)
        if session is not None:
            for _ in call.payloads:
                self._take_in(session, STRANGER)

    def _nothing(self, _: FakeCall, effect: Callable[[], object]) -> None:
        del effect


_WHEN_FULL = {
    "create_session": Fault.FAILS,
    "learn": Fault.LEARNS_AND_FAILS,
    "clear_stm": Fault.STORE_DOWN,
    "delete_session": Fault.NONE,
}
_UNANSWERED: dict[Fault, Callable[[FaultyKato, FakeCall, Callable[[], object]], None]] = {
    Fault.LOST_BEFORE: FaultyKato._nothing,  # noqa: SLF001 - a table of its own verbs
    Fault.LOST_AFTER: FaultyKato._after,  # noqa: SLF001
    Fault.LATE: FaultyKato._later,  # noqa: SLF001
    Fault.LATE_WRITE: FaultyKato._write_later,  # noqa: SLF001
    Fault.SWAPPED: FaultyKato._swap,  # noqa: SLF001
    Fault.FAILS: FaultyKato._nothing,  # noqa: SLF001
    Fault.LEARNS_ONLY: FaultyKato._learn_only,  # noqa: SLF001
    Fault.LEARNS_AND_FAILS: FaultyKato._learn_only,  # noqa: SLF001
}
