"""Two devservers with sessions that move between them, and the moves themselves, measured."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common import (
    Dev,
    applied,
    devserver_spec,
    event,
    store_spec,
    supervised,
    wait_until,
    worker_spec,
)
from guide_migrator import GuideMigrator

from kato_tasks import Settings
from kato_tasks.ledger import ItemState
from kato_tasks.migration import Migrations, Request
from kato_tasks.models import Append, Kind
from kato_tasks.observations import encode_observation
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import group_commands
from kato_tasks.stack import free_port

BLUE: Final = "blue"
GREEN: Final = "green"
_FILLED: Final = 100
"""How many sessions are filled in one round trip."""
_LOOK: Final = 0.1
_SAMPLE: Final = 20
_LONGEST: Final = 1_800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of one way.

    Attributes:
        sessions: How many moved.
        seconds: How long that took.
        calls: HTTP calls that both servers have received meanwhile.
        pauses: For how many milliseconds each session's commands waited; none of the guide's.
        noted: HTTP calls of all sessions as the ledger has them; 0 of the guide's.
        plan: Seconds of those that went into planning and writing the ledger.
    """

    sessions: int
    seconds: float
    calls: int
    pauses: Sequence[float] = ()
    noted: int = 0
    plan: float = 0.0

    @property
    def rate(self) -> float:
        """Sessions per second."""
        return self.sessions / self.seconds

    @property
    def calls_each(self) -> float:
        """HTTP calls per session."""
        return self.calls / self.sessions


@dataclass(kw_only=True, slots=True)
class Pair:
    """Two servers of one dialect, a store and a ledger; workers when they are asked for.

    Attributes:
        settings: What connects to them.
        folder: Where they keep their data and their logs.
        tasks: Our producer.
        servers: A look at each from outside.
        keys: The sessions that there are.
        source: Where they are now.
    """

    settings: Settings
    folder: Path
    tasks: KatoTasks
    servers: dict[str, Dev]
    keys: list[str] = field(default_factory=list)
    source: str = BLUE
    _worker_logs: int = 0

    @property
    def target(self) -> str:
        """Where they are not."""
        return GREEN if self.source == BLUE else BLUE

    @property
    def migrations(self) -> Migrations:
        """Our migrations."""
        return self.tasks.services.migrations

    @property
    def dialect(self) -> str:
        """How both servers speak."""
        return self.settings.dialects[BLUE].value

    def calls(self) -> int:
        """Return how many HTTP calls both servers have received."""
        return sum(server.calls() for server in self.servers.values())

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """Run workers for the length of a block."""
        self._worker_logs += 1
        names = [f"worker{self._worker_logs}-{number}" for number in range(count)]
        specs = [worker_spec(name, "kato_tasks.worker", self.settings) for name in names]
        with supervised(specs, self.folder / f"{names[0]}.log"):
            yield

    def fill(self, sessions: int, *, nodes: int, events: int) -> None:
        """Make sessions at the source, each with so many events; a worker must be running."""
        self.keys = [f"session{number:05d}" for number in range(sessions)]
        payloads = [encode_observation(event(number), max_bytes=65_536) for number in range(events)]
        goal = applied(self.tasks) + sessions * events
        for start in range(0, sessions, _FILLED):
            self.tasks.services.sessions.intake.accept(
                [
                    self._filling(number, nodes, payloads)
                    for number in range(start, min(start + _FILLED, sessions))
                ]
            )
        wait_until(lambda: applied(self.tasks) >= goal, _LONGEST, "the sessions")

    def _filling(self, number: int, nodes: int, payloads: Sequence[bytes]) -> Append:
        session = self.tasks.session(self.keys[number], node=f"node{number % nodes}", instance=BLUE)
        return session.request(group_commands(Kind.OBSERVE, payloads, None))

    def request(
        self, parallel: int, keys: Sequence[str] = (), rate: float | None = None
    ) -> Request:
        """Return what moves all sessions, or some, from where they are."""
        return Request(
            source=self.source,
            target=self.target,
            keys=tuple(keys),
            parallel=parallel,
            rate=rate,
            accept_empty_node=bool(keys),
        )

    def bound(self, key: str) -> str:
        """Return the id of a session at its server."""
        record = self.tasks.find(key)
        if record is None or record.session_id is None:
            raise RuntimeError(f"{key} has no session")
        return record.session_id

    def symbols(self, server: str, session_id: str) -> list[list[str]]:
        """Return what a session remembers at a server."""
        client = self.servers[server].client
        body = client.get(f"/sessions/{session_id}/stm").raise_for_status().json()
        events = body["stm"] if "stm" in body else [one["strings"] for one in body["events"]]
        return [sorted(event) for event in events]

    def living(self, server: str) -> set[str]:
        """Return the ids of the sessions that a server has."""
        query = {"limit": 1_000_000}
        page = self.servers[server].client.get("/_dev/sessions", params=query).json()
        return {one["session_id"] for one in page["sessions"] if one["alive"]}

    def check(self, key: str, server: str, session_id: str, events: int) -> None:
        """Compare a session with what it must be.

        Raises:
            RuntimeError: It is not.
        """
        wanted = [sorted(event(number)["strings"]) for number in range(events)]
        found = self.symbols(server, session_id)
        if found[:events] != wanted:
            raise RuntimeError(f"{key} has {len(found)} events at {server}, or others")


