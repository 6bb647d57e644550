"""The nemesis: has the faults of a plan happen, and counts those that really struck."""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kato_tasks.chaos.plan import CRASHES, ENDS_IN_KILL, KILLS, Fault
from kato_tasks.stack import Event

_GIVEN_UP: Final = 5.0
"""Seconds after which a fault whose process does not run is left out."""
_EVERY_LOOK: Final = 0.3
_EVERY: Final = 1.0
_WEDGED: Final = 10.0
"""Seconds after which a server that does not answer is taken for wedged."""


class Processes(Protocol):
    """The processes that a plan strikes: nothing else is ever sent a signal."""

    def send_signal(self, name: str, number: signal.Signals) -> bool:
        """Send one a signal; False if it does not run now."""
        ...


class Server(Protocol):
    """Where faults are armed; each verb answers how often the armed one has struck, or None."""

    def arm(self, text: str) -> int | None:
        """Arm one fault in place of what was armed."""
        ...

    def struck(self) -> int | None:
        """Ask only."""
        ...

    def disarm(self) -> int | None:
        """Arm nothing any more."""
        ...

    def answers(self) -> bool:
        """Tell whether the server answers as one that works."""
        ...


@dataclass(slots=True)
class _Window:
    """The time in which a fault is armed."""

    fault: Fault
    ends: float
    armed: bool = False
    looked: float = 0.0
    counted: int = 0


@dataclass(slots=True)
class _Target:
    """A server that is struck: what is armed there, and how it is once the faults are over."""

    server: Server
    window: _Window | None = None
    well: float | None = None
    calm: bool = False


class Nemesis:
    """Has the faults of a plan happen. Everything is done in :meth:`step`, by who calls it.

    Args:
        plan: What strikes when.
        processes: The processes of the stack.
        servers: Its development servers by their names in the stack.

    Attributes:
        struck: How often each kind has struck so far.
        healed: How often a server had to be killed once the faults were over.
    """

    def __init__(
        self, plan: Sequence[Fault], *, processes: Processes, servers: Mapping[str, Server]
    ) -> None:
        self.struck: Counter[str] = Counter()
        self._plan = deque(plan)
        self._processes = processes
        self._targets = {name: _Target(server) for name, server in servers.items()}
        self._waiting: list[Fault] = []
        self._stopped: dict[str, tuple[float, Fault]] = {}
        self._killed: set[str] = set()
        self._healed = -_EVERY
        self.healed = 0

    @property
    def calm(self) -> bool:
        """True once the faults are over and nothing is armed any more."""
        return all(target.calm for target in self._targets.values())

    def step(self, now: float) -> None:
        """Do all that is due.

        Args:
            now: Seconds from the start of the run.
        """
        self._go_on(now)
        while self._plan and self._plan[0].at <= now:
            self._waiting.append(self._plan.popleft())
        self._waiting = [one for one in self._waiting if not self._begun(one, now)]
        for name, target in self._targets.items():
            # A stopped one would be waited for in vain, and go on too late.
            if target.window is not None and name not in self._stopped:
                self._watch(target, target.window, now)

    def note(self, event: Event) -> None:
        """Take notice of what happens in the stack."""
        if event.kind != "died":
            return
        self._stopped.pop(event.name, None)
        ours = event.name in self._killed
        self._killed.discard(event.name)
        target = self._targets.get(event.name)
        if target is not None and target.window is not None:
            target.window = self._after_death(target.window, ours=ours)

    def end(self) -> None:
        """Let everything go on, and begin nothing more; may be repeated."""
        self._plan.clear()
        self._waiting.clear()
        for name in list(self._stopped):
            self._processes.send_signal(name, signal.SIGCONT)
        self._stopped.clear()
        for target in self._targets.values():
            if target.window is not None:
                self._count(target.window, target.server.struck())
            target.window = None

    def heal(self, now: float) -> None:
        """Make sure, once the faults are over, that each server works; call it again and again.

        What is armed is disarmed as soon as the server answers. One that does not answer for long
        is killed, so that it is started anew: as on the real one, some calls may wedge it.

        Args:
            now: Seconds by any clock that goes on evenly.
        """
        if now < self._healed + _EVERY:
            return
        for name, target in self._targets.items():
            self._heal(name, target, now)
        self._healed = now

    def _heal(self, name: str, target: _Target, now: float) -> None:
        disarmed = target.server.disarm() is not None
        target.calm = target.calm or disarmed
        if (disarmed and target.server.answers()) or target.well is None:
            target.well = now
        elif now - target.well > _WEDGED and self._processes.send_signal(name, signal.SIGKILL):
            target.well = now
            self.healed += 1

    def _begun(self, fault: Fault, now: float) -> bool:
        """Begin a fault; True if it need not be tried again."""
        if fault.text:
            self._open(fault, now)
            return True
        if now - fault.at > _GIVEN_UP:
            return True
        if fault.target in self._stopped and fault.kind not in KILLS:
            return False
        return self._kill(fault) if fault.kind in KILLS else self._stop(fault, now)

    def _kill(self, fault: Fault) -> bool:
        if not self._processes.send_signal(fault.target, signal.SIGKILL):
            return False
        self.struck[fault.kind] += 1
        self._killed.add(fault.target)
        self._stopped.pop(fault.target, None)
        return True

    def _stop(self, fault: Fault, now: float) -> bool:
        if not self._processes.send_signal(fault.target, signal.SIGSTOP):
            return False
        self.struck[fault.kind] += 1
        self._stopped[fault.target] = (now + fault.lasts, fault)
        return True

    def _go_on(self, now: float) -> None:
        for name, (until, fault) in list(self._stopped.items()):
            if now < until:
                continue
            self._stopped.pop(name)
            self._processes.send_signal(name, signal.SIGCONT)
            if fault.kind in ENDS_IN_KILL:
                self._processes.send_signal(name, signal.SIGKILL)

    def _open(self, fault: Fault, now: float) -> None:
        target = self._targets[fault.target]
        if target.window is not None and fault.target not in self._stopped:
            self._count(target.window, target.server.struck())
        target.window = _Window(fault=fault, ends=now + fault.lasts)

    def _after_death(self, window: _Window, *, ours: bool) -> _Window | None:
        """Return what is left of a window: what was armed is gone with the process."""
        if window.armed and not ours and window.fault.kind in CRASHES:
            # So is the count of the one that has struck.
            self.struck[window.fault.kind] += 1
            return None
        return _Window(fault=window.fault, ends=window.ends)

    def _watch(self, target: _Target, window: _Window, now: float) -> None:
        server = target.server
        if now >= window.ends:
            self._count(window, server.struck())
            # Asked again and again until it answers: nothing stays armed.
            if server.disarm() is not None or not window.armed:
                target.window = None
        elif not window.armed:
            window.armed = server.arm(window.fault.text) is not None
        elif now >= window.looked + _EVERY_LOOK:
            self._count(window, server.struck())
            window.looked = now

    def _count(self, window: _Window, struck: int | None) -> None:
        """Count what has struck since the last look."""
        if window.armed and struck is not None and struck > window.counted:
            self.struck[window.fault.kind] += struck - window.counted
            window.counted = struck
