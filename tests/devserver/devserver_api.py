"""A server in the test's own process, with a clock the test moves."""

import asyncio
from typing import Any

import httpx

from kato_tasks.devserver.app import DevServer
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.options import Options

START = 1_795_330_825_525_410


class Clock:
    """Microseconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class Api:
    """Calls one server without a network; keeps the clock and the engine in reach."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self.clock = clock
        self.engine = Engine(options, clock)
        self.app = DevServer(self.engine)

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **more)

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        return asyncio.run(self._call(method, path, **more))

    def get(self, path: str, **more: Any) -> Any:  # noqa: ANN401
        answer = self("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None) -> Any:  # noqa: ANN401
        answer = self("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def session(self, node_id: str = "n-1", **more: object) -> str:
        """The path of a new session."""
        created = self.post("/sessions", {"node_id": node_id, **more})
        return f"/sessions/{created['session_id']}"

    def exists(self, session: str) -> bool:
        return bool(self.get(f"{session}/exists")["exists"])

    def sequence(self, session: str, *strings: str, **flags: bool) -> Any:  # noqa: ANN401
        """Observe events of one-letter symbols: "ab" is the event a, b."""
        observations = [{"strings": list(letters)} for letters in strings]
        return self.post(f"{session}/observe-sequence", {"observations": observations, **flags})
