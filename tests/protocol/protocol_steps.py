"""Workers that can die, freeze or lose their store between any two steps of a delivery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from kato_tasks.errors import StoreUnavailable
from kato_tasks.models import Turn

Happening = Callable[[], None]
Deliver = Callable[[], Turn | None]

LANES: Final = frozenset(
    {"claim", "bind", "intend", "withdraw", "settle", "journal", "switch", "release", "park"}
    | {"count", "renew"}
)
LIVES: Final = frozenset({"freshen", "rest"})
NODES: Final = frozenset({"acquire", "take_learning", "give_learning"})
_LONGEST: Final = 10.0


class Crash(BaseException):
    """The worker is killed here."""


def crash() -> None:
    """Kill the worker."""
    raise Crash


def no_store() -> None:
    """Let the store be away."""
    raise StoreUnavailable("redis://x", "gone")


def outage(first: int, length: int = 3) -> dict[int | str, Happening]:
    """Let the store be away for some steps: three are all attempts at one."""
    return dict.fromkeys(range(first, first + length), no_store)


class Interrupted:
    """Lanes, or nodes, of which every verb is a step with a before and an after.

    Args:
        inner: What does the work.
        verbs: Those of its verbs that are steps.
        step: Called with ``before VERB`` and ``after VERB``.
    """

    def __init__(self, inner: object, verbs: frozenset[str], step: Callable[[str], None]) -> None:
        self._inner = inner
        self._verbs = verbs
        self._step = step

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the verbs of what is inside
        verb = getattr(self._inner, name)
        if name not in self._verbs:
            return verb

        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self._step(f"before {name}")
            answer = verb(*args, **kwargs)
            self._step(f"after {name}")
            return answer

        return run


class Frozen:
    """A worker that stands still at a step, as under SIGSTOP, until it is thawed.

    Args:
        at: The step.
        deliver: Delivers; its steps have to be told to :meth:`step` by the thread it runs in.

    Attributes:
        turn: How its turn ended; None while it has not, or if it was killed.
        thread: The thread it runs in.
    """

    def __init__(self, at: str, deliver: Deliver) -> None:
        self.turn: Turn | None = None
        self._at = at
        self._deliver = deliver
        self._dies = False
        self._stands, self._goes = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Run to the step."""
        self.thread.start()
        assert self._stands.wait(_LONGEST), f"the delivery has no step {self._at!r}"

    def step(self, name: str) -> None:
        """Stand still here, if it is the place, or die."""
        if self._dies:
            raise Crash
        if name == self._at and not self._stands.is_set():
            self._stands.set()
            assert self._goes.wait(_LONGEST)

    def thaw(self, *, dies: bool = False) -> Turn | None:
        """Let it go on, to its end or only to its next step, where it dies; how its turn ended."""
        self._dies = dies
        self._goes.set()
        self.thread.join(_LONGEST)
        assert not self.thread.is_alive()
        return self.turn

    def _run(self) -> None:
        self.turn = self._deliver()
