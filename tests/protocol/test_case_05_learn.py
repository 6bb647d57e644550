"""A learn changes what its whole node knows, and cannot be taken back: it must count once.

What became of one that was not answered is told by its pattern's frequency, once the old session
is gone and no request can be late any more; meanwhile nobody else may learn on the node.
"""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from conftest import MakeSite, MakeWorld
from protocol_server import Fault
from protocol_site import DevServer, Processes
from protocol_world import ProtocolWorld, strings

from kato_tasks.chaos.judging import Finding
from kato_tasks.kato import KatoClient
from kato_tasks.models import Kind, LearnDoubt, Turn
from kato_tasks.testing import wait_until

DOUBTS = (
    Fault.LOST_BEFORE,
    Fault.LOST_AFTER,
    Fault.FAILS,
    Fault.LEARNS_AND_FAILS,
    Fault.LEARNS_ONLY,
    Fault.LATE,
    Fault.LATE_WRITE,
)
IMPATIENT = {"kato_timeout": 0.3, "doubt_wait": 0.5, "look_wait": 0.05}


def about_to_learn(world: ProtocolWorld, key: str = "a") -> None:
    world.observe(key, "0", "1")
    world.deliver(key)
    world.append(key, Kind.LEARN)


@pytest.mark.parametrize("fault", DOUBTS)
def test_a_learn_in_doubt_counts_once(world: ProtocolWorld, fault: Fault) -> None:
    about_to_learn(world)
    world.kato.faults.extend([Fault.NONE, fault])
    world.deliver("a")
    world.observe("a", "2")
    world.finish()
    assert world.verdict() == []
    assert world.counts("learns_unsure") == 0


@pytest.mark.parametrize("rolling", ["CLEAR", "ROLLING"])
@pytest.mark.parametrize("fault", [fault for fault in DOUBTS if fault is not Fault.FAILS])
def test_so_does_what_the_server_learns_by_itself(
    make_world: MakeWorld, fault: Fault, rolling: str
) -> None:
    world = make_world(config={"max_pattern_length": 3, "stm_mode": rolling})
    world.observe("a", "0", "1")
    world.deliver("a")
    world.observe("a", "2", "3", "4")
    world.kato.faults.extend([Fault.NONE, fault])
    world.deliver("a")
    world.finish()
    assert world.verdict() == []


def test_nothing_is_told_by_a_frequency_that_another_may_have_raised_meanwhile(
    make_world: MakeWorld,
) -> None:
    """The right to learn ran out while the server was away, and was given back again."""
    world = make_world(learning_kept=0.05)
    about_to_learn(world, "a")
    about_to_learn(world, "b")
    world.kato.faults.extend([Fault.NONE, Fault.LOST_BEFORE, Fault.AWAY])
    assert world.deliver("a") is Turn.PAUSED
    wait_until(lambda: world.worker().deliver("b") is Turn.DONE)
    world.finish()
    assert world.verdict() == []
    assert world.counts("learns_unsure") == 1


@pytest.mark.parametrize("fault", DOUBTS)
def test_two_sessions_that_learn_the_same_pattern_do_not_count_for_each_other(
    world: ProtocolWorld, fault: Fault
) -> None:
    """While the first is in doubt the second one's learn waits."""
    about_to_learn(world, "a")
    about_to_learn(world, "b")
    frozen = world.freeze("a", "before learn")
    assert world.turn("b") is Turn.PAUSED
    world.kato.faults.append(fault)
    frozen.thaw(dies=True)
    assert world.turn("b") is Turn.PAUSED
    world.finish()
    assert list(world.patterns.values()) == [2]
    assert world.verdict() == []


@pytest.mark.parametrize("at", ["after take_learning", "after settle"])
def test_who_dies_outside_of_its_call_keeps_nobody_from_learning(
    world: ProtocolWorld, at: str
) -> None:
    """Before its intent it has not learned, after its settlement that is known: nothing is open."""
    about_to_learn(world, "a")
    about_to_learn(world, "b")
    world.freeze("a", at).thaw(dies=True)
    assert world.turn("b") is Turn.DONE
    world.finish()
    assert world.verdict() == []


def test_a_learn_lands_after_the_longest_stall_only_in_a_session_that_is_gone(
    world: ProtocolWorld,
) -> None:
    """The old session is deleted before the frequency is read, so a later request finds none."""
    world.kato.prompt = False
    about_to_learn(world)
    world.kato.faults.extend([Fault.NONE, Fault.LATE])
    world.deliver("a")
    world.drain()
    world.kato.land()
    world.finish()
    assert world.verdict() == []


