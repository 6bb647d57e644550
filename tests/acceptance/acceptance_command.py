"""The command as a user runs it, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kato_tasks.settings import PREFIX
from kato_tasks.testing import wait_until

COMMAND = (sys.executable, "-m", "kato_tasks.cli")
USUAL_PORTS = (6379, 8000, 5555)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command that ended has said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The one JSON value on standard output."""
        assert self.out.count("\n") == 1, f"{self.out}\n{self.err}"
        return json.loads(self.out)


Terminal = Callable[..., Done]
"""Runs a command to its end: :func:`run` in some environment."""


def clean_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no stack is known but the one of ``folder``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {
        **kept,
        "TMPDIR": str(folder),
        "COLUMNS": "200",
        f"{PREFIX}RUN_FILE": str(folder / "run.json"),
        **more,
    }


def run(
    *arguments: str, env: Mapping[str, str], stdin: bytes | None = None, timeout: float = 90
) -> Done:
    """Run ``kato-tasks`` with some arguments to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=env,
        input=stdin or b"",
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


class Background:
    """A command that runs until it is told to stop.

    Attributes:
        first: What it said first, as JSON.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
        self._process = process
        self._out = folder / f"{name}.out"
        self._err = folder / f"{name}.err"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def ready(self, timeout: float = 60) -> Any:  # noqa: ANN401 - JSON
        """Wait for the one line that says that it is ready; its JSON."""
        wait_until(
            lambda: self.out.endswith("\n") or not self.running,
            timeout,
            f"not ready in {timeout} s: {self.err}",
        )
        assert self.running, self.err
        return json.loads(self.out)

    def stop(self, number: signal.Signals = signal.SIGINT, timeout: float = 30) -> int:
        """Send a signal, as Ctrl-C does; the exit code."""
        self._process.send_signal(number)
        return self._process.wait(timeout)


@contextmanager
def background(
    *arguments: str, env: Mapping[str, str], folder: Path, name: str | None = None
) -> Iterator[Background]:
    """Run ``kato-tasks`` beside the block; it and all that it started is killed at its end."""
    name = name or arguments[0]
    with (
        (folder / f"{name}.out").open("wb") as out,
        (folder / f"{name}.err").open("wb") as err,
        subprocess.Popen(
            [*COMMAND, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        ) as process,
    ):
        try:
            yield Background(process, folder, name)
        finally:
            _kill([process.pid, *(child.pid for child in _children(process.pid))])
            process.wait()


@dataclass(frozen=True, kw_only=True)
class Up:
    """A stack that runs: the process, what it printed, and where it is."""

    process: Background
    addresses: dict[str, Any]
    env: dict[str, str]
    folder: Path

    @property
    def server(self) -> str:
        return str(self.addresses["kato default"])


def _children(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            continue


def processes_of(folder: Path) -> list[list[str]]:
    """Return the command lines of all processes that know a folder, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(folder) in text for text in known):
                found.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def write_lines(path: Path, events: Sequence[object]) -> Path:
    """Write JSON Lines; bytes are written as they are."""
    lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
