"""Processes of kato_tasks as a team runs them, and everything that they have said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from kato_tasks.settings import PREFIX, Settings
from kato_tasks.testing import wait_until

CLI: Final = (sys.executable, "-m", "kato_tasks.cli")
CELERY: Final = (sys.executable, "-m", "celery", "-A", "kato_tasks.worker")
WORKER: Final = (*CELERY, "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO")
QUICK: Final[dict[str, Any]] = {"sweep_interval": 0.2, "wake_grace": 0.5}


class Running:
    """A process that runs, with its output in a file.

    Args:
        process: The process, the first of its own group.
        file: Where its output goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._process = process
        self._file = file

    @property
    def output(self) -> str:
        """All that it has written, on both streams."""
        return self._file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def says(self, text: str, *, within: float = 90.0) -> None:
        """Wait until it has said something."""
        wait_until(
            lambda: text in self.output or not self.running,
            within,
            f"{text!r} was not said in {within} s: {self.output[-2000:]}",
        )
        assert text in self.output, self.output

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        """Kill it, and what it has started, if it still runs."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that has ended: its exit code, and what it said."""

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, kw_only=True)
class DevServer:
    """A development server: its URL, and its process."""

    url: str
    process: Running


class Site:
    """Starts processes under some variables. Its block kills whatever of them is left.

    Args:
        folder: Where their output goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in reversed(self._running):
            running.kill()

    def start(self, name: str, *command: str, env: Mapping[str, str]) -> Running:
        """Start a process."""
        file = self.folder / f"{name}.log"
        with file.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(Running(process, file))
        return self._running[-1]

    def worker(self, env: Mapping[str, str], name: str = "worker") -> Running:
        """Start a worker, and wait until it consumes."""
        ready = self.folder / f"{name}.ready"
        own = {**env, f"{PREFIX}READY_FILE": str(ready)}
        worker = self.start(name, *WORKER, "--hostname", f"{name}@test", env=own)
        wait_until(
            lambda: ready.exists() or not worker.running, 90, f"not ready: {worker.output[-3000:]}"
        )
        assert worker.running, worker.output
        return worker

    def devserver(self) -> DevServer:
        """Start a development server."""
        command = (sys.executable, "-m", "kato_tasks.devserver", "--port", "0", "--json")
        server = self.start("devserver", *command, env=os.environ)
        server.says('"url"')
        return DevServer(url=json.loads(server.output)["url"], process=server)

    def run(self, *command: str, env: Mapping[str, str], timeout: float = 120.0) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            command,
            env=env,
            capture_output=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def variables(**settings: object) -> dict[str, str]:
    """Return an environment in which these settings count, and none of this machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = Settings.load(**settings).model_dump(mode="json", exclude_unset=True)
    texts = {
        f"{PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in given.items()
    }
    return {**kept, "COLUMNS": "200", **texts}
