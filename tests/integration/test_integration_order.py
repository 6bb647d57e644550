"""What producers observe arrives in the servers' memories: all of it, once, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from integration_site import Processes, Site, numbered

from kato_tasks import KatoTasks, Receipt


def test_what_was_observed_is_in_the_servers_memory(site: Site, key: str) -> None:
    session = site.kato.session(key)
    session.observe(["b", "a"])
    session.observe(["c"]).wait()
    assert site.stm(key) == [["a", "b"], ["c"]]


def test_everything_of_an_observation_arrives(site: Site, key: str) -> None:
    site.kato.session(key).observe(
        ["a"], vectors=[[0.5, 1.5]], emotives={"joy": 0.5}, metadata={"where": "here"}
    ).wait()
    [entry] = site.server.audit(site.session_id(key))
    assert entry["event"][1] == "a"
    assert entry["observation"] == {
        "vectors": [[0.5, 1.5]],
        "emotives": {"joy": 0.5},
        "metadata": {"where": "here"},
    }


def test_each_producers_order_is_kept(site: Site, key: str) -> None:
    """Four threads observe into one session at once: none lost, none doubled."""

    def produce(name: str) -> Receipt:
        session = site.kato.session(key)
        return [session.observe([f"{name}{number}"]) for number in range(125)][-1]

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(produce, "abcd"))
    for receipt in receipts:
        receipt.wait()
    found = site.symbols(key)
    assert len(found) == 500
    for name, receipt in zip("abcd", receipts, strict=True):
        assert [symbol for symbol in found if symbol[0] == name] == [
            f"{name}{number}" for number in range(125)
        ]
        assert found[receipt.seq - 1] == f"{name}124"


def test_concurrent_first_uses_make_one_session(site: Site, key: str) -> None:
    """200 threads, each of which believes it is the first; none of their observations is lost."""
    together = threading.Barrier(200)

    def use(number: int) -> Receipt:
        session = katos[number % len(katos)].session(key)
        together.wait()
        return session.observe([str(number)])

    with ExitStack() as stack, ThreadPoolExecutor(200) as pool:
        katos = [stack.enter_context(KatoTasks(site.settings)) for _ in range(3)]
        for receipt in pool.map(use, range(200)):
            receipt.wait()
    assert len(site.server.sessions_of(key)) == 1
    assert sorted(site.symbols(key), key=int) == [str(number) for number in range(200)]


def test_what_waited_goes_out_in_few_calls(make_site: Callable[..., Site], key: str) -> None:
    """1,000 observations that no worker was there for go out in five calls of 200."""
    site = make_site()
    session = site.kato.session(key)
    for number in range(500):
        session.observe([str(number)])
    receipt = session.observe_many([{"strings": [str(number)]} for number in range(500, 1000)])
    assert receipt.seq == 1000
    assert not receipt.applied
    site.start_worker()
    receipt.wait()
    assert site.symbols(key) == [str(number) for number in range(1000)]
    assert site.kato.services.registry.stats().counts["observe_calls"] == 5


def test_a_long_lane_does_not_keep_a_short_one_waiting(
    make_site: Callable[..., Site], processes: Processes, key: str
) -> None:
    """One thread, 5,000 observations in one lane and one in another: turns are fair."""
    slow = processes.devserver("--cost-ms", "20", "--cost-per-observation-ms", "1")
    site = make_site(workers=1, server=slow, worker_threads=1, batch_commands=50, turn=0.2)
    long = site.kato.session(key).observe_many(numbered(5_000))
    site.kato.session(f"{key}-short").observe(["a"]).wait(timeout=5)
    assert site.record(key).applied > 0
    assert not long.applied
    slow.close()


def test_two_workers_on_one_store_double_nothing(make_site: Callable[..., Site], key: str) -> None:
    site = make_site(workers=2, batch_commands=5)
    keys = [f"{key}-{number}" for number in range(20)]
    receipts = [site.kato.session(one).observe_many(numbered(40)) for one in keys]
    site.kato.services.wake(keys)
    for receipt in receipts:
        receipt.wait()
    expected = [str(number) for number in range(40)]
    assert [site.symbols(one) for one in keys] == [expected] * 20
