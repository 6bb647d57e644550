"""One process of the stack: how it is started, looked at and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kato_tasks.stack.output import LogFile, Output

_LAUNCHER = Path(__file__).with_name("launch.py")
_DRAIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What to run, and when it counts as running.

    Attributes:
        name: Names the process in events, in the log and in the run file; unique in a stack.
        command: The program, looked up on the PATH, and its arguments. No shell reads it.
        env: Added to, and overriding, what is inherited of this process's environment.
        drop: Prefixes, in capitals, of variables that are not inherited, whatever their case.
        ready: Says whether it can be used. It is called again and again by the thread that
            supervises, so it must answer within a fraction of a second. None: ready once started.
        ready_timeout: Seconds it has to become ready when the stack starts.
        stop_signal: What asks it to end. Only the process itself gets it, not its children.
        stop_timeout: Seconds it has to end after that, before its whole group is killed.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    ready: Callable[[], bool] | None = None
    ready_timeout: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0


class Child:
    """The process of one spec, over its restarts.

    Args:
        spec: What to run.
        log: Where its output goes.
    """

    def __init__(self, spec: ProcessSpec, log: LogFile) -> None:
        self.spec = spec
        self.started = 0.0  # time.monotonic()
        self.known_ready = False
        self.failures = 0  # deaths in a row, each soon after its start
        self.restart_at: float | None = None  # time.monotonic(); None: no restart is due
        self._output = Output(spec.name, log)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid, which is also its process group; None if it does not run."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C does not reach it.

        Raises:
            OSError: The system can start no process. (A command that cannot be found is
                started, says so and ends with exit code 127.)
        """
        # Isolated and without site: the launcher needs neither, and starts faster.
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        process = subprocess.Popen(  # noqa: S603 - running the caller's command is the purpose
            [*launcher, *self.spec.command],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._process = process
        self.started = time.monotonic()
        self.known_ready = False
        self.restart_at = None
        if process.stdout is not None:
            self._output.follow(process.stdout)

    def ask_ready(self) -> bool:
        """Ask the spec whether it is ready, and remember a yes."""
        self.known_ready = self.spec.ready is None or self.spec.ready()
        return self.known_ready

    def collect(self) -> int | None:
        """Clean up after the process if it has ended.

        Returns:
            Its exit code, negative for a signal, once; None while it runs or if there is none.
        """
        code = self._process.poll() if self._process is not None else None
        return self._end(code) if code is not None else None

    def send_signal(self, number: signal.Signals) -> bool:
        """Send the process itself a signal.

        Returns:
            False if there is none that runs; then nothing was sent.
        """
        # Asked first: the pid of a process that has ended may be that of another one soon.
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(number)
        return True

    def ask_to_stop(self) -> int | None:
        """Send the stop signal and wait up to ``stop_timeout``.

        Returns:
            Its exit code, or None if it still runs.
        """
        if self._process is None:
            return None
        self._process.send_signal(self.spec.stop_signal)
        try:
            return self._end(self._process.wait(self.spec.stop_timeout))
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> int | None:
        """Kill the process and its group with SIGKILL, and wait for it.

        Returns:
            Its exit code; None if there was no process.
        """
        if self._process is None:
            return None
        self._kill_group(self._process.pid)
        return self._end(self._process.wait())

    def tail(self) -> tuple[str, ...]:
        """The last lines it wrote."""
        return self._output.tail()

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(self.spec.drop)
        }
        # Unbuffered: a line in the log when it is written, not when 8 KiB have come together.
        return {"PYTHONUNBUFFERED": "1", **inherited, **self.spec.env}

    def _end(self, code: int) -> int:
        if self._process is not None:
            # What the process started itself must not outlive it, least of all a restart. The
            # group keeps its number as long as it has members; without any, this finds nothing.
            self._kill_group(self._process.pid)
        self._output.drain(_DRAIN_S)
        self._process = None
        return code

    @staticmethod
    def _kill_group(group: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def exit_in_words(code: int) -> str:
    """Say an exit code of `subprocess`: ``exit code 1``, ``killed by signal 9 (SIGKILL)``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "no name"
    return f"killed by signal {-code} ({name})"
