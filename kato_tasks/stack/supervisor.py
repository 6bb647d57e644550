"""Starting processes in order, restarting what dies, stopping in reverse order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from kato_tasks.errors import InvalidInput
from kato_tasks.stack.child import Child, ProcessSpec, exit_in_words
from kato_tasks.stack.errors import StackError
from kato_tasks.stack.output import LogFile

__all__ = ["Backoff", "Event", "EventKind", "ProcessSpec", "Supervisor"]

EventKind = Literal["starting", "ready", "died", "restarting", "stopping", "stopped", "killed"]

_POLL_S = 0.1
_LOG_NAME = "stack"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to one process.

    Attributes:
        kind: What happened. A stop ends with either ``"stopped"`` or ``"killed"``.
        name: The name of the process.
        pid: Its pid, or the one it had; None if it has none yet.
        exit_code: How it ended, negative for a signal; None if it has not.
        message: The same in words, without the name.
    """

    kind: EventKind
    name: str
    pid: int | None = None
    exit_code: int | None = None
    message: str


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a restart; all in seconds.

    Attributes:
        first: The wait after a first death; it doubles with every death that follows.
        longest: The most it grows to.
        reset_after: A process that ran this long starts from ``first`` again.
    """

    first: float = 0.5
    longest: float = 10.0
    reset_after: float = 30.0

    def delay(self, failures: int) -> float:
        """The wait after ``failures`` earlier deaths in a row."""
        return float(min(self.longest, self.first * 2 ** min(failures, 32)))


_DEFAULT_BACKOFF = Backoff()


class Supervisor:
    """Runs processes and keeps them running.

    Call `start`, `run` and `stop` from one thread that lives as long as the stack does, best the
    main one: on Linux the children get SIGTERM when the thread that started them ends, which is
    how a killed supervisor leaves no children behind. Elsewhere they would outlive it.

    Args:
        specs: What to run, each after what it needs.
        log: The file for the output of all and for the events; its folder must exist.
        on_event: Called with every event, in the supervising thread. An OSError it raises (a
            closed terminal) is ignored; anything else ends the call that reported.
        backoff: The waits before restarts.

    Attributes:
        restarts: How often each process was restarted, by name.

    Raises:
        InvalidInput: Two specs have one name, or a command is empty or a plain string.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        log: Path,
        on_event: Callable[[Event], None] | None = None,
        backoff: Backoff = _DEFAULT_BACKOFF,
    ) -> None:
        _check(specs)
        self.restarts = {spec.name: 0 for spec in specs}
        self._log = LogFile(log)
        self._children = [Child(spec, self._log) for spec in specs]
        self._on_event = on_event
        self._backoff = backoff

    def start(self) -> None:
        """Start all in order, each when the one before is ready.

        Whatever ends this early, a KeyboardInterrupt too, stops what was started.

        Raises:
            StackError: One did not become ready in time, or one that was started died. The
                message has its last lines.
        """
        if self.pids():
            raise StackError(subject="the stack", problem="is running already")
        self._log.open()
        try:
            for child in self._children:
                self._start_child(child)
                self._wait_until_ready(child)
        except BaseException:
            self.stop()
            raise

    def run(self, until: threading.Event) -> None:
        """Restart what dies, until ``until`` is set. It stops nothing then: call `stop`.

        A death is noticed within about 0.1 s. A restarted process is never given up: one that
        does not become ready (a store that loads much data) is left alone.
        """
        while not until.wait(_POLL_S):
            self.look_after()

    def look_after(self) -> None:
        """Look at all once, and restart what is due: a round of `run`, for who has a loop too."""
        for child in self._children:
            self._look_after(child)

    def send_signal(self, name: str, number: signal.Signals) -> bool:
        """Send one process a signal; call it from the thread that supervises.

        Returns:
            False if it does not run now; then nothing was sent.

        Raises:
            InvalidInput: There is no process of that name.
        """
        for child in self._children:
            if child.spec.name == name:
                return child.send_signal(number)
        names = ", ".join(child.spec.name for child in self._children)
        raise InvalidInput("process name", f"is {name!r}", f"one of {names}")

    def stop(self) -> None:
        """Stop all in reverse order; those that do not stop in time are killed.

        Takes up to the sum of the ``stop_timeout``. If it is interrupted (a second Ctrl-C), the
        rest is killed at once. Nothing is left to do a second time.
        """
        try:
            for child in reversed(self._children):
                self._stop_child(child)
        except BaseException:
            for child in self._children:
                child.kill()
            raise
        finally:
            self._log.close()

    def pids(self) -> dict[str, int]:
        """The pids of those that run, or whose death was not noticed yet, by name."""
        return {child.spec.name: child.pid for child in self._children if child.pid is not None}

    def _start_child(self, child: Child) -> None:
        # Not its arguments: they may hold a password.
        self._report("starting", child, child.spec.command[0])
        try:
            child.start()
        except OSError as error:
            raise StackError(child.spec.name, f"could not be started ({error})") from error

    def _wait_until_ready(self, child: Child) -> None:
        deadline = child.started + child.spec.ready_timeout
        while True:
            # First: a stranger on the port may answer for a process that died over it.
            self._fail_on_death()
            if child.ask_ready():
                break
            if time.monotonic() >= deadline:
                self._fail(child, f"was not ready within {child.spec.ready_timeout:g} s")
            time.sleep(_POLL_S)
        self._report_ready(child)

    def _fail_on_death(self) -> None:
        for child in self._children:
            pid, code = child.pid, child.collect()
            if code is not None:
                words = exit_in_words(code)
                self._report("died", child, words, pid=pid, exit_code=code)
                self._fail(child, f"ended while the stack started ({words})")

    @staticmethod
    def _fail(child: Child, problem: str) -> NoReturn:
        raise StackError(child.spec.name, problem, child.tail())

    def _look_after(self, child: Child) -> None:
        pid, code = child.pid, child.collect()
        if code is not None:
            self._schedule_restart(child, exit_in_words(code), pid=pid, exit_code=code)
        elif child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                self._restart(child)
        elif pid is not None and not child.known_ready and child.ask_ready():
            self._report_ready(child)

    def _schedule_restart(
        self, child: Child, problem: str, *, pid: int | None = None, exit_code: int | None = None
    ) -> None:
        now = time.monotonic()
        if now - child.started >= self._backoff.reset_after:
            child.failures = 0
        delay = self._backoff.delay(child.failures)
        child.failures += 1
        child.restart_at = now + delay
        message = f"{problem}; restart in {delay:g} s"
        self._report("died", child, message, pid=pid, exit_code=exit_code)

    def _restart(self, child: Child) -> None:
        name = child.spec.name
        self.restarts[name] += 1
        self._report("restarting", child, f"restart {self.restarts[name]}")
        try:
            child.start()
        except OSError as error:
            self._schedule_restart(child, f"could not be started ({error})")

    def _stop_child(self, child: Child) -> None:
        child.restart_at = None
        pid = child.pid
        if pid is None:
            return
        signal_name, timeout = child.spec.stop_signal.name, child.spec.stop_timeout
        self._report("stopping", child, f"{signal_name}, then up to {timeout:g} s")
        code = child.ask_to_stop()
        if code is not None:
            self._report("stopped", child, exit_in_words(code), pid=pid, exit_code=code)
            return
        code = child.kill()
        message = f"still there {timeout:g} s after {signal_name}, so killed"
        self._report("killed", child, message, pid=pid, exit_code=code)

    def _report_ready(self, child: Child) -> None:
        self._report("ready", child, f"after {time.monotonic() - child.started:.1f} s")

    def _report(
        self,
        kind: EventKind,
        child: Child,
        message: str,
        *,
        pid: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        name = child.spec.name
        event = Event(
            kind=kind, name=name, pid=pid or child.pid, exit_code=exit_code, message=message
        )
        self._log.write(_LOG_NAME, f"{name} {kind}: {message}")
        if self._on_event is not None:
            try:
                self._on_event(event)
            except OSError as error:
                self._log.write(_LOG_NAME, f"the event could not be shown: {error}")


def _check(specs: Sequence[ProcessSpec]) -> None:
    names = [spec.name for spec in specs]
    for spec in specs:
        if names.count(spec.name) > 1:
            raise InvalidInput(
                subject="process name",
                problem=f"{spec.name!r} is given twice",
                allowed="unique names",
            )
        if isinstance(spec.command, str) or not spec.command:
            raise InvalidInput(
                subject=f"command of {spec.name!r}",
                problem=f"is {spec.command!r}",
                allowed="a program and its arguments, as a list",
            )
