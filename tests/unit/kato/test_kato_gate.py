"""A gate lets at most so many calls pass at a time."""

from __future__ import annotations

from threading import Thread

from kato_tasks.kato.gate import Gate
from kato_tasks.testing import wait_until


def test_no_more_than_its_size_are_under_way() -> None:
    gate = Gate(2)
    assert [gate.enter(0), gate.enter(0), gate.enter(0.01)] == [True, True, False]
    assert gate.under_way == 2
    gate.leave()
    assert gate.enter(0)


def test_a_gate_may_be_shut() -> None:
    gate = Gate(1)
    assert gate.enter(0)
    gate.resize(0)
    assert (gate.size, gate.under_way) == (0, 1)
    gate.leave()
    assert not gate.enter(0.01)


def test_who_waits_enters_when_it_is_widened() -> None:
    gate = Gate(0)
    entered: list[bool] = []
    threads = [Thread(target=lambda: entered.append(gate.enter(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.resize(2)
    wait_until(lambda: len(entered) == 2)
    gate.leave()
    for thread in threads:
        thread.join()
    assert entered == [True, True, True]
