"""What a real development server tells of a session that was rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chaos_histories import fields
from chaos_site import devserver

from kato_tasks.chaos.arming import Arming
from kato_tasks.chaos.checking import effective
from kato_tasks.chaos.expecting import pattern_name
from kato_tasks.chaos.reading import Reader
from kato_tasks.demo import Difference
from kato_tasks.errors import SessionNotFound

REPLAYED = {"X-Kato-Tasks-Source": "replay"}


class Server:
    """A development server, called as deliverers call it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url)

    def create(self, key: str = "a") -> str:
        body = {"node_id": "n", "metadata": {"kato_tasks_key": key}}
        return str(self._post("/sessions", body)["session_id"])

    def observe(self, session_id: str, *numbers: int, replayed: bool = False) -> None:
        body = {"observations": [fields(number) for number in numbers]}
        self._post(f"/sessions/{session_id}/observe-sequence", body, replayed=replayed)

    def call(self, session_id: str, verb: str) -> None:
        self._post(f"/sessions/{session_id}/{verb}", {})

    def delete(self, session_id: str) -> None:
        self._http.delete(f"/sessions/{session_id}").raise_for_status()

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: object, *, replayed: bool = False) -> Any:  # noqa: ANN401
        headers = REPLAYED if replayed else None
        return self._http.post(path, json=body, headers=headers).raise_for_status().json()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with devserver(tmp_path) as url:
        started = Server(url)
        yield started
        started.close()


@pytest.fixture
def reader(server: Server) -> Iterator[Reader]:
    with Reader(server.url) as opened:
        yield opened


def test_a_rebuilt_session_is_read_as_one_history(server: Server, reader: Reader) -> None:
    """The old one is written to once more, and deleted after the new one was made."""
    old = server.create()
    server.observe(old, 1, 2)
    server.observe(old, 3)
    new = server.create()
    server.observe(new, 1, 2, replayed=True)
    server.observe(old, 3)
    server.delete(old)
    server.observe(new, 3, 4)
    server.call(new, "clear-stm")
    server.observe(new, 5)
    found = effective(reader.lineage("a", new), new)
    assert [step.number for step in found.steps] == [1, 2, 3, 4, 4, 5]
    assert [step.empties for step in found.steps] == [False] * 4 + [True, False]
    assert (found.difference, found.destroyed) == (Difference(), 0)


def test_a_bound_session_that_no_lineage_names_is_read_all_the_same(
    server: Server, reader: Reader
) -> None:
    session_id = server.create("another")
    server.observe(session_id, 1)
    [found] = reader.lineage("a", session_id)
    assert [entry.number for entry in found.entries] == [1]
    assert reader.lineage("a", None) == []


def test_a_session_is_read_as_it_is(server: Server, reader: Reader) -> None:
    session_id = server.create()
    server.observe(session_id, 1, 2)
    found = reader.session(session_id)
    assert found.stm == (("n1", "shared"), ("n2", "shared"))
    server.delete(session_id)
    with pytest.raises(SessionNotFound):
        reader.session(session_id)


def test_a_pattern_is_found_by_the_name_that_was_computed(server: Server, reader: Reader) -> None:
    session_id = server.create()
    server.observe(session_id, 1, 2)
    name = pattern_name(reader.session(session_id).stm)
    assert reader.frequency(name, "n") == 0
    server.call(session_id, "learn")
    assert reader.frequency(name, "n") == 1


def test_faults_are_armed_counted_and_disarmed(server: Server) -> None:
    session_id = server.create()
    with Arming(server.url) as arming:
        assert arming.arm("500:2,route=sequence") == 0
        with pytest.raises(httpx.HTTPStatusError):
            server.observe(session_id, 1)
        assert arming.struck() == 1
        assert arming.disarm() == 0
        server.observe(session_id, 1)
        assert arming.answers()


def test_a_server_that_is_away_is_no_error_to_who_arms() -> None:
    with Arming("http://127.0.0.1:1") as arming:
        assert arming.arm("500") is None
        assert not arming.answers()
