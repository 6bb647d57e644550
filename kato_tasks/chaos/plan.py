"""What strikes when: made up front from a seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kato_tasks.chaos.times import (
    FREEZE,
    KATO_TIMEOUT,
    LATE_DELAY_MOST,
    SERVER_STOP_MOST,
    STORE_STOP_MOST,
    WORKER_STOP_LEAST,
    WORKER_STOP_MOST,
)

INTERVAL: Final = 1.85
"""Seconds from one fault to the next, on average."""
_JITTER: Final = 0.6
_STOP_LEAST: Final = 0.3
_WINDOW: Final = (1.5, 3.0)

WORKER: Final = "worker"
STORE: Final = "store"
DEVSERVER: Final = "devserver"
BEAT: Final = "beat"

_LATE: Final = f"late:2,seconds={KATO_TIMEOUT + 1:g},delay={{delay:.2f}}"
SERVER_FAULTS: Final[Mapping[str, str]] = {
    "latency": "latency:0.5,seconds=0.3",
    "500": "500:0.3",
    "503": "503:0.3",
    "status_502": "status:4,status=502",
    "status_504": "status:4,status=504",
    "reset_before": "reset_before:4",
    "reset_after": "reset_after:4",
    "late": _LATE,
    "not_stored": "not_stored:4",
    "store_down": "store_down",
    "learn_store_down": "learn_store_down",
    "learn_500_counted": "learn_500_counted:1",
    "freeze": f"freeze:1,seconds={FREEZE:g}",
    "crash": "crash:1,after={after}",
    "crash_after": "crash_after:1,after={after}",
    "crash_in_learn": "crash_in_learn:1",
    "reset_store": "reset_store:1,after={after}",
    "session_gone": "session_gone:2,after={after}",
}
"""What is armed at a development server, by the kind that is counted; each is bounded by a
count, or by the end of its window. Those that leave calls in doubt strike a few calls only: what
is measured is the recovery from each, not how many a server can stand."""
CRASHES: Final = frozenset({"crash", "crash_after", "crash_in_learn"})
"""Those that end the process, and its own count of them with it."""

KILLS: Final[Mapping[str, str]] = {
    "kill_worker": WORKER,
    "kill_store": STORE,
    "kill_devserver": DEVSERVER,
    "kill_beat": BEAT,
}
"""Kinds that kill a process, with the process."""
STOPS: Final[Mapping[str, tuple[str, float, float]]] = {
    "stop_worker": (WORKER, WORKER_STOP_LEAST, WORKER_STOP_MOST),
    "stop_and_kill_worker": (WORKER, WORKER_STOP_LEAST, WORKER_STOP_MOST),
    "stop_store": (STORE, _STOP_LEAST, STORE_STOP_MOST),
    "stop_devserver": (DEVSERVER, _STOP_LEAST, SERVER_STOP_MOST),
}
"""Kinds that stop a process for some time, with the process and the shortest and longest time."""
ENDS_IN_KILL: Final = frozenset({"stop_and_kill_worker"})
"""Of those, the ones that kill the process in the moment in which it goes on."""

KINDS: Final = (*KILLS, *STOPS, *SERVER_FAULTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of a plan.

    Attributes:
        at: Seconds from the start.
        kind: One of `KINDS`.
        target: The process it strikes, by its name in the stack.
        lasts: Seconds until it is over; 0 for a kill.
        text: What is armed at the development server; empty for what strikes a process.
    """

    at: float
    kind: str
    target: str
    lasts: float = 0.0
    text: str = ""


def make_plan(
    seed: int, *, seconds: float, workers: int, servers: Sequence[str] = (DEVSERVER,)
) -> tuple[Fault, ...]:
    """Return the faults of a run, in order; the same for the same arguments.

    Every kind comes once before any comes again, in an order of the seed's own.

    Args:
        seed: Decides about kinds, times, lengths, and which of several processes is struck.
        seconds: How long the run is; the last fault begins before its end.
        workers: How many workers there are.
        servers: The development servers, by their names in the stack.
    """
    draw = random.Random(f"plan {seed}")  # noqa: S311 - repeatable on purpose
    kinds, targets = _shuffled(draw), _Targets(draw, workers, servers)
    count = max(1, int(seconds / INTERVAL))
    times = (
        (place + 0.5) * seconds / count + draw.uniform(-_JITTER, _JITTER) for place in range(count)
    )
    return tuple(
        _fault(draw, kind, at, targets)
        for at, kind in zip((max(0.0, time) for time in times), kinds, strict=False)
    )


def _shuffled(draw: random.Random) -> Iterator[str]:
    while True:
        deck = list(KINDS)
        draw.shuffle(deck)
        yield from deck


def _fault(draw: random.Random, kind: str, at: float, targets: _Targets) -> Fault:
    if kind in SERVER_FAULTS:
        text = SERVER_FAULTS[kind].format(
            delay=draw.uniform(0.0, LATE_DELAY_MOST), after=draw.randrange(8)
        )
        lasts = draw.uniform(*_WINDOW)
        return Fault(at=at, kind=kind, target=targets.choose(DEVSERVER), lasts=lasts, text=text)
    if kind in KILLS:
        return Fault(at=at, kind=kind, target=targets.choose(KILLS[kind]))
    name, least, most = STOPS[kind]
    lasts = draw.uniform(least, most)
    return Fault(at=at, kind=kind, target=targets.choose(name), lasts=lasts)


@dataclass(frozen=True, slots=True)
class _Targets:
    """Which processes there are of each sort."""

    draw: random.Random
    workers: int
    servers: Sequence[str]

    def choose(self, name: str) -> str:
        """Return one of the processes that a fault may strike."""
        if name == WORKER:
            return f"{name}-{self.draw.randint(1, self.workers)}"
        if name != DEVSERVER:
            return name
        # A single one costs no draw: what a seed does with it is what it always did.
        return self.servers[0] if len(self.servers) == 1 else self.draw.choice(self.servers)
