"""One session on a development server, with deliverers in this process and maybe real workers."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
import redis
from protocol_steps import LANES, Crash, Interrupted

from kato_tasks.chaos.acceptances import NUMBER, Acceptance, Call
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.expecting import Expected, expect
from kato_tasks.chaos.judging import Evidence, Finding, judge
from kato_tasks.chaos.reading import Found, Reader
from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.kato import KatoClient
from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.models import Kind, SessionRecord, Turn
from kato_tasks.services import Services
from kato_tasks.sessions import Receipt
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.stack import ProcessSpec, free_port, wait_for_port
from kato_tasks.stack.child import Child
from kato_tasks.stack.output import LogFile
from kato_tasks.testing import RecordingWake, wait_until

HOST: Final = "127.0.0.1"
QUICK: Final[Mapping[str, Any]] = {
    "lease": 0.6,
    "look_wait": 0.2,
    "doubt_wait": 0.3,
    "retry_first": 0.05,
    "retry_most": 0.2,
    "sweep_interval": 0.1,
    "wake_grace": 0.2,
    "kato_timeout": 5.0,
    "batch_commands": 5,
}


class Processes:
    """Starts processes, and kills whatever of them is left at the end.

    Args:
        folder: Where their log goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = LogFile(folder / "processes.log")
        self._log.open()
        self._children: list[Child] = []
        self._servers: list[DevServer] = []

    def devserver(self, *arguments: str, port: int | None = None) -> DevServer:
        """Start a development server, and wait until it listens."""
        port = port or free_port()
        command = [sys.executable, "-m", "kato_tasks.devserver", "--port", str(port), *arguments]
        child = self._start(ProcessSpec(name=f"devserver-{port}", command=command))
        wait_until(lambda: wait_for_port(HOST, port, timeout=0.2), timeout=30)
        server = DevServer(port, child)
        self._servers.append(server)
        return server

    def workers(self, settings: Settings, count: int) -> list[Child]:
        """Start Celery workers, and wait until they consume."""
        names = [f"w{secrets.token_hex(4)}" for _ in range(count)]
        started = [self._worker(name, settings) for name in names]
        for name in names:
            wait_until((self._folder / name).exists, timeout=60, message=f"no worker {name}")
        return started

    def close(self) -> None:
        """Kill what still runs."""
        for server in self._servers:
            server.close()
        for child in self._children:
            child.kill()
        self._log.close()

    def _worker(self, name: str, settings: Settings) -> Child:
        ready = str(self._folder / name)
        variables = _environment(settings.model_copy(update={"ready_file": ready}))
        command = [
            *(sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "worker"),
            *("--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
            *("--hostname", f"{name}@test"),
        ]
        return self._start(ProcessSpec(name=name, command=command, env=variables))

    def _start(self, spec: ProcessSpec) -> Child:
        child = Child(spec, self._log)
        self._children.append(child)
        child.start()
        return child


class DevServer:
    """A development server, told over HTTP what to do wrong.

    Args:
        port: Where it listens.
        child: Its process.

    Attributes:
        port: Where it listens.
        url: The same as a URL.
    """

    def __init__(self, port: int, child: Child) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._child = child
        # One for all that is asked: a client takes longer to make than its calls.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=self.url, limits=limits)

    def close(self) -> None:
        """Ask no more."""
        self._http.close()

    def wait(self) -> None:
        """Wait for the end of its process."""
        wait_until(lambda: self._child.collect() is not None, message="the server did not end")

    def kill(self) -> None:
        """End its process with SIGKILL."""
        self._child.kill()

    def arm(self, *faults: str) -> None:
        """Arm these faults instead of those that were."""
        self._http.post("/_dev/faults", json={"faults": list(faults)}).raise_for_status()

    def struck(self) -> int:
        """Return how often the armed faults have struck."""
        return sum(int(fault["fired"]) for fault in self.ask("/_dev/faults")["faults"])

    def has(self, session_id: str) -> bool:
        """Tell whether it has a session."""
        return bool(self.ask(f"/sessions/{session_id}/exists")["exists"])

    def kinds(self, session_id: str) -> list[str]:
        """Return the kinds of what was applied to a session, in order."""
        found = self.ask(f"/_dev/audit/{session_id}?limit=100000")
        return [one["kind"] for one in found["entries"]]

    def ids(self, key: str) -> list[str]:
        """Return every server-side session that was ever made for a session key."""
        return [one["session_id"] for one in self.ask(f"/_dev/lineage/{key}")["sessions"]]

    def ask(self, path: str) -> dict[str, Any]:
        """Return what it answers to a GET."""
        found: dict[str, Any] = self._http.get(path).raise_for_status().json()
        return found


class Site:
    """One session, its server, and what was accepted.

    Args:
        store: The store.
        settings: What differs from the defaults; its workers are told the same.
        server: The server.
        key: The session key, which is the node too.
        options: Those of the session's first use, such as ``ttl``.

    Attributes:
        settings: The settings.
        server: The server.
        services: What a worker has.
        key: The session key.
    """

    def __init__(
        self,
        store: redis.Redis,
        settings: Settings,
        server: DevServer,
        key: str,
        **options: Any,  # noqa: ANN401 - of a session
    ) -> None:
        self.settings = settings
        self.server = server
        self.services = Services(settings, RecordingWake())
        self.key = key
        self._store = store
        self._member = Member(number=1, key=key, node=key)
        self._session = self.services.sessions.session(key, node=key, **options)
        self._accepted: list[Acceptance] = []
        self._configured = 0
        self._keeper = LeaseKeeper(60.0)

    def close(self) -> None:
        self._keeper.close()
        self.services.close()

    def observe(self, count: int) -> None:
        """Have so many observations accepted, one command each."""
        for number in range(len(self._accepted) + 1, len(self._accepted) + count + 1):
            observation = self.observation(number)
            receipt = self._session.observe_many([observation])
            self._note(Kind.OBSERVE, receipt, observation)

    def observation(self, number: int) -> dict[str, Any]:
        """Return the observation of a number."""
        return fields_of(number)

    def learn(self) -> None:
        """Have a learn accepted."""
        self._note(Kind.LEARN, self._session.learn())

    def clear(self) -> None:
        """Have a clear accepted."""
        self._note(Kind.CLEAR_STM, self._session.clear_stm())

    def config(self) -> None:
        """Have a change of the config accepted; the proof is about memories only."""
        self._session.configure({"recall_threshold": 0.2})
        self._configured += 1

    def deliver(self) -> Turn | None:
        """Deliver one turn; None if the store was away on the way."""
        try:
            return self.services.deliverer.deliver(self.key)
        except StoreUnavailable:
            self._end_lease()
            return None

    def drain(self, client: KatoClient | None = None) -> None:
        """Deliver as workers do, until nothing waits; over a client of the caller's, maybe."""
        deliver = self.deliver
        if client is not None:
            worker = self._worker(self.services.lanes, lambda _: client)
            deliver = partial(worker.deliver, self.key)
        wait_until(lambda: deliver() is Turn.DONE, timeout=30)

    def go_on(self, *, seconds: float) -> None:
        """Deliver what waits, and further observations until some time has passed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.drain()
            self.observe(1)
        self.drain()

    def die(self, *, at: str) -> None:
        """Let a worker deliver that dies at a step, such as ``before settle``; its leases end."""

        def step(name: str) -> None:
            if name == at:
                raise Crash

        lanes = cast("Lanes", Interrupted(self.services.lanes, LANES, step))
        worker = self._worker(lanes, self.services.clients)
        with pytest.raises(Crash):
            worker.deliver(self.key)
        self._end_lease()

    @property
    def record(self) -> SessionRecord:
        record = self.services.registry.get(self.key)
        assert record is not None
        return record

    @property
    def session_id(self) -> str:
        session_id = self.record.session_id
        assert session_id is not None
        return session_id

    def finding(self) -> Finding:
        """Return what the checker of the chaos run says of the session."""
        bound = self.record.session_id
        with Reader(self.server.url) as reader:
            evidence = Evidence(
                lineage=reader.lineage(self.key, bound),
                bound=bound,
                found=Found() if bound is None else reader.session(bound),
            )
        return judge(self._member, self._expected(), self._accepted, evidence)

    def remembers_all(self) -> bool:
        """Tell whether its short-term memory is what it must be."""
        with Reader(self.server.url) as reader:
            return reader.session(self.session_id).stm == self._expected().stm

    def learned(self) -> list[int]:
        """Return how often each pattern was learned that must have been learned once."""
        with Reader(self.server.url) as reader:
            names = self._expected().patterns
            return [reader.frequency(name, self._member.node) for name in names]

    def _end_lease(self) -> None:
        keys = Keys(prefix=self.settings.prefix, shards=self.settings.shards)
        self._store.delete(keys.session(self.key).lease)

    def _worker(self, lanes: Lanes, client: Callable[[str], KatoClient]) -> Deliverer:
        services = self.services
        return Deliverer(
            lanes=lanes,
            lives=services.lives,
            nodes=services.nodes,
            breakers=services.breakers,
            client=client,
            keeper=self._keeper,
            settings=self.settings,
        )

    def _expected(self) -> Expected:
        return expect(self._member, self._accepted, refused=(), delivered=self.record.applied)

    def _note(self, kind: Kind, receipt: Receipt, *observations: Mapping[str, Any]) -> None:
        call = Call(
            key=self.key,
            command_id=receipt.command_id,
            kind=kind,
            observations=observations,
        )
        place = receipt.seq - self._configured
        self._accepted.append(Acceptance(call=call, first=place, seq=place))


def fields_of(number: int) -> dict[str, Any]:
    """Return an observation that carries a number."""
    return {"strings": [f"n{number}", "shared"], "metadata": {NUMBER: number}}


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which another process reads the same settings."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"{PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }
