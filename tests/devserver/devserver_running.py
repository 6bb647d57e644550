"""A server as a process of its own, and what tests ask of it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run a server with these options on a free port for the length of a block."""
    command = [sys.executable, "-m", "kato_tasks.devserver", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().removeprefix("devserver ready on ").strip()
            with httpx.Client(base_url=address, timeout=10) as client:
                yield process, client
        finally:
            process.kill()


class Live:
    """A session of a server over real sockets; each ``impatient`` call has its own connection."""

    def __init__(self, client: httpx.Client, **create: object) -> None:
        self.client = client
        created = client.post("/sessions", json={"node_id": "p", **create}).json()
        self.id = str(created["session_id"])
        self.path = f"/sessions/{self.id}"

    def post(self, name: str, body: object = None) -> httpx.Response:
        return self.client.post(f"{self.path}/{name}", json=body)

    def observe(self, *strings: str) -> httpx.Response:
        return self.post("observe", {"strings": strings})

    def impatient(self, name: str, body: object = None, seconds: float = 0.2) -> Exception:
        """Send a request that is not answered in time; what it ended with."""
        with httpx.Client(base_url=self.client.base_url, timeout=seconds) as client:
            try:
                answer = client.post(f"{self.path}/{name}", json=body)
            except httpx.TransportError as error:
                return error
        raise AssertionError(answer.status_code)

    def stm(self) -> Any:  # noqa: ANN401
        return self.client.get(f"{self.path}/stm").json()["stm"]

    def audit(self) -> Any:  # noqa: ANN401
        return self.client.get(f"/_dev/audit/{self.id}").json()["entries"]


def arm(client: httpx.Client, *texts: str) -> None:
    """Replace the armed faults."""
    assert client.post("/_dev/faults", json={"faults": texts}).status_code == 200


def fired(client: httpx.Client) -> list[int]:
    """How often each armed fault struck."""
    return [fault["fired"] for fault in client.get("/_dev/faults").json()["faults"]]


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition, at most so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def together(
    client: httpx.Client,
    calls: Sequence[tuple[str, object]],
    *,
    in_flight: int,
    seconds: float = 30,
) -> list[httpx.Response]:
    """POST to several paths over so many connections at a time; the answers in order."""
    answers: dict[int, httpx.Response] = {}
    waiting = iter(enumerate(calls))

    async def send(every: httpx.AsyncClient) -> None:
        for place, (path, body) in waiting:
            answers[place] = await every.post(path, json=body)

    async def send_all() -> None:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=seconds) as every:
            await asyncio.gather(*(send(every) for _ in range(in_flight)))

    asyncio.run(send_all())
    return [answers[place] for place in range(len(calls))]
