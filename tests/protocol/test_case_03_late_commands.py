"""A clear, a configure, an extend or a learn that nobody waits for lands after newer calls.

These read the session outside of the server's lock, and write it back whole: what was observed in
between would be gone. Some change nothing that shows, so no look can tell whether they have landed.
"""

from __future__ import annotations

import pytest
from conftest import MakeSite
from protocol_server import Fault
from protocol_site import DevServer
from protocol_world import ProtocolWorld

from kato_tasks.chaos.judging import Finding
from kato_tasks.errors import AnswerLost, InvalidInput
from kato_tasks.kato import KatoClient
from kato_tasks.models import Kind, Turn
from kato_tasks.testing import wait_until

LATE = (Fault.LATE, Fault.LATE_WRITE)
COMMANDS = {
    Kind.OBSERVE: b'{"strings":["2"]}',
    Kind.CLEAR_STM: b"",
    Kind.CONFIGURE: b'{"recall_threshold":0.2}',
    Kind.LEARN: b"",
}
IMPATIENT = {"kato_timeout": 0.2, "doubt_wait": 0.5, "look_wait": 0.05}


@pytest.mark.parametrize("fault", LATE)
@pytest.mark.parametrize("kind", COMMANDS)
def test_the_next_observation_survives_a_late_command(
    world: ProtocolWorld, kind: Kind, fault: Fault
) -> None:
    world.observe("a", "0", "1")
    world.deliver("a")
    world.append("a", kind, COMMANDS[kind])
    world.kato.faults.append(fault)
    world.deliver("a")
    world.observe("a", "next")
    world.drain()
    world.kato.land()
    world.observe("a", "last")
    world.finish()
    assert world.verdict() == []


@pytest.mark.parametrize("command", ["clear", "config", "learn"])
def test_the_next_observation_survives_it_on_a_real_server(
    make_site: MakeSite, server: DevServer, command: str
) -> None:
    """It has read the session before; it writes it back when the next are applied."""
    site = make_site(server, settings=IMPATIENT)
    site.observe(3)
    site.drain()
    getattr(site, command)()
    server.arm(f"late:1,route={command},seconds=5,delay=0.3,read=now")
    site.go_on(seconds=0.6)
    assert server.struck() == 1
    assert site.record.rehomed > 0
    assert (site.finding(), set(site.learned()) - {1}) == (Finding(), set())


def test_a_clear_of_an_empty_session_is_not_sent(world: ProtocolWorld) -> None:
    """It changes nothing, so after a lost answer nothing could say whether it has landed."""
    world.append("a", Kind.CLEAR_STM)
    world.observe("a", "0", "1")
    world.append("a", Kind.CLEAR_STM)
    world.append("a", Kind.CLEAR_STM)
    world.finish()
    assert world.kato.verbs().count("clear_stm") == 1
    assert world.verdict() == []


@pytest.mark.parametrize("fault", [*LATE, Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_a_configure_that_changes_nothing_and_is_in_doubt_is_made_elsewhere(
    world: ProtocolWorld, fault: Fault
) -> None:
    config = COMMANDS[Kind.CONFIGURE]
    world.append("a", Kind.CONFIGURE, config)
    world.observe("a", "0")
    world.deliver("a")
    first = world.record("a").session_id
    world.append("a", Kind.CONFIGURE, config)
    world.kato.faults.extend([Fault.NONE, fault])
    world.deliver("a")
    assert world.record("a").session_id != first
    world.observe("a", "next")
    world.finish()
    assert world.verdict() == []


def test_a_call_that_has_left_its_mark_is_not_made_again(world: ProtocolWorld) -> None:
    """Nothing is made anew where the visible change proves that the call is over."""
    for kind, payload in COMMANDS.items():
        world.observe("a", "0", "1")
        world.deliver("a")
        world.append("a", kind, payload)
        world.kato.faults.extend([Fault.NONE] * (kind in (Kind.CONFIGURE, Kind.LEARN)))
        world.kato.faults.append(Fault.LOST_AFTER)
        assert world.deliver("a") is Turn.DONE
    assert world.counts("doubts") == len(COMMANDS)
    assert world.record("a").rehomed == 0
    world.finish()
    assert world.verdict() == []


def test_nothing_that_is_delivered_extends_a_session(
    make_site: MakeSite, server: DevServer
) -> None:
    """The client can; no command does yet, so an intent for it is not needed either."""
    site = make_site(server, ttl=600)
    site.observe(3)
    site.learn()
    site.clear()
    site.drain()
    assert set(server.kinds(site.session_id)) == {"observe", "learn", "clear_stm"}


def test_an_extend_that_would_delete_is_refused_before_it_is_sent(
    make_site: MakeSite, server: DevServer
) -> None:
    site = make_site(server)
    site.observe(1)
    site.drain()
    with KatoClient(server.url) as client, pytest.raises(InvalidInput, match="ttl"):
        client.extend(site.session_id, 0)
    assert server.has(site.session_id)


def test_what_a_late_extend_of_somebody_else_overwrote_is_made_good(
    make_site: MakeSite, server: DevServer
) -> None:
    """The next observation shows by its time that others are missing."""
    site = make_site(server, settings=IMPATIENT)
    site.observe(1)
    site.drain()
    server.arm("late:1,route=extend,seconds=5,delay=0.3,read=now")
    with KatoClient(server.url, timeout=0.1) as client, pytest.raises(AnswerLost):
        client.extend(site.session_id, 600)
    first = site.session_id
    site.observe(2)
    site.drain()
    wait_until(lambda: "overwrote" in server.kinds(first))
    site.observe(1)
    site.drain()
    assert site.record.why == "the server's time is 2, not 4"
    assert site.remembers_all()
