"""What passes between the HTTP server and the application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kato_tasks.devserver.faults import Kind
from kato_tasks.devserver.routes import Request

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"
ABORT = "kato_tasks.devserver.abort"
"""The ASGI extension by which a request's connection is reset."""


class Reply(NamedTuple):
    """An answer before it is sent; ``type`` None sends no content type."""

    status: int
    body: bytes
    type: bytes | None = JSON
    location: bytes | None = None
    closes: bool = False


@dataclass(slots=True)
class Visit:
    """One request under way.

    Attributes:
        request: The request.
        path: Its path.
        kind: What it is about.
        scope: Its ASGI scope.
        receive: Its ASGI receive, of which only the client's leaving is still to come.
    """

    request: Request
    path: str
    kind: Kind
    scope: Scope
    receive: Receive

    @property
    def connection(self) -> tuple[str, int]:
        """The client's end of the connection."""
        host, port = self.scope.get("client") or ("", 0)
        return host, port

    async def left(self) -> None:
        """Wait until the client has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def leaves_within(self, seconds: float) -> bool:
        """Whether the client goes before ``seconds`` have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self.left()
        except TimeoutError:
            return False
        return True

    async def reset(self) -> None:
        """Reset the connection, so that the client cannot know what became of its request."""
        abort: Callable[[], None] = self.scope["extensions"][ABORT]
        abort()
        await self.left()
