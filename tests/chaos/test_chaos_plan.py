"""What strikes when."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

from kato_tasks.chaos.plan import (
    DEVSERVER,
    KINDS,
    SERVER_FAULTS,
    STORE,
    WORKER,
    Fault,
    make_plan,
)
from kato_tasks.chaos.times import SERVER_STOP_MOST, STORE_STOP_MOST, WORKER_STOP_MOST
from kato_tasks.devserver.faults import KNOWN, parse


def plan(seed: int = 1, seconds: float = 600.0, workers: int = 2) -> tuple[Fault, ...]:
    return make_plan(seed, seconds=seconds, workers=workers)


def test_a_plan_is_the_same_for_the_same_seed_only() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_something_strikes_about_every_two_seconds() -> None:
    """Over 300 times in ten minutes, in order, and never after the end."""
    times = [fault.at for fault in plan()]
    assert len(times) > 300
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 600
    assert max(after - before for before, after in pairwise(times)) < 4


def test_every_kind_comes_before_any_comes_again() -> None:
    counts = Counter(fault.kind for fault in plan())
    assert set(counts) == set(KINDS)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert {fault.kind for fault in plan(seconds=60)} == set(KINDS)


def test_every_fault_of_the_server_is_used() -> None:
    """What is armed is what the server knows, whatever the seed, and none of it is left out."""
    texts = [fault.text for seed in range(5) for fault in plan(seed) if fault.text]
    names = {known.name for text in texts for known in parse(text)}
    assert names == set(KNOWN)
    statuses = {known.status for text in texts for known in parse(text) if known.name == "status"}
    assert statuses == {502, 504}


def test_what_is_stopped_goes_on_within_bounds() -> None:
    longest: dict[str, float] = {}
    for fault in plan(3):
        if not fault.text:
            name = fault.target.partition("-")[0]
            longest[name] = max(longest.get(name, 0.0), fault.lasts)
    assert 0 < longest[WORKER] <= WORKER_STOP_MOST
    assert 0 < longest[STORE] <= STORE_STOP_MOST
    assert 0 < longest[DEVSERVER] <= SERVER_STOP_MOST


def test_all_workers_are_struck_and_no_others() -> None:
    targets = {fault.target for fault in plan(workers=3) if fault.target.startswith(WORKER)}
    assert targets == {"worker-1", "worker-2", "worker-3"}


def test_a_short_run_has_a_fault_too() -> None:
    assert len(plan(seconds=1)) == 1
    assert all(fault.kind in SERVER_FAULTS or not fault.text for fault in plan())


def test_every_server_is_struck_and_a_single_one_as_ever() -> None:
    both = make_plan(1, seconds=600, workers=2, servers=("devserver-a", "devserver-b"))
    struck = {fault.target for fault in both if fault.target.startswith(DEVSERVER)}
    assert struck == {"devserver-a", "devserver-b"}
    assert {fault.kind for fault in both if fault.text} == set(SERVER_FAULTS)
    assert make_plan(1, seconds=600, workers=2, servers=(DEVSERVER,)) == plan()


def test_what_a_seed_does_with_one_server_stays() -> None:
    """Figures of earlier runs are told by their seeds."""
    printed = repr([(round(one.at, 3), one.kind, one.target, one.text) for one in plan()])
    assert hashlib.sha256(printed.encode()).hexdigest()[:16] == "acd3f9cc6e9ec6f3"
