"""Sessions live as long as they are to, at a server that forgets them as the real one does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration_site import DevServer, Processes, Site, numbered

from kato_tasks.lives import Index
from kato_tasks.models import SessionState
from kato_tasks.testing import wait_until

MakeSite = Callable[..., Site]
SHORT: dict[str, Any] = {"refresh_interval": 0.2, "cleanup_interval": 0.2, "idle_after": 0.3}


def deliver(site: Site, key: str) -> None:
    """Deliver a lane from here, as a worker does."""
    while site.record(key).waiting:
        site.kato.services.deliverer.deliver(key)


def look_after(site: Site, index: Index) -> dict[str, int]:
    """Look at all that is due, as a round of workers does."""
    services, cared = site.kato.services, dict[str, int]()
    for keys in services.find_due(index):
        for name, number in services.look_after(index, keys).items():
            cared[name] = cared.get(name, 0) + number
    return cared


def until(site: Site, index: Index, outcome: str) -> None:
    """Look at what is due until something becomes of it."""
    wait_until(lambda: outcome in look_after(site, index), timeout=10)


def memory(site: Site, key: str) -> dict[str, Any]:
    """Return all that a server shows of what a session remembers."""
    path = f"/sessions/{site.session_id(key)}"
    cognition = site.server.get(f"{path}/cognition-data")["cognition_data"]
    percept = site.server.get(f"{path}/percept-data")["percept_data"]
    return {"stm": site.stm(key), "cognition": cognition, "percept": percept}


def test_a_session_is_kept_alive_beyond_its_own_time(make_site: MakeSite, key: str) -> None:
    """Another one that is only read ends after its time."""
    site = make_site(**SHORT)
    site.kato.session(key, ttl=2, keep_alive=True).observe(["x"])
    site.kato.session(f"{key}-read", ttl=2).observe(["x"])
    for one in (key, f"{key}-read"):
        deliver(site, one)
    name, read = site.session_id(key), site.session_id(f"{key}-read")
    client, ends = site.kato.services.clients("default"), time.monotonic() + 5.5

    def is_over() -> bool:
        look_after(site, Index.REFRESH)
        assert client.exists(name)
        if client.exists(read):
            client.get_session(read)
        return time.monotonic() >= ends

    wait_until(is_over, timeout=10)
    assert not client.exists(read)
    assert site.session_id(key) == name
    assert site.stm(key) == [["x"]]


def test_a_session_wakes_with_all_that_the_server_shows_of_it(
    make_site: MakeSite, key: str
) -> None:
    site = make_site(**SHORT)
    session = site.kato.session(key, config={"recall_threshold": 0.4})
    session.observe(["first"], emotives={"joy": 0.25}, metadata={"from": "before the learn"})
    session.observe(["second"])
    session.learn()
    session.observe(["a", "b"], vectors=[[1.0, 2.0, 3.0]], emotives={"joy": 0.5})
    session.observe(["c"], emotives={"fear": -1.0}, metadata={"page": 7})
    deliver(site, key)
    before, name = memory(site, key), site.session_id(key)
    until(site, Index.IDLE, "hibernated")
    assert site.record(key).state is SessionState.HIBERNATED
    assert not site.kato.services.clients("default").exists(name)
    services = site.kato.services
    services.sessions.oracle.predictions(
        key, after=None, timeout=10, revive=services.deliverer.deliver
    )
    assert memory(site, key) == before
    config = services.clients("default").get_config(site.session_id(key))
    assert (config["recall_threshold"], config["process_predictions"]) == (0.4, False)
    assert site.record(key).rehomed == 0


def test_waking_a_hundred_events_costs_four_calls_at_most(make_site: MakeSite, key: str) -> None:
    site = make_site(**SHORT)
    site.kato.session(key, config={"max_pattern_length": 500}).observe_many(numbered(100))
    deliver(site, key)
    until(site, Index.IDLE, "hibernated")
    client = site.kato.services.clients("default")
    before = client.calls
    site.kato.services.lives.suspect(key, None, "somebody asks")
    site.kato.services.deliverer.deliver(key)
    assert site.record(key).state is SessionState.ACTIVE
    assert client.calls - before <= 4
    assert len(site.stm(key)) == 100


def test_a_worker_wakes_a_session_that_is_asked_for_predictions(site: Site, key: str) -> None:
    session = site.kato.session(key, idle_after=0.2)
    session.observe_many(numbered(3)).wait()
    until(site, Index.IDLE, "hibernated")
    session.predictions(timeout=10)
    assert site.stm(key) == [["0"], ["1"], ["2"]]


def test_a_worker_makes_a_session_anew_that_its_server_has_lost(site: Site, key: str) -> None:
    session = site.kato.session(key)
    session.observe_many(numbered(3)).wait()
    site.kato.services.clients("default").delete_session(site.session_id(key))
    session.predictions(timeout=10)
    assert site.stm(key) == [["0"], ["1"], ["2"]]
    assert site.record(key).rehomed == 1


def test_the_tasks_find_what_is_due_and_share_it_out(make_site: MakeSite, key: str) -> None:
    site = make_site(workers=1, **SHORT)
    for number in range(5):
        site.kato.session(f"{key}-{number}").observe(["x"]).wait()
    wait_until(lambda: site.send("kato_tasks.cleanup_idle")["due"] > 0, timeout=10)
    registry = site.kato.services.registry
    wait_until(
        lambda: (
            all(
                site.record(f"{key}-{number}").state is SessionState.HIBERNATED
                for number in range(5)
            )
            or site.send("kato_tasks.cleanup_idle") is None
        ),
        timeout=10,
    )
    assert registry.stats().counts["hibernated"] == 5
    site.kato.session(key, ttl=2, keep_alive=True).observe(["x"]).wait()
    wait_until(
        lambda: site.send("kato_tasks.refresh_ttls", keys=[key]) == {"extended": 1}, timeout=10
    )


def test_a_session_ends_when_its_own_time_is_over(make_site: MakeSite, key: str) -> None:
    site = make_site(**SHORT)
    session = site.kato.session(key, ttl=2, auto_extend=False, idle="keep")
    session.observe(["x"])
    deliver(site, key)
    name = site.session_id(key)
    until(site, Index.IDLE, "ended")
    assert site.record(key).state is SessionState.ENDED
    assert not site.kato.services.clients("default").exists(name)
    session.observe(["y"])
    deliver(site, key)
    assert site.stm(key) == [["y"]]


@pytest.fixture
def strict_server(processes: Processes) -> Iterator[DevServer]:
    """A server at which no write moves a deadline."""
    server = processes.devserver("--no-auto-extend")
    yield server
    server.close()


def test_a_write_in_the_last_second_of_a_session_is_kept(
    make_site: MakeSite, strict_server: DevServer, key: str
) -> None:
    """Left alone, such a server answers it with a 200 and deletes the session (kato-api 2)."""
    site = make_site(server=strict_server)
    session = site.kato.session(key, ttl=4, auto_extend=False)
    session.observe(["x"])
    deliver(site, key)
    name, began = site.session_id(key), time.monotonic()
    wait_until(lambda: time.monotonic() >= began + 2.6, timeout=10)
    session.observe(["y"])
    deliver(site, key)
    assert site.session_id(key) == name
    assert site.stm(key) == [["x"], ["y"]]
    assert site.record(key).rehomed == 0


def test_where_no_write_moves_a_deadline_a_session_in_use_lives_on(
    make_site: MakeSite, strict_server: DevServer, key: str
) -> None:
    site = make_site(server=strict_server)
    session = site.kato.session(key, ttl=3)
    ends, sent = time.monotonic() + 4.5, 0

    def is_over() -> bool:
        nonlocal sent
        sent += 1
        session.observe([str(sent)])
        deliver(site, key)
        return time.monotonic() >= ends

    wait_until(is_over, timeout=10)
    assert site.record(key).rehomed == 0
    assert site.stm(key) == [[str(number)] for number in range(1, sent + 1)]