@contextmanager
def running_pair(dialect: str) -> Iterator[Pair]:
    """Run a store and two devservers for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="kato-tasks-bench-") as name:
        folder = Path(name)
        urls = {server: f"http://127.0.0.1:{free_port()}" for server in (BLUE, GREEN)}
        settings = Settings.load(
            redis_url=f"redis://127.0.0.1:{free_port()}/0",
            database_url=f"sqlite:///{folder}/ledger.db",
            instances=urls,
            dialects=dict.fromkeys(urls, dialect),
            prefix="b",
        )
        options = ("--dialect", dialect)
        specs = [
            store_spec(settings.redis_url, folder),
            *(devserver_spec(server, url, options) for server, url in urls.items()),
        ]
        with supervised(specs, folder / "stack.log"), KatoTasks(settings) as tasks:
            servers = {server: Dev(url) for server, url in urls.items()}
            yield Pair(settings=settings, folder=folder, tasks=tasks, servers=servers)
            for one in servers.values():
                one.close()


def ours(pair: Pair, parallel: int, events: int) -> Trial:
    """Move all sessions to the other server by the workers that run; what that took."""
    source, before, began = pair.source, pair.calls(), time.perf_counter()
    begun = pair.migrations.start(pair.migrations.plan(pair.request(parallel)))
    planned = time.perf_counter()
    wait_until(lambda: is_over(pair, begun.id), _LONGEST, "the migration")
    ended = time.perf_counter()
    calls = pair.calls() - before
    items = list(pair.migrations.ledger.items(begun.id))
    pair.source = pair.target
    for item in items:
        if item.state is not ItemState.MOVED:
            raise RuntimeError(f"{item.key} is {item.state.value}: {item.error}")
    for item in items[:: max(1, len(items) // _SAMPLE)]:
        pair.check(item.key, pair.source, item.after or "", events)
    left = pair.living(source) & {item.before for item in items}
    if left:
        raise RuntimeError(f"{len(left)} sessions are still at {source}")
    return Trial(
        sessions=len(items),
        seconds=ended - began,
        calls=calls,
        pauses=[item.pause * 1000 for item in items if item.pause is not None],
        noted=sum(item.calls for item in items),
        plan=planned - began,
    )


def guides(pair: Pair, sessions: int, events: int) -> Trial:
    """Have the guide's loop move sessions to the other server; what that took.

    It leaves the source alone, so its sessions can be ours: its copies are deleted afterwards.
    """
    source, target = (pair.servers[name] for name in (pair.source, pair.target))
    ids = {pair.bound(key): key for key in pair.keys[:sessions]}
    lists = pair.dialect == "guide" and sessions >= len(pair.keys)
    before, began = pair.calls(), time.perf_counter()
    results = GuideMigrator(source.url, target.url).move_all(None if lists else ids)
    ended = time.perf_counter()
    calls = pair.calls() - before
    failed = [result for result in results.values() if result["status"] != "success"]
    if failed or results.keys() != ids.keys():
        raise RuntimeError(f"{len(results)} sessions, of which failed {failed[:1]}")
    copies = {session_id: result["new_id"] for session_id, result in results.items()}
    for session_id in [*copies][:: max(1, len(copies) // _SAMPLE)]:
        pair.check(ids[session_id], pair.target, copies[session_id], events)
    for copy in copies.values():
        target.client.delete(f"/sessions/{copy}").raise_for_status()
    return Trial(sessions=len(copies), seconds=ended - began, calls=calls)


def is_over(pair: Pair, migration: str) -> bool:
    """Tell whether nothing of a migration is under way any more; asked often, it costs."""
    time.sleep(_LOOK)
    return pair.migrations.standing(migration).over
