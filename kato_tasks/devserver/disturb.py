"""What a fault does to the request it strikes."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NoReturn

from kato_tasks.devserver import patterns
from kato_tasks.devserver.cluster import UNLOCKED, Pause
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused, ServerError, not_found
from kato_tasks.devserver.faults import WRITES, Fault, Kind
from kato_tasks.devserver.patterns import processor_id
from kato_tasks.devserver.routes import predictions_body
from kato_tasks.devserver.rules import Session
from kato_tasks.devserver.wire import TEXT, Reply, Visit

Perform = Callable[[Pause | None], Awaitable[Reply | None]]
"""Answers the request as if nothing was amiss, with a pause between reading and writing."""
Disturb = Callable[[Visit, Fault, Perform], Awaitable[Reply | None]]

_LEARN_STORE_DOWN = "learn_store_down"
_COGNITION = "/cognition-data"
_UNREACHABLE = (
    "Pattern retrieval failed: PATTERN_PROCESSING_ERROR: Failed to retrieve pattern {}: "
    "the store of the patterns does not answer"
)


class Disturbance:
    """Lets faults strike requests; None in place of an answer means that none is sent.

    Args:
        engine: What the requests are about.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows: list[tuple[str, list[Json]]] = []
        self._effects: dict[str, Disturb] = {
            "500": self._fail,
            "503": self._refuse,
            "status": self._refuse,
            "reset_before": self._reset_before,
            "reset_after": self._reset_after,
            "late": self._late,
            "not_stored": self._not_stored,
            "store_down": self._store_down,
            _LEARN_STORE_DOWN: self._learn_store_down,
            "learn_500_counted": self._count_and_fail,
            "crash": self._crash,
            "crash_after": self._crash_after,
            "crash_in_learn": self._crash_in_learn,
            "reset_store": self._lose_sessions,
            "session_gone": self._lose_sessions,
        }

    async def strike(self, visit: Visit, fired: list[Fault], perform: Perform) -> Reply | None:
        """Answer a request under the faults that strike it."""
        for fault in fired:
            if fault.name == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.name == "freeze":
                time.sleep(fault.seconds)  # noqa: ASYNC251 - nothing is to go on meanwhile
            else:
                return await self._effects[fault.name](visit, fault, perform)
        return await perform(None)

    def settle(self, call: int) -> None:
        """Count the learns that had failed, once their store is there again (kato-api 8)."""
        if self._rows and not self._engine.faults.is_on(_LEARN_STORE_DOWN):
            rows, self._rows = self._rows, []
            for session_id, row in rows:
                self._engine.record("late_row", call, session_id, row)

    async def _fail(self, _visit: Visit, _fault: Fault, _perform: Perform) -> Reply | None:
        raise ServerError

    async def _refuse(self, _visit: Visit, fault: Fault, _perform: Perform) -> Reply | None:
        """The plain text over the connection limit closes the connection (kato-api 1)."""
        status = HTTPStatus(fault.status or HTTPStatus.SERVICE_UNAVAILABLE)
        return Reply(status, status.phrase.encode(), TEXT, closes=fault.name == "503")

    async def _reset_before(self, visit: Visit, _fault: Fault, _perform: Perform) -> Reply | None:
        await visit.reset()
        return None

    async def _reset_after(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        try:
            await perform(None)
        finally:
            await visit.reset()
        return None

    async def _late(self, visit: Visit, fault: Fault, perform: Perform) -> Reply | None:
        """Apply a call that its sender believes dead.

        Read at once and written late, a call undoes what came between; that is what those do
        that take no lock (kato-api 6). An observe is rather one that was stuck on its way.
        """

        async def wait() -> None:
            if await visit.leaves_within(fault.seconds):
                await asyncio.sleep(fault.delay)

        if fault.read == "now" or (fault.read == "auto" and visit.kind in UNLOCKED):
            return await perform(wait)
        await wait()
        return await perform(None)

    async def _not_stored(self, visit: Visit, fault: Fault, perform: Perform) -> Reply | None:
        """A store that takes no writes: what each call answers then is in kato-api 9."""
        if visit.kind is Kind.CREATE:
            raise ServerError
        if visit.kind is Kind.DELETE or self._session(visit) is None:
            return await perform(None)
        if visit.kind is Kind.CLEAR:
            detail = f"Session {visit.request.target} not found"
            raise Refused(404, {"detail": detail})
        if visit.kind is Kind.LEARN:
            return await self._count_and_fail(visit, fault, perform)
        self._unstored(visit)
        return await perform(None)

    async def _store_down(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        if visit.kind is Kind.OTHER:
            return await perform(None)
        if visit.kind is Kind.CREATE or visit.path.endswith("/exists"):
            raise ServerError
        plain = visit.path.count("/") == len(("sessions", "id")) and visit.kind is Kind.READ
        if plain or self._engine.options.dialect == "guide":
            detail = f"Session {visit.request.target} not found or expired"
            raise Refused(404, {"detail": detail})
        raise not_found(visit.request.target)

    async def _learn_store_down(
        self, visit: Visit, _fault: Fault, perform: Perform
    ) -> Reply | None:
        """No patterns: neither found nor learned, only those known already (kato-api 9)."""
        if visit.path.startswith("/pattern/"):
            raise Refused(500, {"detail": _UNREACHABLE.format(visit.request.target)})
        session = self._engine.world.living(visit.request.target, self._engine.clock())
        if session is None or (visit.kind is Kind.READ and not visit.path.endswith(_COGNITION)):
            return await perform(None)
        if processor_id(session.node_id) not in self._engine.world.nodes:
            raise ServerError
        if visit.kind is Kind.PREDICTIONS:
            return Reply(200, json.dumps(predictions_body(session, [], [])).encode())
        if visit.kind is Kind.OTHER:
            raise ServerError
        if visit.kind is Kind.LEARN:
            if self._buffer(session):
                raise ServerError
            return await perform(None)
        if visit.kind is Kind.READ:
            return await perform(None)
        return await self._observe_unlearned(visit, session, perform)

    async def _observe_unlearned(
        self, visit: Visit, session: Session, perform: Perform
    ) -> Reply | None:
        """Observe while nothing new can be learned: not at all, or without the learn at the end."""
        sent = _sent(visit)
        limit = int(session.config["max_pattern_length"])
        count = len(sent.get("observations", [sent]))
        if sent.get("learn_after_each") or 0 < limit <= len(session.stm) + count:
            raise ServerError
        around = self._engine.twist(visit.request.call).around
        if not sent.get("learn_at_end"):
            around.append("blind")
            return await perform(None)
        around += ["swallowed", "blind"]
        reply = await perform(None)
        after = self._session(visit)
        if after is not None:
            self._buffer(after)
        return reply

    def _buffer(self, session: Session) -> bool:
        """Keep the row of a new pattern, which the store does not take; False if it is known."""
        node = self._engine.world.nodes[processor_id(session.node_id)]
        few = sum(map(len, session.stm)) <= 1
        if few or patterns.pattern_name(session.stm) in node.patterns:
            return False
        self._rows.append((session.session_id, [session.node_id, list(session.stm)]))
        return True

    async def _count_and_fail(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        self._unstored(visit)
        reply = await perform(None)
        if reply is None or reply.status != HTTPStatus.OK:
            return reply
        raise ServerError

    async def _crash(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        def die(name: str, session_id: str, args: Json) -> None:
            if name == "sequence":
                # What the first half has learned stays, the session is as before (kato-api 4).
                observations, each, _end, clear = args
                half = [observations[: len(observations) // 2], each, False, clear]
                self._engine.record("unstored", visit.request.call, session_id, [name, half])
            _kill()

        self._engine.twist(visit.request.call).before = die
        return await perform(None)

    async def _crash_after(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        self._engine.twist(visit.request.call).after = _kill
        return await perform(None)

    async def _crash_in_learn(self, visit: Visit, _fault: Fault, perform: Perform) -> Reply | None:
        self._unstored(visit)
        self._engine.twist(visit.request.call).after = _kill
        return await perform(None)

    async def _lose_sessions(self, visit: Visit, fault: Fault, perform: Perform) -> Reply | None:
        operation = "gone" if fault.name == "session_gone" else fault.name
        self._engine.record(operation, visit.request.call, visit.request.target)
        return await perform(None)

    def _unstored(self, visit: Visit) -> None:
        self._engine.twist(visit.request.call).around.append("unstored")

    def _session(self, visit: Visit) -> Session | None:
        if visit.kind is Kind.CREATE or visit.kind not in WRITES:
            return None
        return self._engine.world.living(visit.request.target, self._engine.clock())


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
    raise AssertionError


def _sent(visit: Visit) -> dict[str, Json]:
    """The body of an observe or a batch, as far as that can be told before checking."""
    try:
        body = json.loads(visit.request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and isinstance(body.get("observations", []), list) else {}
