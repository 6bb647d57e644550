"""The ASGI application: finds the route, lets the call cost what it costs, sends the answer."""

import asyncio
import json
import math
import os
from collections.abc import Callable
from functools import partial

from kato_tasks.devserver import dev
from kato_tasks.devserver.audit import Mark
from kato_tasks.devserver.cluster import Cluster, Pause
from kato_tasks.devserver.disturb import Disturbance
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused, not_found
from kato_tasks.devserver.faults import WRITES, Fault, Kind
from kato_tasks.devserver.guide import GuideRoutes
from kato_tasks.devserver.monitoring import Page
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.paths import Methods, Paths
from kato_tasks.devserver.routes import Request
from kato_tasks.devserver.table import Routes
from kato_tasks.devserver.wire import HTML, TEXT, Receive, Reply, Scope, Send, Visit

_SOURCE = b"x-kato-tasks-source"
_COMMANDS = b"x-kato-tasks-commands"
_BROKEN = Reply(500, b"Internal Server Error", TEXT)


class DevServer:
    """The ASGI application around one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._speaks_guide = engine.options.dialect == "guide"
        self._paths: Paths = GuideRoutes() if self._speaks_guide else Routes()
        dev.add_to(self._paths)
        self._kinds = self._paths.kinds()
        self._trace = os.urandom(8).hex()
        self._cluster = Cluster(engine)
        self._disturbance = Disturbance(engine)
        options = engine.options
        self._costs = bool(options.cost_ms or options.cost_per_observation_ms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self.engine.next_call()
        body = await _read(receive)
        path, method = scope["path"], scope["method"]
        methods, target = self._paths.find(path)
        request = Request(call, method, target, scope["query_string"], scope["headers"], body)
        handler = methods.get(method) if methods else None
        kind = self._kinds.get(handler, Kind.OTHER) if handler else Kind.OTHER
        visit = Visit(request, path, kind, scope, receive)
        fired = self._struck(visit)
        try:
            reply = await self._replied(visit, methods, fired)
        except Exception:
            # The real server's connection dies after a 500 (kato-api 1): raising once the
            # answer is out makes uvicorn close it without saying so.
            await self._send(send, call, _BROKEN)
            raise
        finally:
            if self.engine.twists or self.engine.marks:
                self.engine.forget(call)
        if reply is not None:
            await self._send(send, call, reply)

    def _struck(self, visit: Visit) -> list[Fault] | None:
        """Note what the request says of itself and find the faults that strike it."""
        if visit.kind in WRITES:
            self._note_mark(visit.request)
        if visit.path.startswith("/_dev/"):
            return None
        self._disturbance.settle(visit.request.call)
        faults = self.engine.faults
        return faults.fire(visit.kind) if faults.armed else None

    def _note_mark(self, request: Request) -> None:
        for name, _ in request.headers:
            if name in (_SOURCE, _COMMANDS):
                mark = Mark(request.header(_SOURCE) or None, request.header(_COMMANDS) or None)
                self.engine.marks[request.call] = mark
                return

    async def _replied(
        self, visit: Visit, methods: Methods | None, fired: list[Fault] | None
    ) -> Reply | None:
        act = partial(self._answer, visit, methods)
        if visit.path.startswith("/_dev/"):
            return act()
        perform = partial(self._perform, visit, act)
        if not fired:
            return await perform(None)
        try:
            return await self._disturbance.strike(visit, fired, perform)
        except Refused as refusal:
            return Reply(refusal.status, _encoded(refusal.body))

    async def _perform(
        self, visit: Visit, act: Callable[[], Reply], pause: Pause | None
    ) -> Reply | None:
        """Answer as the worker does that the connection belongs to."""
        cluster = self._cluster
        worker = cluster.worker(visit)
        if self._costs and visit.path.startswith("/sessions"):
            async with worker.busy:
                await asyncio.sleep(self._cost(visit))
        pause = pause or cluster.steps_aside(visit)
        if pause is None and cluster.is_calm(visit, worker):
            return act()
        return await cluster.perform(visit, worker, act, pause)

    def _answer(self, visit: Visit, methods: Methods | None) -> Reply:
        handler = methods.get(visit.request.method) if methods else None
        try:
            if handler is None:
                return self._no_handler(visit, methods)
            body = handler(self.engine, visit.request)
        except Refused as refusal:
            return Reply(refusal.status, _encoded(refusal.body))
        if isinstance(body, Page):
            return Reply(200, body.html.encode(), HTML)
        return Reply(200, _encoded(body))

    def _no_handler(self, visit: Visit, methods: Methods | None) -> Reply:
        """A path or method that is not there; an unknown session wins over both."""
        path = visit.path
        if path.startswith("/sessions/") and not self._speaks_guide:
            self._refuse_unknown_session(path)
        if methods is not None:
            return Reply(405, _encoded({"detail": "Method Not Allowed"}))
        if path.endswith("/") and self._paths.find(path.rstrip("/") or "/")[0]:
            host = visit.request.header(b"host")
            location = f"http://{host}{path.rstrip('/')}".encode("ascii", "ignore")
            return Reply(307, b"", None, location)
        return Reply(404, _encoded({"detail": "Not Found"}))

    def _refuse_unknown_session(self, path: str) -> None:
        _, _, session_id, *rest = path.split("/")
        if not session_id or path in self._paths.fixed or rest == ["exists"]:
            return
        if self.engine.world.living(session_id, self.engine.clock()) is None:
            raise not_found(session_id)

    def _cost(self, visit: Visit) -> float:
        """Seconds the real server's event loop would be blocked."""
        options = self.engine.options
        per_observation = options.cost_per_observation_ms * _observations(visit)
        return (options.cost_ms + per_observation) / 1000

    async def _send(self, send: Send, call: int, reply: Reply) -> None:
        headers = [
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-trace-id", f"{self._trace}{call:016x}".encode()),
        ]
        if reply.type is not None:
            headers.append((b"content-type", reply.type))
        if reply.type is TEXT:
            del headers[1]
        if reply.location is not None:
            headers.append((b"location", reply.location))
        if reply.closes:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.engine.close()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(options: Options | None = None) -> DevServer:
    """Make the application; without options everything is as the real server's default.

    Raises:
        FaultError: A fault among the options is none.
        StateInUseError: Another server has the state directory.
    """
    return DevServer(Engine(options or Options()))


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks = [body]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


def _observations(visit: Visit) -> int:
    """How many observations a request carries, as far as that can be told before checking."""
    if visit.kind is not Kind.SEQUENCE:
        return int(visit.kind is Kind.OBSERVE)
    try:
        return len(json.loads(visit.request.body)["observations"])
    except (ValueError, TypeError, KeyError):
        return 0


def _encoded(value: Json) -> bytes:
    """Encode an answer; numbers JSON does not have become null, as recorded (kato-api 4)."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def _finite(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
