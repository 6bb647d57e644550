"""Small real processes, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from kato_tasks.stack.supervisor import Backoff, Event, ProcessSpec, Supervisor

FAST = Backoff(first=0.05, longest=0.2)
SLEEP = "import time; time.sleep(60)"


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.01)


class Until(threading.Event):
    """Ends `Supervisor.run` once a condition holds; `run` so stays in the main thread."""

    def __init__(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        super().__init__()
        self._condition = condition
        self._deadline = time.monotonic() + timeout

    def wait(self, timeout: float | None = None) -> bool:
        assert time.monotonic() < self._deadline, "the condition did not become true"
        return self._condition() or super().wait(timeout)


def python(code: str) -> list[str]:
    """A command that runs ``code`` in an interpreter that starts fast."""
    return [sys.executable, "-S", "-c", code]


def child(name: str, code: str = SLEEP, **more: Any) -> ProcessSpec:  # noqa: ANN401 - passed on
    return ProcessSpec(name=name, command=python(code), **more)


def is_running(pid: int) -> bool:
    """Whether the process runs; an orphan nobody has waited for yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Stack:
    """A supervisor with fast restarts, and the events it reported."""

    def __init__(self, folder: Path, *specs: ProcessSpec, backoff: Backoff = FAST) -> None:
        self.log = folder / "stack.log"
        self.events: list[Event] = []
        self.supervisor = Supervisor(
            specs, log=self.log, on_event=self.events.append, backoff=backoff
        )

    def run_until(self, condition: Callable[[], bool]) -> None:
        self.supervisor.run(Until(condition))

    def seen(self, kind: str, name: str | None = None) -> list[Event]:
        return [e for e in self.events if e.kind == kind and name in (None, e.name)]

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def running(folder: Path, *specs: ProcessSpec, backoff: Backoff = FAST) -> Iterator[Stack]:
    stack = Stack(folder, *specs, backoff=backoff)
    stack.supervisor.start()
    try:
        yield stack
    finally:
        stack.supervisor.stop()
