"""The ASGI application: finds the route, lets the call cost what it costs, sends the answer."""

import asyncio
import json
import math
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from kato_tasks.devserver import routes
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused, not_found
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.routes import Handler, Request, on_session

Methods = dict[str, Handler]
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = b"application/json"
_TEXT = b"text/plain; charset=utf-8"


class Reply(NamedTuple):
    """An answer before it is sent; ``type`` None sends no content type."""

    status: int
    body: bytes
    type: bytes | None = _JSON
    location: bytes | None = None


class Routes:
    """The route table: fixed paths, and the three places where an id stands in the path."""

    def __init__(self) -> None:
        self.fixed: dict[str, Methods] = {
            "/": {"GET": routes.root},
            "/health": {"GET": routes.health},
            "/status": {"GET": routes.status},
            "/openapi.json": {"GET": self.describe},
            "/sessions": {"POST": routes.create_session},
            "/sessions/count": {"GET": routes.SessionCount()},
            "/_dev/sessions": {"GET": routes.dev_sessions},
            "/_dev/stats": {"GET": routes.dev_stats},
        }
        self.session: Methods = {
            "GET": routes.get_session,
            "DELETE": on_session(routes.delete_session),
        }
        self.of_session: dict[str, Methods] = {
            "exists": {"GET": routes.exists},
            "config": {
                "GET": on_session(routes.get_config),
                "POST": on_session(routes.update_config),
            },
            "extend": {"POST": on_session(routes.extend)},
            "observe": {"POST": on_session(routes.observe)},
            "observe-sequence": {"POST": on_session(routes.observe_sequence)},
            "stm": {"GET": on_session(routes.stm)},
            "learn": {"POST": on_session(routes.learn)},
            "clear-stm": {"POST": on_session(routes.clear_stm)},
            "clear-all": {"POST": on_session(routes.clear_all)},
            "predictions": {"GET": on_session(routes.get_predictions)},
            "percept-data": {"GET": on_session(routes.percept_data)},
            "cognition-data": {"GET": on_session(routes.cognition_data)},
        }
        self.by_id: dict[str, Methods] = {
            "/pattern/": {"GET": routes.get_pattern},
            "/_dev/audit/": {"GET": routes.dev_audit},
        }

    def find(self, path: str) -> tuple[Methods | None, str]:
        """The methods of a path, None if there are none, and the id in it, or ""."""
        parts = path.split("/")
        if path.startswith("/sessions/") and path not in self.fixed:
            if len(parts) == len(("", "sessions", "id")):
                return self.session if parts[2] else None, parts[2]
            return self.of_session.get("/".join(parts[3:])), parts[2]
        for prefix, methods in self.by_id.items():
            target = path.removeprefix(prefix)
            if target != path and target and "/" not in target:
                return methods, target
        return self.fixed.get(path), ""

    def describe(self, _engine: Engine, _request: Request) -> Json:
        """``GET /openapi.json``: the paths and methods there really are."""
        table = {
            **self.fixed,
            "/sessions/{session_id}": self.session,
            **{f"/sessions/{{session_id}}/{name}": m for name, m in self.of_session.items()},
            "/pattern/{pattern_id}": self.by_id["/pattern/"],
            "/_dev/audit/{session_id}": self.by_id["/_dev/audit/"],
        }
        answers = {"200": {"description": "Successful Response"}}
        paths = {
            path: {method.lower(): {"responses": answers} for method in methods}
            for path, methods in table.items()
        }
        info = {"title": "KATO API", "version": routes.VERSION}
        return {"openapi": "3.1.0", "info": info, "paths": paths}


class DevServer:
    """The ASGI application around one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._routes = Routes()
        self._trace = os.urandom(8).hex()
        self._busy = asyncio.Lock()
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
        path: str = scope["path"]
        methods, target = self._routes.find(path)
        request = Request(
            call, scope["method"], target, scope["query_string"], scope["headers"], body
        )
        if self._costs and path.startswith("/sessions"):
            await self._occupy(path, body)
        try:
            reply = self._answer(path, methods, request)
        except Exception:
            # The real server's connection dies after a 500 (kato-api 1): raising once the
            # answer is out makes uvicorn close it without saying so.
            await self._send(send, call, Reply(500, b"Internal Server Error", _TEXT))
            raise
        await self._send(send, call, reply)

    def _answer(self, path: str, methods: Methods | None, request: Request) -> Reply:
        handler = methods.get(request.method) if methods else None
        try:
            if handler is not None:
                return Reply(200, _encoded(handler(self.engine, request)))
            return self._no_handler(path, methods, request)
        except Refused as refusal:
            return Reply(refusal.status, _encoded(refusal.body))

    def _no_handler(self, path: str, methods: Methods | None, request: Request) -> Reply:
        """A path or method that is not there; an unknown session wins over both."""
        parts = path.split("/")
        if path.startswith("/sessions/") and parts[2]:
            known = path in self._routes.fixed or parts[3:] == ["exists"]
            engine = self.engine
            if not known and engine.world.living(parts[2], engine.clock()) is None:
                raise not_found(parts[2])
        if methods is not None:
            return Reply(405, _encoded({"detail": "Method Not Allowed"}))
        if path.endswith("/") and self._routes.find(path.rstrip("/") or "/")[0]:
            host = request.header(b"host")
            location = f"http://{host}{path.rstrip('/')}".encode("ascii", "ignore")
            return Reply(307, b"", None, location)
        return Reply(404, _encoded({"detail": "Not Found"}))

    async def _occupy(self, path: str, body: bytes) -> None:
        """Keep the server busy as long as the real one's event loop would be blocked."""
        options = self.engine.options
        milliseconds = options.cost_ms + options.cost_per_observation_ms * _observations(path, body)
        async with self._busy:
            await asyncio.sleep(milliseconds / 1000)

    async def _send(self, send: Send, call: int, reply: Reply) -> None:
        headers = [
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-trace-id", f"{self._trace}{call:016x}".encode()),
        ]
        if reply.type is not None:
            headers.append((b"content-type", reply.type))
        if reply.type is _TEXT:
            del headers[1]
        if reply.location is not None:
            headers.append((b"location", reply.location))
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


def _observations(path: str, body: bytes) -> int:
    """How many observations a request carries, as far as that can be told before checking."""
    if path.endswith("/observe"):
        return 1
    if not path.endswith("/observe-sequence"):
        return 0
    try:
        return len(json.loads(body)["observations"])
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
