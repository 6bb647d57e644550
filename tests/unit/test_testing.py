"""What users' own tests are given."""

from __future__ import annotations

from threading import Thread

import pytest

from kato_tasks.delivery.memory import pattern_name
from kato_tasks.errors import CallRejected, KatoUnreachable, SessionNotFound
from kato_tasks.models import SessionSpec
from kato_tasks.settings import Settings
from kato_tasks.testing import FakeKato, MemoryNodes, MemoryStore, RecordingWake, wait_until


def test_waiting_ends_with_the_condition_or_with_the_message() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers))
    with pytest.raises(AssertionError, match="no snow"):
        wait_until(lambda: False, timeout=0.02, message="no snow")
    wait_until(lambda: True, timeout=0)


def test_wake_ups_are_recorded() -> None:
    wake = RecordingWake()
    wake(["a", "b"])
    wake(["a"])
    assert wake.calls == [("a", "b"), ("a",)]
    assert wake.keys == ["a", "b", "a"]


def test_a_clock_moves_when_it_is_told_to() -> None:
    store = MemoryStore(now_ms=1000)
    store.advance(0.5)
    assert store.now_ms == 1500
    store.now_ms = 7
    assert store.now_ms == 7


def test_waiting_for_a_node_ends_when_it_becomes_free() -> None:
    settings = Settings.load()
    nodes = MemoryNodes(MemoryStore(), settings)
    spec = SessionSpec(node="n", instance="i", predictions=settings.predictions.ALWAYS)
    hold = nodes.acquire(spec, wait=0)
    assert hold is not None
    thread = Thread(target=nodes.release, args=(hold,))
    thread.start()
    assert nodes.acquire(spec, wait=10) is not None
    thread.join()


def test_a_fake_does_what_a_server_does() -> None:
    kato = FakeKato()
    name = kato("default").create_session(node_id="n").session_id
    assert kato.observe(name, b'{"strings":["x"]}').time == 1
    assert kato.observe_sequence(name, [b'{"strings":["y"]}', b"{}"]).time == 3
    assert kato.look(name).stm == [["x"], ["y"]]
    pattern = kato.learn(name)
    assert pattern == pattern_name([("x",), ("y",)])
    assert getattr(kato.pattern(pattern, node_id="n"), "frequency", 0) == 1
    with pytest.raises(CallRejected, match="empty STM"):
        kato.learn(name)
    kato.clear_stm(name)
    assert kato.observe(name, b"{}").time == 1
    kato.delete_session(name)
    assert not kato.exists(name)
    with pytest.raises(SessionNotFound):
        kato.predictions(name)


@pytest.mark.parametrize(("applied", "time"), [(False, 1), (True, 2)])
def test_a_fake_fails_when_it_is_told_to(*, applied: bool, time: int) -> None:
    kato = FakeKato()
    name = kato.create_session(node_id="n").session_id
    kato.fail("observe", KatoUnreachable("POST", "down"), applied=applied)
    with pytest.raises(KatoUnreachable):
        kato.observe(name, b"{}")
    assert kato.observe(name, b"{}").time == time
