"""What fails costs time, and nothing else."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration_site import HOST, Processes, Site, numbered

from kato_tasks import KatoTasks, SessionState, Settings, StoreUnavailable
from kato_tasks.keys import Keys
from kato_tasks.models import Kind
from kato_tasks.sessions import group_commands
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until


def test_a_lost_wake_up_costs_time_only(site: Site, key: str) -> None:
    """Commands that nobody was called to are found by the worker's own sweep, without beat."""
    groups = group_commands(Kind.OBSERVE, (b'{"strings":["a"]}',), None)
    site.kato.services.lanes.append([site.kato.session(key).request(groups)])
    wait_until(lambda: site.record(key).applied == 1, timeout=5)
    assert site.stm(key) == [["a"]]


def test_too_many_wake_ups_do_no_harm(site: Site, key: str) -> None:
    session = site.kato.session(key)
    for number in range(30):
        receipt = session.observe([str(number)])
        site.kato.services.wake([key, key, f"{key}-unknown"])
    receipt.wait()
    assert site.symbols(key) == [str(number) for number in range(30)]


def test_a_worker_that_is_stopped_finishes_its_call(
    make_site: Callable[..., Site], processes: Processes, key: str
) -> None:
    """SIGTERM in the middle of 300 observations; the next worker goes on where it stopped."""
    slow = processes.devserver("--cost-ms", "10", "--cost-per-observation-ms", "5")
    site = make_site(server=slow, batch_commands=20, turn=0.3)
    receipt = site.kato.session(key).observe_many(numbered(300))
    worker = site.start_worker()
    wait_until(lambda: site.record(key).applied > 0)
    assert worker.terminate() == 0
    record = site.record(key)
    assert record.state is SessionState.ACTIVE
    assert record.applied < 300
    assert not _lease(site, key)
    site.start_worker()
    receipt.wait()
    assert site.symbols(key) == [str(number) for number in range(300)]
    slow.close()


def test_a_server_that_is_away_pauses_the_lanes(
    make_site: Callable[..., Site], processes: Processes, tmp_path: Path, key: str
) -> None:
    """A refused connection is retried, for a session it has and for one it has not yet."""
    port, state = free_port(), ("--state", str(tmp_path / "state"))
    server = processes.devserver(*state, port=port)
    site = make_site(workers=1, server=server)
    known, new = site.kato.session(key), site.kato.session(f"{key}-new")
    known.observe(["a"]).wait()
    server.kill()
    receipts = [known.observe(["b"]), new.observe(["c"])]
    wait_until(lambda: _attempts(site, key) > 1 and _attempts(site, f"{key}-new") > 1)
    assert [site.record(one.key).state for one in (known, new)] == ["active", "new"]
    assert not any(receipt.applied for receipt in receipts)
    processes.devserver(*state, port=port).close()
    for receipt in receipts:
        receipt.wait()
    assert (site.stm(key), site.stm(f"{key}-new")) == ([["a"], ["b"]], [["c"]])
    server.close()


def _lease(site: Site, key: str) -> bool:
    services, settings = site.kato.services, site.settings
    name = Keys(prefix=settings.prefix, shards=settings.shards).session(key).lease
    return bool(services.lanes._runner.client.exists(name))  # noqa: SLF001 - no reader tells it


def _attempts(site: Site, key: str) -> int:
    services, settings = site.kato.services, site.settings
    name = Keys(prefix=settings.prefix, shards=settings.shards).session(key).session
    client = services.lanes._runner.client  # noqa: SLF001 - no reader tells it
    return int(client.hget(name, "attempts") or 0)


def test_a_broker_that_is_away_does_not_stop_producers(site: Site, key: str) -> None:
    """What they observe is accepted at once, and delivered by the sweep of the workers."""
    cut_off = site.settings.model_copy(update={"broker_url": f"redis://{HOST}:{free_port()}/0"})
    with KatoTasks(cut_off) as kato:
        began = time.monotonic()
        receipts = [kato.session(f"{key}-{number}").observe(["a"]) for number in range(5)]
        assert time.monotonic() - began < 2
        for receipt in receipts:
            receipt.wait()


def test_a_store_that_refuses_is_unavailable_at_once(settings: Settings, key: str) -> None:
    gone = settings.model_copy(update={"redis_url": f"redis://:secret@{HOST}:{free_port()}/0"})
    with KatoTasks(gone) as kato:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="is not available") as caught:
            kato.session(key).observe(["a"], command_id="mine")
        assert time.monotonic() - began < 1
    assert caught.value.command_ids == ("mine",)
    assert "secret" not in str(caught.value)


def test_a_store_that_does_not_answer_is_unavailable_in_time(settings: Settings, key: str) -> None:
    with _deaf_server() as port:
        deaf = settings.model_copy(
            update={"redis_url": f"redis://{HOST}:{port}/0", "store_timeout": 0.5}
        )
        with KatoTasks(deaf) as kato:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="may or may not have been accepted"):
                kato.session(key).observe(["a"])
            assert 0.4 < time.monotonic() - began < 2


@contextmanager
def _deaf_server() -> Iterator[int]:
    """Listen, and never say a word."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]