@pytest.mark.parametrize("policy", LearnDoubt)
def test_where_nothing_can_be_told_the_setting_decides(
    make_world: MakeWorld, policy: LearnDoubt
) -> None:
    """With vectors the pattern's name is the server's to know."""
    world = make_world(learn_doubt=policy)
    world.append("a", Kind.OBSERVE, b'{"strings":["0"],"vectors":[[1.0]]}', strings(["1"]))
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 3 + [Fault.LOST_BEFORE])
    world.deliver("a")
    world.drain()
    assert world.counts("learns_unsure") == 1
    learned = sum(world.kato.patterns.values())
    parked = world.record("a").parked is not None
    assert (learned, parked) == {
        LearnDoubt.RESEND: (1, False),
        LearnDoubt.SKIP: (0, False),
        LearnDoubt.PARK: (0, True),
    }[policy]


@pytest.mark.parametrize(("drop", "learned"), [(False, 1), (True, 0)])
def test_who_unparks_a_learn_in_doubt_decides(
    make_world: MakeWorld, *, drop: bool, learned: int
) -> None:
    """It is sent again, or taken for done; it is not parked again at the same doubt."""
    world = make_world(learn_doubt=LearnDoubt.PARK)
    world.append("a", Kind.OBSERVE, b'{"strings":["0"],"vectors":[[1.0]]}', strings(["1"]))
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 3 + [Fault.LOST_BEFORE])
    world.deliver("a")
    world.drain()
    assert world.record("a").parked is not None
    assert world.lanes.unpark("a", drop=drop)
    world.drain()
    assert (world.record("a").parked, world.record("a").waiting) == (None, 0)
    assert sum(world.kato.patterns.values()) == learned


@pytest.mark.parametrize("policy", LearnDoubt)
def test_it_decides_too_where_no_replay_brings_the_vectors_back(
    make_world: MakeWorld, policy: LearnDoubt
) -> None:
    """The session is kept then; what became of its learn is as uncertain."""
    world = make_world(learn_doubt=policy)
    world.kato.unlike = True
    world.append("a", Kind.OBSERVE, b'{"strings":["0"],"vectors":[[1.0]]}', strings(["1"]))
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 3 + [Fault.LOST_BEFORE])
    world.deliver("a")
    world.drain()
    assert world.counts("learns_unsure") == 1
    learned = sum(world.kato.patterns.values())
    assert learned == (1 if policy is LearnDoubt.RESEND else 0)


@pytest.mark.parametrize("fault", ["learn_500_counted", "reset_after:1", "reset_before:1", "500:1"])
def test_a_learn_counts_once_on_a_real_server(
    make_site: MakeSite, server: DevServer, fault: str
) -> None:
    site = make_site(server, settings=IMPATIENT)
    site.observe(3)
    site.learn()
    site.observe(2)
    server.arm(f"{fault},route=learn")
    site.drain()
    assert server.struck() == 1
    assert (site.finding(), site.learned()) == (Finding(), [1])


def test_a_server_killed_between_pattern_and_session_has_learned_once(
    make_site: MakeSite, processes: Processes, tmp_path: Path
) -> None:
    """It comes back with the pattern counted and the memory as it was before."""
    state = ("--state", str(tmp_path / "state"))
    server = processes.devserver(*state)
    site = make_site(server, settings=IMPATIENT)
    site.observe(3)
    site.learn()
    site.observe(2)
    server.arm("crash_in_learn")
    site.deliver()
    server.wait()
    processes.devserver(*state, port=server.port)
    site.drain()
    assert (site.finding(), site.learned()) == (Finding(), [1])
    assert site.record.rehomed > 0


def test_no_call_asks_the_server_to_learn_at_its_end(
    make_site: MakeSite, server: DevServer
) -> None:
    """Its failure would be swallowed, and a look at the time would pass it."""
    site = make_site(server)
    site.observe(3)
    site.learn()
    site.observe(3)
    wire = Wire()
    with KatoClient(server.url, transport=wire) as client:
        server.arm("reset_before:1,route=sequence", "reset_after:1,route=learn")
        site.drain(client)
    assert site.record.rehomed == 1
    assert {"observations"} in wire.sent
    assert not [fields for fields in wire.sent if fields & {"learn_at_end", "learn_after_each"}]


class Wire(httpx.BaseTransport):
    """The network, which notes the names of the fields that are sent."""

    def __init__(self) -> None:
        self.sent: list[set[str]] = []
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.content:
            self.sent.append(set(json.loads(request.content)))
        return self._network.handle_request(request)

    def close(self) -> None:
        self._network.close()


def test_a_learn_whose_session_was_gone_is_not_in_doubt(world: ProtocolWorld) -> None:
    """The server looks for the session first: its learn is made anew at once, and counts once."""
    world.observe("a", "0", "1")
    world.deliver("a")
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 2)
    del world.kato.sessions[world.record("a").session_id or ""]
    world.deliver("a")
    assert world.record("a").waiting == 0
    world.drain()
    assert world.verdict() == []
