"""The worker processes a server behaves like, and what goes wrong between and inside them.

There is one process and one world; a worker is what its connections share. What the real
server does between reading a session and writing it back is a pause here, taken only while
another connection writes the same session or node, so that a client alone never waits:

- observes are locked per session, but only inside their worker (kato-api 6);
- learn, clear, config and extend read outside that lock, so they lose updates with one worker
  too;
- a predicting observe holds its node's processor: two of them wedge the worker for good, and a
  ``GET /predictions`` of another session leaves its events in the observing one.

The wedge here lets SIGTERM end the server, which the real one does not.
"""

import asyncio
import json
import random
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.faults import Kind
from kato_tasks.devserver.patterns import Node, processor_id
from kato_tasks.devserver.rules import Event, Session
from kato_tasks.devserver.wire import Reply, Visit

LOCKED = frozenset({Kind.OBSERVE, Kind.SEQUENCE})
UNLOCKED = frozenset({Kind.LEARN, Kind.CLEAR, Kind.CONFIG, Kind.EXTEND})
_WATCHED = LOCKED | UNLOCKED | {Kind.PREDICTIONS}
_WEDGES = 0.5  # of the meetings of two predicting observes: the real ones took 2 to 9 of them
_RECENT_SECONDS = 0.05
_REMEMBERED = 10_000

Act = Callable[[], Reply]
Pause = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Lock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass(slots=True)
class Worker:
    """One worker process.

    Attributes:
        wedged: It answers nothing any more.
        busy: Held while a call costs what it costs.
        locks: Per session, while an observe is under way.
        predicting: Per processor the sessions being observed, each with the events that
            leaked into it meanwhile, or None.
    """

    wedged: bool = False
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    locks: dict[str, _Lock] = field(default_factory=dict)
    predicting: dict[str, dict[str, list[Event] | None]] = field(default_factory=dict)

    @asynccontextmanager
    async def locked(self, session_id: str) -> AsyncIterator[None]:
        """Hold the lock that observes of a session take in this worker."""
        held = self.locks.setdefault(session_id, _Lock())
        held.users += 1
        try:
            async with held.lock:
                yield
        finally:
            held.users -= 1
            if not held.users:
                del self.locks[session_id]


class _Traffic:
    """Tells whether several connections are at the same thing; ``recent`` is in seconds."""

    def __init__(self, recent: float) -> None:
        self._recent = recent
        self._last: dict[str, tuple[tuple[str, int], float]] = {}

    def is_shared(self, thing: str, connection: tuple[str, int]) -> bool:
        """Note a connection at a thing; True if another one was at it just before."""
        now = time.monotonic()
        before = self._last.get(thing)
        if before is None and len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[thing] = (connection, now)
        return before is not None and before[0] != connection and now - before[1] < self._recent


