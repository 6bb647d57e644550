"""A worker is stopped between its last check and its call, another takes over, the first goes on.

No waiting at the server helps against that. What helps: after doubt nothing is sent to the same
server-side session any more, so the late call finds an orphan, or nothing at all.
"""

from __future__ import annotations

import signal

import pytest
from conftest import MakeSite
from protocol_server import Fault
from protocol_site import DevServer, Processes
from protocol_world import ProtocolWorld, strings

from kato_tasks.chaos.judging import Finding
from kato_tasks.models import Kind, Turn
from kato_tasks.stack.child import Child
from kato_tasks.testing import wait_until

CALLS: dict[str, tuple[Kind, tuple[bytes, ...]]] = {
    "observe_sequence": (Kind.OBSERVE, (strings(["b"]), strings(["c"]))),
    "learn": (Kind.LEARN, ()),
    "clear_stm": (Kind.CLEAR_STM, ()),
    "update_config": (Kind.CONFIGURE, (b'{"recall_threshold":0.2}',)),
    "delete_session": (Kind.DELETE, ()),
}


def a_session_about_to(world: ProtocolWorld, verb: str) -> None:
    """Let a session exist, accept what makes that call, and one observation after it."""
    world.observe("a", "0", "1")
    world.deliver("a")
    kind, payloads = CALLS[verb]
    world.append("a", kind, *payloads)
    world.observe("a", "last")


@pytest.mark.parametrize("verb", CALLS)
def test_the_call_of_a_worker_frozen_before_it_hits_an_orphan(
    world: ProtocolWorld, verb: str
) -> None:
    a_session_about_to(world, verb)
    frozen = world.freeze("a", f"before {verb}")
    world.drain()
    bound = world.record("a").session_id
    calls = len(world.kato.calls)
    assert frozen.thaw() is Turn.LOST
    assert world.kato.calls[calls].verb == verb
    assert all(call.session_id != bound for call in world.kato.calls[calls:])
    world.finish()
    assert world.verdict() == []


@pytest.mark.parametrize("verb", CALLS)
def test_the_settlement_of_a_worker_frozen_after_its_call_is_refused(
    world: ProtocolWorld, verb: str
) -> None:
    a_session_about_to(world, verb)
    frozen = world.freeze("a", f"after {verb}")
    world.drain()
    assert frozen.thaw() is Turn.LOST
    world.finish()
    assert world.verdict() == []


def test_a_worker_frozen_before_its_intent_calls_nobody(world: ProtocolWorld) -> None:
    world.observe("a", "0", "1")
    frozen = world.freeze("a", "before intend")
    world.drain()
    calls = len(world.kato.calls)
    assert frozen.thaw() is Turn.LOST
    assert len(world.kato.calls) == calls
    world.finish()
    assert world.verdict() == []


@pytest.mark.parametrize("verb", CALLS)
def test_it_makes_no_difference_if_it_is_killed_when_it_goes_on(
    world: ProtocolWorld, verb: str
) -> None:
    a_session_about_to(world, verb)
    frozen = world.freeze("a", f"before {verb}")
    world.drain()
    world.observe("a", "later")
    assert frozen.thaw(dies=True) is None
    world.finish()
    assert world.verdict() == []


@pytest.mark.parametrize("at", ["before create_session", "before replay", "before switch"])
def test_who_takes_over_may_freeze_too(world: ProtocolWorld, at: str) -> None:
    """The second one is about to make the session anew; a third one does it before both go on."""
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1", "2")
    first = world.freeze("a", "before observe_sequence")
    second = world.freeze("a", at)
    world.drain()
    assert (second.thaw(), first.thaw()) == (Turn.LOST, Turn.LOST)
    world.finish()
    assert world.verdict() == []
    assert len(world.kato.sessions) == 1


def test_a_frozen_worker_whose_call_lands_late_as_well_does_no_harm(world: ProtocolWorld) -> None:
    world.observe("a", "0", "1")
    frozen = world.freeze("a", "before observe_sequence")
    world.drain()
    world.kato.faults.append(Fault.LATE_WRITE)
    frozen.thaw()
    world.observe("a", "2")
    world.finish()
    assert world.verdict() == []


def test_workers_stopped_by_a_signal_in_the_middle_of_their_calls(
    make_site: MakeSite, processes: Processes
) -> None:
    """Two of three, one after the other; one goes on at last, the other is killed as it does."""
    server = processes.devserver()
    site = make_site(server)
    server.arm("latency,seconds=0.3,route=observe+sequence")
    first, second, third = processes.workers(site.settings, 3)
    for waits in (second, third):
        waits.send_signal(signal.SIGSTOP)
    site.observe(40)
    stop_in_a_call(server, first)
    second.send_signal(signal.SIGCONT)
    stop_in_a_call(server, second)
    third.send_signal(signal.SIGCONT)
    wait_until(lambda: site.record.waiting == 0, timeout=30)
    first.send_signal(signal.SIGCONT)
    second.send_signal(signal.SIGCONT)
    second.kill()
    site.observe(15)
    wait_until(lambda: site.record.waiting == 0, timeout=30)
    assert site.services.registry.stats().counts["doubts"] > 1
    assert site.finding() == Finding()


def stop_in_a_call(server: DevServer, worker: Child) -> None:
    """Wait until further calls are under way, all of them this worker's, and stop it."""
    before = server.struck()
    wait_until(lambda: server.struck() > before + 1, timeout=20)
    worker.send_signal(signal.SIGSTOP)
