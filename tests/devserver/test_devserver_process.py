"""The server as a process of its own."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from devserver_running import running

from kato_tasks.devserver import Options, serve


def _session(client: httpx.Client) -> str:
    created = client.post("/sessions", json={"node_id": "p"}).json()
    return f"/sessions/{created['session_id']}"


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with running("--state", str(tmp_path)) as (process, client):
        session = _session(client)
        for number in range(20):
            client.post(f"{session}/observe", json={"strings": [str(number)]})
        process.kill()
        process.wait()
    with running("--state", str(tmp_path)) as (_, client):
        stm = client.get(f"{session}/stm").json()["stm"]
    assert stm == [[str(number)] for number in range(20)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with running() as (process, client):
        assert client.get("/health").status_code == 200
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_the_cost_of_calls_adds_up_even_if_they_come_together() -> None:
    with running("--cost-ms", "30", "--cost-per-observation-ms", "10") as (_, client):
        session = _session(client)
        started = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            body = {"observations": [{"strings": ["a"]}] * 3}
            calls = [pool.submit(client.post, f"{session}/observe-sequence", json=body)]
            calls += [pool.submit(client.get, f"{session}/stm") for _ in range(3)]
            assert [call.result().status_code for call in calls] == [200] * 4
        assert time.monotonic() - started >= 4 * 0.03 + 3 * 0.01


def test_the_connection_dies_after_a_500_without_being_announced() -> None:
    with running() as (_, client):
        session = _session(client)
        answer = client.post(f"{session}/observe", json={"strings": ["it's"]})
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert "connection" not in answer.headers
        with httpx.Client(base_url=client.base_url) as fresh:
            assert fresh.get(f"{session}/stm").json()["length"] == 0


def test_other_machines_are_refused_unless_allowed() -> None:
    with pytest.raises(ValueError, match=r"listens on loopback only, not on 0\.0\.0\.0"):
        serve(Options(), host="0.0.0.0")  # noqa: S104 - that it is refused is the point
    with pytest.raises(ValueError, match=r"example\.org"):
        serve(Options(), host="example.org")
