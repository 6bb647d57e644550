"""What the contract suite is made of: servers, sessions that are cleaned up, and observations."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx
import pytest

from kato_tasks.errors import SessionNotFound
from kato_tasks.kato import KatoClient
from kato_tasks.kato.dialects import Verb
from kato_tasks.models import DialectName


@contextmanager
def devserver(*arguments: str) -> Iterator[str]:
    """Run a look-alike on a free port, for the length of a block; its URL."""
    command = [sys.executable, "-m", "kato_tasks.devserver", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("devserver ready on "), f"not ready: {line!r}"
            yield line.removeprefix("devserver ready on ").strip()
        finally:
            process.kill()


class Server:
    """One server, with the project's client and with bare HTTP.

    Args:
        url: Where it is.
        ours: It was started for these tests, and may be treated roughly.
    """

    def __init__(self, url: str, *, ours: bool) -> None:
        self.url = url
        self.ours = ours
        self.kato = KatoClient(url)
        self.http = httpx.Client(base_url=url, timeout=30.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kato.close()
        self.http.close()

    @property
    def dialect(self) -> DialectName:
        return self.kato.dialect.name

    def needs(self, *verbs: Verb) -> None:
        """Skip the test if the server's dialect lacks a verb."""
        missing = [verb.value for verb in verbs if verb not in self.kato.dialect.routes]
        if missing:
            pytest.skip(f"the dialect {self.dialect.value} has no {', '.join(missing)}")

    def needs_dialect(self, dialect: DialectName, reason: str) -> None:
        """Skip the test if the server speaks another dialect."""
        if self.dialect is not dialect:
            pytest.skip(f"{dialect.value} only: {reason}")

    def needs_ours(self, reason: str) -> None:
        """Skip the test on a server that others may use."""
        if not self.ours:
            pytest.skip(f"not on a given server: {reason}")


class Sessions:
    """Makes sessions, and deletes them in the end.

    Args:
        kato: The server.
        node: The node of sessions that name none. A server keeps few nodes (kato-api 6), so
            tests that learn nothing share one.
    """

    def __init__(self, kato: KatoClient, *, node: str) -> None:
        self._kato = kato
        self._node = node
        self._made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for session_id in self._made:
            with contextlib.suppress(SessionNotFound):
                self._kato.delete_session(session_id)

    def make(
        self, *, node: str | None = None, ttl: int | None = 600, predictions: bool = False
    ) -> str:
        """Create a session; it expires by itself if this process dies."""
        created = self._kato.create_session(
            node_id=node or self._node,
            config={"process_predictions": predictions},
            ttl_seconds=ttl,
        )
        return self.keep(created.session_id)

    def keep(self, session_id: str) -> str:
        """Delete a session in the end that was made otherwise."""
        self._made.append(session_id)
        return session_id


def seen(*strings: str, **emotives: float) -> bytes:
    """Return an observation as it is sent."""
    observation: dict[str, object] = {"strings": list(strings)}
    if emotives:
        observation["emotives"] = emotives
    return json.dumps(observation).encode()


def observe_all(kato: KatoClient, session_id: str, observations: Sequence[bytes]) -> None:
    """Send observations one by one: what every dialect can do."""
    for observation in observations:
        kato.observe(session_id, observation)
