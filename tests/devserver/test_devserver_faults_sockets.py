"""Faults that only a real connection shows."""

import errno
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from devserver_running import Live, arm, fired, running, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    with running("--no-wedge", "--no-leak") as (_, client):
        yield client


@pytest.fixture
def client(server: httpx.Client) -> Iterator[httpx.Client]:
    yield server
    server.delete("/_dev/faults")


def _was_reset(error: Exception) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.ECONNRESET:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def test_latency_comes_before_the_call(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "latency:1,seconds=0.3,route=observe")
    assert isinstance(session.impatient("observe", {"strings": ["a"]}), httpx.ReadTimeout)
    assert session.stm() == [], "nobody was served yet"
    wait_until(lambda: session.stm() == [["a"]])


def test_a_reset_before_applies_nothing_and_one_after_applies_all(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "reset_before:1", "reset_after:1")
    assert _was_reset(session.impatient("observe", {"strings": ["a"]}))
    assert session.stm() == []
    batch = {"observations": [{"strings": ["b"]}, {"strings": ["c"]}]}
    assert _was_reset(session.impatient("observe-sequence", batch))
    assert session.stm() == [["b"], ["c"]]
    assert fired(client) == [1, 1]


def test_a_503_closes_its_connection(client: httpx.Client) -> None:
    arm(client, "503:1")
    answer = client.get("/health")
    assert (answer.status_code, answer.text) == (503, "Service Unavailable")
    assert answer.headers["connection"] == "close"
    assert "x-trace-id" not in answer.headers
    assert client.get("/health").status_code == 200


def test_a_late_call_is_applied_after_its_client_gave_up(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "late:1,delay=0.3")
    assert isinstance(session.impatient("observe", {"strings": ["late"]}), httpx.ReadTimeout)
    assert session.stm() == [], "the look after giving up shows nothing"
    session.observe("resent")
    wait_until(lambda: len(session.stm()) == 2)
    assert session.stm() == [["resent"], ["late"]]


def test_a_late_call_of_a_patient_client_is_answered_after_its_seconds(
    client: httpx.Client,
) -> None:
    session = Live(client)
    arm(client, "late:1,seconds=0.2")
    started = time.monotonic()
    assert session.observe("a").json()["time"] == 1
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    ("name", "body", "left"),
    [("clear-stm", None, []), ("config", {"persistence": 9}, [["a"]]), ("learn", None, [])],
)
def test_a_late_call_without_a_lock_undoes_what_came_between(
    client: httpx.Client, name: str, body: object, left: object
) -> None:
    session = Live(client)
    session.observe("a")
    arm(client, "late:1,delay=0.1")
    session.impatient(name, body)
    barrier = session.post("observe-sequence", {"observations": []})
    assert barrier.json()["initial_stm_length"] == 1, "it does not wait for this one"
    session.observe("between")
    wait_until(lambda: session.stm() == left)
    assert session.audit()[-1]["kind"] == "overwrote"


def test_the_empty_batch_waits_for_an_observe_that_was_read(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "late:1,read=now,delay=0.3")
    session.impatient("observe", {"strings": ["a"]})
    barrier = session.post("observe-sequence", {"observations": []})
    assert barrier.json()["initial_stm_length"] == 1


def test_a_late_write_brings_a_deleted_session_back(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "late:1,read=now,delay=0.1")
    session.impatient("config", {"persistence": 9})
    assert client.delete(session.path).status_code == 200
    wait_until(lambda: client.get(f"{session.path}/exists").json()["exists"])


def test_a_late_create_makes_a_session_nobody_knows(client: httpx.Client) -> None:
    arm(client, "late:1,delay=0.1")
    known = client.get("/_dev/stats").json()["sessions_created"]
    with pytest.raises(httpx.ReadTimeout):
        client.post("/sessions", json={"node_id": "p"}, timeout=0.2)
    wait_until(lambda: client.get("/_dev/stats").json()["sessions_created"] == known + 1)


def test_in_a_freeze_nothing_answers_and_then_everything_goes_on(client: httpx.Client) -> None:
    session = Live(client)
    arm(client, "freeze:1,seconds=0.5,route=observe")
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(session.observe, "a")
        wait_until(lambda: _is_frozen(client))
        assert call.result().json()["time"] == 1
    assert client.get("/health").status_code == 200


def _is_frozen(client: httpx.Client) -> bool:
    try:
        with httpx.Client(base_url=client.base_url, timeout=0.1) as impatient:
            impatient.get("/_dev/stats")
    except httpx.ReadTimeout:
        return True
    return False
