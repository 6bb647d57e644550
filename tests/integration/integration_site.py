"""Real processes to test against: workers, development servers, and what connects to them."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from kato_tasks import KatoTasks, Settings
from kato_tasks.models import SessionRecord
from kato_tasks.settings import PREFIX
from kato_tasks.stack import (
    ProcessSpec,
    find_store_binary,
    free_port,
    ping_store,
    store_command,
    wait_for_port,
)
from kato_tasks.stack.child import Child
from kato_tasks.stack.output import LogFile
from kato_tasks.testing import wait_until
from kato_tasks.worker import make_app

HOST = "127.0.0.1"
QUICK: dict[str, Any] = {
    "sweep_interval": 0.2,
    "wake_grace": 0.5,
    "retry_first": 0.1,
    "retry_most": 0.5,
}
"""Settings under which what is late is late by less than a second."""


class Processes:
    """Starts processes, and kills whatever of them is left at the end.

    Args:
        folder: Where their logs and ready files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = LogFile(folder / "processes.log")
        self._log.open()
        self._children: list[Child] = []

    def worker(self, settings: Settings) -> Worker:
        """Start a Celery worker, and wait until it consumes."""
        name = f"w{secrets.token_hex(4)}"
        ready = self._folder / f"{name}.ready"
        child = self._start(
            ProcessSpec(
                name=name,
                command=[
                    *(sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "worker"),
                    *("--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
                    *("--hostname", f"{name}@test"),
                ],
                env={**environment(settings), f"{PREFIX}READY_FILE": str(ready)},
                ready=ready.exists,
                stop_timeout=30.0,
            )
        )
        return Worker(child=child, nodename=f"{name}@test")

    def beat(self, settings: Settings) -> Child:
        """Start Celery beat, and do not wait for it."""
        return self._start(
            ProcessSpec(
                name=f"b{secrets.token_hex(4)}",
                command=[
                    *(sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "beat"),
                    *("--pidfile", "", "--loglevel", "INFO"),
                ],
                env=environment(settings),
            )
        )

    def store(self, folder: Path, port: int) -> Child:
        """Start a store that keeps its data in a folder, and wait until it answers."""
        binary = find_store_binary()
        assert binary is not None
        return self._start(
            ProcessSpec(
                name=f"store-{port}",
                command=store_command(binary, port=port, data_dir=folder),
                ready=lambda: ping_store(f"redis://{HOST}:{port}/0", timeout=0.2),
            )
        )

    @property
    def output(self) -> str:
        """What all of them have said."""
        return (self._folder / "processes.log").read_text()

    def devserver(self, *arguments: str, port: int | None = None) -> DevServer:
        """Start a development server, and wait until it listens."""
        port = port or free_port()
        child = self._start(
            ProcessSpec(
                name=f"devserver-{port}",
                command=[
                    *(sys.executable, "-m", "kato_tasks.devserver"),
                    *("--port", str(port), *arguments),
                ],
                ready=lambda: wait_for_port(HOST, port, timeout=0.2),
            )
        )
        return DevServer(url=f"http://{HOST}:{port}", child=child)

    def close(self) -> None:
        """Kill what still runs."""
        for child in self._children:
            child.kill()
        self._log.close()

    def _start(self, spec: ProcessSpec) -> Child:
        child = Child(spec, self._log)
        self._children.append(child)
        child.start()
        wait_until(
            lambda: child.ask_ready() or child.collect() is not None,
            timeout=60,
            message=f"{spec.name} did not become ready; its log is in {self._folder}",
        )
        assert child.pid is not None, "\n".join(child.tail())
        return child


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker process, and its name among Celery's nodes."""

    child: Child
    nodename: str

    def terminate(self) -> int | None:
        """Send SIGTERM and wait; its exit code, or None if it did not end."""
        return self.child.ask_to_stop()


class DevServer:
    """A development server, asked over HTTP."""

    def __init__(self, *, url: str, child: Child) -> None:
        self.url = url
        self._child = child
        self._http = httpx.Client(base_url=url, timeout=30.0)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._http.get(path).raise_for_status().json()

    def stm(self, session_id: str) -> list[list[str]]:
        found: list[list[str]] = self.get(f"/sessions/{session_id}/stm")["stm"]
        return found

    def audit(self, session_id: str) -> list[dict[str, Any]]:
        page = self.get(f"/_dev/audit/{session_id}?limit=100000")
        entries: list[dict[str, Any]] = page["entries"]
        assert len(entries) == page["total"]
        return entries

    def sessions_of(self, node: str) -> list[dict[str, Any]]:
        """Return every session that was ever made for a node."""
        found = self.get("/_dev/sessions?limit=100000")["sessions"]
        return [session for session in found if session["node_id"] == node]

    def kill(self) -> None:
        self._child.kill()

    def close(self) -> None:
        self._http.close()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A store, a development server, and maybe workers; a producer and a Celery app on them."""

    settings: Settings
    server: DevServer
    kato: KatoTasks
    app: Celery
    processes: Processes
    workers: list[Worker] = field(default_factory=list)

    def start_worker(self) -> Worker:
        worker = self.processes.worker(self.settings)
        self.workers.append(worker)
        return worker

    def record(self, key: str) -> SessionRecord:
        record = self.kato.find(key)
        assert record is not None
        return record

    def session_id(self, key: str) -> str:
        session_id = self.record(key).session_id
        assert session_id is not None
        return session_id

    def stm(self, key: str) -> list[list[str]]:
        return self.server.stm(self.session_id(key))

    def symbols(self, key: str) -> list[str]:
        """Return the first symbol of every event that was ever applied, in order."""
        entries = self.server.audit(self.session_id(key))
        return [entry["event"][0] for entry in entries if entry["kind"] == "observe"]

    def send(self, task: str, *args: object, task_id: str | None = None, **kwargs: object) -> Any:  # noqa: ANN401
        """Send a task by its name and return its result, or raise what it raised."""
        sent = self.app.send_task(task, args=args, kwargs=kwargs, task_id=task_id)
        return sent.get(timeout=30)

    def send_again(self, task: str, *args: object, task_id: str, **kwargs: object) -> Any:  # noqa: ANN401
        """Send a task once more under its id, and return the result of this second run."""
        self.app.AsyncResult(task_id).forget()
        # An app of its own: the first one may still have the first result in its memory.
        app = make_app(self.settings)
        try:
            return app.send_task(task, args=args, kwargs=kwargs, task_id=task_id).get(timeout=30)
        finally:
            app.close()


@contextmanager
def open_site(
    settings: Settings, server: DevServer, processes: Processes, *, workers: int
) -> Iterator[Site]:
    """Connect to a server and start workers; closes what it opened, not the processes."""
    app = make_app(settings)
    with KatoTasks(settings) as kato:
        site = Site(settings=settings, server=server, kato=kato, app=app, processes=processes)
        for _ in range(workers):
            site.start_worker()
        try:
            yield site
        finally:
            app.close()


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which another process reads the same settings."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"{PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }


def numbered(count: int) -> list[dict[str, list[str]]]:
    """Return observations with the symbols "0", "1" and so on."""
    return [{"strings": [str(number)]} for number in range(count)]
