"""What several server processes, and several sessions of one node, do to each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from devserver_running import Live, running, together

QUIET = {"process_predictions": False}


@pytest.fixture(scope="module")
def one() -> Iterator[httpx.Client]:
    with running("--no-wedge") as (_, client):
        yield client


@pytest.fixture(scope="module")
def four() -> Iterator[httpx.Client]:
    with running("--workers", "4") as (_, client):
        yield client


def _observes(session: Live, count: int) -> list[tuple[str, object]]:
    return [(f"{session.path}/observe", {"strings": [f"e{number}"]}) for number in range(count)]


def test_four_processes_lose_acknowledged_observes(four: httpx.Client) -> None:
    session = Live(four, config=QUIET)
    answers = together(four, _observes(session, 200), in_flight=50)
    assert {answer.status_code for answer in answers} == {200}
    assert 0 < len(session.stm()) < 180
    assert any(entry["kind"] == "overwrote" for entry in session.audit())


def test_a_batch_is_lost_whole_and_never_torn(four: httpx.Client) -> None:
    session = Live(four, config=QUIET)
    batches = [[{"strings": [f"{name}-{step}"]} for step in range(4)] for name in range(50)]
    calls: list[tuple[str, object]] = [
        (f"{session.path}/observe-sequence", {"observations": batch}) for batch in batches
    ]
    together(four, calls, in_flight=50)
    names = [event[0].split("-") for event in session.stm()]
    assert 0 < len(names) < 200
    groups = [names[start : start + 4] for start in range(0, len(names), 4)]
    assert all([step for _, step in group] == list("0123") for group in groups)
    assert all(len({name for name, _ in group}) == 1 for group in groups)


def test_one_request_in_flight_loses_nothing_with_four_processes(four: httpx.Client) -> None:
    session = Live(four, config=QUIET)
    with httpx.Client(base_url=four.base_url) as other:
        for place, (path, body) in enumerate(_observes(session, 60)):
            (four, other)[place % 2].post(path, json=body)
    assert len(session.stm()) == 60


def test_one_process_loses_no_observe_to_another(one: httpx.Client) -> None:
    session = Live(one, config=QUIET)
    together(one, _observes(session, 100), in_flight=25)
    assert len(session.stm()) == 100


@pytest.mark.parametrize(
    ("name", "body"), [("extend?ttl_seconds=600", None), ("config", {"persistence": 6})]
)
def test_one_process_loses_observes_to_calls_without_a_lock(
    one: httpx.Client, name: str, body: object
) -> None:
    session = Live(one, config=QUIET)
    calls = _observes(session, 200)
    beside: list[tuple[str, object]] = [(f"{session.path}/{name}", body)] * 40
    mixed = [call for place in range(40) for call in (*calls[place::40], beside[place])]
    assert {answer.status_code for answer in together(one, mixed, in_flight=8)} == {200}
    assert 0 < len(session.stm()) < 200


def test_reading_beside_observes_loses_nothing(one: httpx.Client) -> None:
    session, reader = Live(one, config=QUIET), httpx.Client(base_url=one.base_url)
    with reader:
        for path, body in _observes(session, 50):
            one.post(path, json=body)
            for part in ("stm", "exists", "predictions"):
                reader.get(f"{session.path}/{part}")
    assert len(session.stm()) == 50


def _team(client: httpx.Client, node: str) -> tuple[Live, Live]:
    """Two predicting sessions of a node that has learned something of what they observe."""
    first, second = Live(client, node_id=node), Live(client, node_id=node)
    for text in ("ab", "private"):
        first.observe(*text)
    first.post("learn")
    return first, second


def test_predicting_observes_of_one_node_wedge_the_process() -> None:
    with running("--interleave-ms", "20") as (process, client):
        first, second = _team(client, "wedged")
        calls = [(f"{s.path}/observe", {"strings": ["a"]}) for s in (first, second)] * 20
        with pytest.raises(httpx.ReadTimeout):
            together(client, calls, in_flight=2, seconds=1)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/health", timeout=0.2)
        assert client.get("/_dev/stats").status_code == 200
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_without_predictions_nothing_wedges_and_nothing_leaks(four: httpx.Client) -> None:
    first, second = (Live(four, node_id="quiet", config=QUIET) for _ in range(2))
    first.observe("a", "b")
    first.post("learn")
    calls = [(f"{s.path}/observe", {"strings": ["a"]}) for s in (first, second)] * 50
    answers = together(four, calls, in_flight=2)
    assert {answer.status_code for answer in answers} == {200}


def test_predictions_leave_their_events_in_another_session(one: httpx.Client) -> None:
    first, second = _team(one, "leaking")
    first.observe(*"private")
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=one.base_url) as other:
        observes = pool.submit(lambda: [second.observe("a") for _ in range(100)])
        while not observes.done():
            other.get(f"{first.path}/predictions")
    assert {answer.status_code for answer in observes.result()} == {200}
    leaks = [place for place, entry in enumerate(second.audit()) if entry["kind"] == "leak"]
    assert leaks
    assert second.stm()[0] == sorted("private"), "its own events are gone"


def test_what_was_lost_stays_lost_after_a_restart(tmp_path: Path) -> None:
    with running("--workers", "4", "--state", str(tmp_path)) as (process, client):
        session = Live(client, config=QUIET)
        together(client, _observes(session, 100), in_flight=20)
        stm, audit = session.stm(), session.audit()
        process.kill()
        process.wait()
    with running("--state", str(tmp_path)) as (_, client):
        session.client = client
        assert (session.stm(), session.audit()) == (stm, audit)
    assert len(stm) < 100
