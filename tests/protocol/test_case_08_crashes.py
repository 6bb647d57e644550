"""Whatever stops a worker between any two steps of a delivery, the next one makes it good.

Every step at the store, at the node's rights and at the server is one of them, those of making a
session anew included. What a dead worker leaves half made at the server expires there.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from conftest import MakeSite, MakeWorld
from protocol_server import Fault
from protocol_site import DevServer, Processes
from protocol_steps import Happening, crash, outage
from protocol_world import ProtocolWorld

from kato_tasks.models import Kind, Turn
from kato_tasks.testing import wait_until

Prepare = Callable[[ProtocolWorld], None]
Stop = Callable[[ProtocolWorld, int], dict[int | str, Happening]]


def plain(world: ProtocolWorld) -> None:
    """Accept commands of most kinds for a session that is not made yet."""
    world.observe("a", "0", "1")
    world.append("a", Kind.LEARN)
    world.append("a", Kind.CONFIGURE, b'{"recall_threshold":0.2}')
    world.observe("a", "2")
    world.append("a", Kind.CLEAR_STM)


def ended(world: ProtocolWorld) -> None:
    """End a session, and accept a command for the next one."""
    world.observe("a", "0")
    world.append("a", Kind.DELETE)
    world.observe("a", "1")


def lost_observe(world: ProtocolWorld) -> None:
    """Lose the call of a session, so that it is made anew."""
    world.observe("a", *"012")
    world.kato.faults.extend([Fault.NONE, Fault.LATE_WRITE])


def lost_learn(world: ProtocolWorld) -> None:
    """Lose a learn that has counted; the session is made anew twice."""
    world.observe("a", "0", "1")
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 4 + [Fault.LEARNS_ONLY])


def gone(world: ProtocolWorld) -> None:
    """Let the server lose the session before its second call."""
    world.observe("a", *"01234")
    world.kato.faults.extend([Fault.NONE, Fault.NONE, Fault.GONE])


def unstored(world: ProtocolWorld) -> None:
    """Answer a call that is not stored, and let the next be poison."""
    poison = b'{"strings":["poison"]}'
    world.kato.refused.add(poison)
    world.observe("a", *"012")
    world.append("a", Kind.OBSERVE, poison)
    world.kato.faults.extend([Fault.NONE, Fault.UNSTORED])


def kill_at(_: ProtocolWorld, number: int) -> dict[int | str, Happening]:
    return {number: crash}


def cut_off_at(_: ProtocolWorld, number: int) -> dict[int | str, Happening]:
    return outage(number)


def freeze_at(world: ProtocolWorld, number: int) -> dict[int | str, Happening]:
    return {number: world.take_over("a")}


@pytest.mark.parametrize(
    ("stop", "prepare"),
    [
        *((kill_at, one) for one in (plain, ended, lost_observe, lost_learn, gone, unstored)),
        *((freeze_at, one) for one in (plain, ended, lost_observe, lost_learn)),
        *((cut_off_at, one) for one in (plain, lost_learn, unstored)),
    ],
)
def test_a_worker_may_be_stopped_between_any_two_steps(
    make_world: MakeWorld, stop: Stop, prepare: Prepare
) -> None:
    for number in count():
        world = make_world(ttl=77)
        prepare(world)
        world.steps = stop(world, number)
        world.deliver("a")
        trace = world.trace
        world.finish()
        assert world.verdict() == [], f"step {number}: {trace[: number + 1]}"
        # Half-made sessions too end by themselves at the server.
        assert set(world.kato.lifetimes) == {77}
        if number >= len(trace):
            break
    assert number > 25


def test_so_may_the_one_that_comes_to_make_it_good(make_world: MakeWorld) -> None:
    """The first dies when the answer of its call was lost; the next one anywhere on its way."""
    for number in count():
        world = make_world()
        world.observe("a", *"0123")
        world.append("a", Kind.LEARN)
        world.freeze("a", "before look").thaw(dies=True)
        world.kato.faults.extend([Fault.NONE] * 6 + [Fault.LEARNS_AND_FAILS])
        world.steps = {number: crash}
        world.deliver("a")
        died = number < len(world.trace)
        world.steps = {number // 2: crash}
        world.deliver("a")
        world.finish()
        assert world.verdict() == [], f"step {number}"
        if not died:
            break
    assert number > 25


@pytest.mark.parametrize("at", ["before bind", "after bind", "before switch"])
def test_what_is_left_half_made_expires_at_a_real_server(
    make_site: MakeSite, server: DevServer, at: str
) -> None:
    site = make_site(server, ttl=2)
    if at == "before switch":
        site.observe(1)
        site.drain()
        server.arm("reset_before:1,route=observe")
    site.observe(1)
    site.die(at=at)
    made = server.ids(site.key)
    assert server.has(made[-1])
    wait_until(lambda: not any(map(server.has, made)), timeout=5)
    site.drain()
    assert site.remembers_all()


def test_a_server_that_loses_every_session_at_once_is_not_given_new_ones_without_a_pause(
    make_site: MakeSite, processes: Processes
) -> None:
    """With a time to live of one second this server forgets a session at its first write."""
    server = processes.devserver("--session-ttl", "1")
    site = make_site(server)
    site.observe(1)
    assert [site.deliver() for _ in range(3)] == [Turn.PAUSED] * 3
    assert len(server.ids(site.key)) <= 4
    assert site.record.attempts == 3
