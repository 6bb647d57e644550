"""The servers that the contract is checked against.

Without more, the two look-alikes, each a process of its own. With ``KATO_TASKS_TEST_KATO_URL``
(``make test-kato KATO_URL=…``) only the server of that name: nothing is learned under nodes of
others, every session is deleted in the end, and what could hurt a shared server is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from uuid import uuid4

import pytest
from kato_contract import Server, Sessions, devserver

from kato_tasks.kato import KatoClient

GIVEN = os.environ.get("KATO_TASKS_TEST_KATO_URL")
RUN = f"kato-suite-{uuid4().hex[:8]}"
_NUMBERS = count(1)


@pytest.fixture(scope="session", params=["given"] if GIVEN else ["v3", "guide"])
def kato_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if GIVEN:
        yield GIVEN
        return
    with devserver("--dialect", request.param) as url:
        yield url


@pytest.fixture(scope="session")
def server(kato_url: str) -> Iterator[Server]:
    with Server(kato_url, ours=not GIVEN) as server:
        yield server


@pytest.fixture
def kato(server: Server) -> KatoClient:
    return server.kato


@pytest.fixture
def node() -> str:
    """A node nobody has used: for tests that learn."""
    return f"{RUN}-{next(_NUMBERS)}"


@pytest.fixture
def sessions(server: Server) -> Iterator[Sessions]:
    """Makes sessions, and deletes them after the test."""
    with Sessions(server.kato, node=RUN) as sessions:
        yield sessions


@pytest.fixture
def session(sessions: Sessions) -> str:
    return sessions.make()
