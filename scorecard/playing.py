"""Sends recorded requests to a devserver in this process, whose clock it moves."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from kato_tasks.devserver.app import DevServer
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.options import Options
from scorecard.recordings import Exchange, Json

Message = MutableMapping[str, Any]


@dataclass(slots=True)
class Answer:
    """What the devserver answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def decoded(self) -> Json:
        """The body as the recordings have it: text stands under ``__text__``."""
        if self.headers.get("content-type", "").startswith("application/json") and self.body:
            return json.loads(self.body)
        return {"__text__": self.body.decode()}


class Server:
    """One devserver and its clock."""

    def __init__(self, options: Options, started_at: int) -> None:
        self.now = started_at
        self._app = DevServer(Engine(options, lambda: self.now))

    async def arm(self, faults: tuple[str, ...]) -> None:
        """Arm these faults and no others."""
        await self._call("POST", "/_dev/faults", {"faults": faults})

    async def use(self, node_id: str, created_at: int, used_at: int) -> None:
        """Create a session, then observe and read it, as something unrecorded once did."""
        self.now = created_at
        created = await self._call("POST", "/sessions", {"node_id": node_id})
        path = f"/sessions/{created.decoded['session_id']}"
        await self._call("POST", f"{path}/observe", {"strings": ["x"]})
        self.now = used_at
        await self._call("GET", f"{path}/predictions", None)

    async def _call(self, method: str, path: str, body: Json) -> Answer:
        exchange = Exchange.of(method, path, body)
        return await self.send(exchange, path, exchange.content)

    async def send(self, exchange: Exchange, path: str, content: bytes) -> Answer:
        """Send an exchange's request, with the path and body rewritten to this server's names."""
        answer = Answer()

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                # A server sends no body to a HEAD; the application need not know that.
                answer.body += b"" if exchange.method == "HEAD" else message["body"]

        try:
            await self._app(_scope(exchange, path), receive, send)
        except Exception:
            # After a 500 the devserver raises so that its connection dies (kato-api 1).
            if answer.status != 500:  # noqa: PLR2004
                raise
        return answer


def _scope(exchange: Exchange, path: str) -> Message:
    return {
        "type": "http",
        "method": exchange.method,
        "path": unquote(path),
        "raw_path": quote(path, safe="/%").encode(),
        "query_string": urlencode(exchange.query).encode(),
        "headers": [(k.encode(), v.encode()) for k, v in exchange.headers.items()],
    }