class Cluster:
    """The workers of one server."""

    def __init__(self, engine: Engine) -> None:
        options = engine.options
        self._engine = engine
        self._workers = [Worker() for _ in range(options.workers)]
        self._traffic = _Traffic(_RECENT_SECONDS + 10 * options.cost_ms / 1000)
        self._draw = random.Random(options.fault_seed)  # noqa: S311 - repeatable on purpose
        self._gap = options.interleave_ms / 1000
        self._mixes = bool(self._gap) and (options.wedge or options.leak)

    def worker(self, visit: Visit) -> Worker:
        """The worker a request's connection belongs to."""
        if len(self._workers) == 1:
            return self._workers[0]
        # Not the port modulo the number: clients' ports are all even, or all odd.
        return self._workers[zlib.crc32(b"%d" % visit.connection[1]) % len(self._workers)]

    def steps_aside(self, visit: Visit) -> Pause | None:
        """The pause a request takes before it writes, or None if it meets nobody."""
        if not self._gap or visit.kind not in _WATCHED:
            return None
        processor = self._processor(visit) if self._mixes else None
        mixes = bool(processor) and self._traffic.is_shared(str(processor), visit.connection)
        if visit.kind is Kind.PREDICTIONS:
            return None
        shared = self._traffic.is_shared(visit.request.target, visit.connection)
        loses = shared and (visit.kind in UNLOCKED or len(self._workers) > 1)
        return self.pause if mixes or loses else None

    async def pause(self) -> None:
        """Let others come between."""
        await asyncio.sleep(self._gap)

    def is_calm(self, visit: Visit, worker: Worker) -> bool:
        """Whether a request that does not pause can be answered without waiting."""
        if worker.wedged:
            return False
        if visit.kind in LOCKED:
            return visit.request.target not in worker.locks
        return visit.kind is not Kind.PREDICTIONS or not worker.predicting

    async def perform(
        self, visit: Visit, worker: Worker, act: Act, pause: Pause | None
    ) -> Reply | None:
        """Answer a request as its worker does; None if the client left without an answer."""
        if worker.wedged:
            await visit.left()
            return None
        if visit.kind is Kind.PREDICTIONS:
            self._leave_events(visit, worker)
            return act()
        if visit.kind not in LOCKED:
            return await self._write(visit, worker, act, pause)
        async with worker.locked(visit.request.target):
            processor = self._processor(visit) if pause and self._mixes else None
            if processor is None:
                return await self._write(visit, worker, act, pause)
            return await self._predict(visit, worker, processor, act, pause)

    async def _write(
        self, visit: Visit, worker: Worker, act: Act, pause: Pause | None
    ) -> Reply | None:
        """Read the session, let others come between, and write it back."""
        call, session_id, engine = visit.request.call, visit.request.target, self._engine
        if pause is None:
            return act()
        if visit.kind not in UNLOCKED | LOCKED or self._session(visit) is None:
            await pause()
            return act()
        engine.record("read", call, session_id)
        await pause()
        if worker.wedged:
            await visit.left()
            return None
        engine.twist(call).around.insert(0, "stale")
        return self._write_back(call, session_id, act)

    def _write_back(self, call: int, session_id: str, act: Act) -> Reply:
        """Write a session that was read earlier, even if it was deleted meanwhile."""
        world = self._engine.world
        gone = session_id not in world.sessions
        world.sessions.setdefault(session_id, world.reads[call])
        status = 0
        try:
            reply = act()
            status = reply.status
        finally:
            world.reads.pop(call, None)
            if gone and status != HTTPStatus.OK:
                world.sessions.pop(session_id, None)
        return reply

    async def _predict(
        self, visit: Visit, worker: Worker, processor: str, act: Act, pause: Pause | None
    ) -> Reply | None:
        """Observe while holding the node's processor, as if that were safe."""
        session_id, options = visit.request.target, self._engine.options
        holders = worker.predicting.setdefault(processor, {})
        if holders and options.wedge and self._draw.random() < _WEDGES:
            worker.wedged = True
            await visit.left()
            return None
        holders[session_id] = None
        try:
            reply = await self._write(visit, worker, act, pause)
        finally:
            leaked = holders.pop(session_id)
            if not holders:
                worker.predicting.pop(processor, None)
        if leaked is not None and reply is not None:
            self._engine.record("leak", visit.request.call, session_id, leaked)
        return reply

    def _leave_events(self, visit: Visit, worker: Worker) -> None:
        """Put the session's events into those being observed on the same node."""
        session = self._session(visit)
        if session is None or not self._engine.options.leak:
            return
        holders = worker.predicting.get(processor_id(session.node_id), {})
        for session_id in holders:
            if session_id != session.session_id:
                holders[session_id] = list(session.stm)

    def _session(self, visit: Visit) -> Session | None:
        return self._engine.world.living(visit.request.target, self._engine.clock())

    def _processor(self, visit: Visit) -> str | None:
        """The processor a request works with for long, or None: it predicts nothing."""
        session = self._session(visit)
        if session is None or visit.kind in UNLOCKED:
            return None
        name = processor_id(session.node_id)
        node = self._engine.world.nodes.get(name)
        if node is None or not node.patterns:
            return None
        if visit.kind is Kind.PREDICTIONS:
            return name
        predicts = session.config["process_predictions"] and _matches(node, session, visit)
        return name if predicts else None


def _matches(node: Node, session: Session, visit: Visit) -> bool:
    """Whether the node has learned anything of what the session holds or is to observe."""
    held = (symbol for event in session.stm for symbol in event)
    return any(symbol in node.by_symbol for symbol in held) or any(
        symbol in node.by_symbol for symbol in _sent(visit.request.body)
    )


def _sent(body: bytes) -> list[str]:
    """The strings of an observation or a batch, as far as that can be told before checking."""
    try:
        data = json.loads(body)
        items = data.get("observations", [data])
        return [string for item in items for string in item["strings"] if type(string) is str]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
