"""A KATO server in this process that fails as the real one does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from enum import StrEnum
from typing import TypeVar

from kato_tasks.errors import (
    AnswerLost,
    KatoError,
    KatoUnreachable,
    ServerFault,
    SessionNotFound,
)
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
    GONE = "gone"
    """The session is lost before it."""
    STORE_DOWN = "store down"
    """Every session is "not found", and nobody can tell whether it exists."""


_WRITES = frozenset(
    {"observe", "observe_sequence", "learn", "clear_stm", "update_config", "delete_session"}
)
_UNSTORABLE = frozenset({"observe", "observe_sequence", "clear_stm", "update_config"})


class FaultyKato(FakeKato):
    """A server whose next calls meet the faults that it is given.

    Attributes:
        faults: What happens to the next calls, in order; to the later ones nothing.
        pending: Calls that will land later.
        step: Called before and after every call, to crash its caller there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[Fault] = deque()
        self.pending: list[Callable[[], None]] = []
        self.step: Callable[[str], None] = lambda _: None

    def land(self) -> None:
        """Let every call land that is still on its way."""
        while self.pending:
            self.pending.pop(0)()

    def _call(self, call: FakeCall, effect: Callable[[], R]) -> R:
        self.step(f"before {call.verb}")
        if call.verb == "pattern":
            # Frequencies are read when no request can be late any more.
            self.land()
        fault = self.faults.popleft() if self.faults else Fault.NONE
        answer = self._struck(fault, call, effect)
        self.step(f"after {call.verb}")
        return answer

    def _struck(self, fault: Fault, call: FakeCall, effect: Callable[[], R]) -> R:
        writes = call.verb in _WRITES
        route = f"{call.verb} {call.session_id}"
        if fault is Fault.AWAY:
            raise KatoUnreachable(route, "refused")
        if fault is Fault.STORE_DOWN:
            raise self._without_store(call, route)
        if fault is Fault.GONE:
            self.sessions.pop(call.session_id, None)
        elif fault is Fault.UNSTORED and call.verb in _UNSTORABLE:
            self.unstored = 1
            try:
                return super()._call(call, effect)
            finally:
                self.unstored = 0
        elif fault is not Fault.NONE and not writes:
            raise AnswerLost(route, "time-out")
        elif fault in _UNANSWERED:
            self.calls.append(call)
            _UNANSWERED[fault](self, call, effect)
            if fault in (Fault.FAILS, Fault.LEARNS_AND_FAILS):
                raise ServerFault(route, "Internal Server Error", 500)
            raise AnswerLost(route, "time-out")
        return super()._call(call, effect)

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

    def _nothing(self, _: FakeCall, effect: Callable[[], object]) -> None:
        del effect


_UNANSWERED: dict[Fault, Callable[[FaultyKato, FakeCall, Callable[[], object]], None]] = {
    Fault.LOST_BEFORE: FaultyKato._nothing,  # noqa: SLF001 - a table of its own verbs
    Fault.LOST_AFTER: FaultyKato._after,  # noqa: SLF001
    Fault.LATE: FaultyKato._later,  # noqa: SLF001
    Fault.LATE_WRITE: FaultyKato._write_later,  # noqa: SLF001
    Fault.FAILS: FaultyKato._nothing,  # noqa: SLF001
    Fault.LEARNS_ONLY: FaultyKato._learn_only,  # noqa: SLF001
    Fault.LEARNS_AND_FAILS: FaultyKato._learn_only,  # noqa: SLF001
}
