"""A session is believed to be gone only if its server can tell, and nothing is made in its place.

With KATO's own store away every session is "not found", and whether it exists answers 500. With
that store full, calls are answered and nothing is stored.
"""

from __future__ import annotations

import pytest
from conftest import MakeSite
from protocol_server import Fault
from protocol_site import DevServer
from protocol_world import ProtocolWorld, strings

from kato_tasks.chaos.judging import Finding
from kato_tasks.models import Kind, SessionState, Turn

COMMANDS = {
    "observe": (Kind.OBSERVE, strings(["2"])),
    "learn": (Kind.LEARN, b""),
    "clear_stm": (Kind.CLEAR_STM, b""),
    "update_config": (Kind.CONFIGURE, b'{"recall_threshold":0.2}'),
    "delete_session": (Kind.DELETE, b""),
}
"""By the call that each of them makes."""


def about_to(world: ProtocolWorld, verb: str) -> str:
    """Let a session exist with a command waiting; its server-side name."""
    world.observe("a", "0", "1")
    world.deliver("a")
    world.append("a", *COMMANDS[verb])
    world.append("a", Kind.CONFIGURE, b'{"recall_threshold":0.1}')
    return world.record("a").session_id or ""


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_session_that_is_gone_with_a_call_in_doubt_is_made_anew(
    world: ProtocolWorld, verb: str
) -> None:
    session_id = about_to(world, verb)
    world.freeze("a", f"before {verb}").thaw(dies=True)
    world.kato.sessions.pop(session_id, None)
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize("verb", COMMANDS)
def test_so_is_one_whose_call_finds_it_gone(world: ProtocolWorld, verb: str) -> None:
    session_id = about_to(world, verb)

    def lose() -> None:
        del world.kato.sessions[session_id]

    world.steps[f"before {verb}"] = lose
    world.deliver("a")
    world.drain()
    assert world.verdict() == []


def test_so_is_one_at_whose_commands_the_server_fails_before_it_looks_whose_they_are(
    world: ProtocolWorld,
) -> None:
    """A command that is refused for itself says nothing of its session; the look after it does."""
    session_id = about_to(world, "observe")
    world.turn("a")
    world.kato.fails_at.add(strings(["breaks"]))
    world.append("a", Kind.OBSERVE, strings(["breaks"]))
    del world.kato.sessions[session_id]
    world.drain()
    assert world.record("a").why == "the server has lost it"
    assert world.verdict() == []


@pytest.mark.parametrize("verb", COMMANDS)
def test_nothing_is_made_while_nobody_can_tell_whether_it_is_gone(
    world: ProtocolWorld, verb: str
) -> None:
    session_id = about_to(world, verb)
    world.kato.down = True
    calls = len(world.kato.calls)
    turns = {world.turn("a") for _ in range(5)}
    assert turns == {Turn.PAUSED}
    assert "create_session" not in world.kato.verbs()[calls:]
    assert world.record("a").session_id == session_id
    world.kato.down = False
    world.drain()
    assert world.verdict() == []


def test_a_call_in_doubt_waits_until_its_session_can_be_looked_at(world: ProtocolWorld) -> None:
    """It had taken effect, so it is not made again, and the session is still the same one."""
    session_id = about_to(world, "observe")
    world.freeze("a", "after observe").thaw(dies=True)
    world.kato.down = True
    assert {world.turn("a") for _ in range(3)} == {Turn.PAUSED}
    assert world.record("a").state is SessionState.DOUBT
    world.kato.down = False
    world.drain()
    assert world.record("a").session_id == session_id
    assert world.verdict() == []


def test_nothing_grows_at_a_server_whose_store_is_full(world: ProtocolWorld) -> None:
    """What it answers and does not store is noticed; a session in its place cannot be made."""
    session_id = about_to(world, "observe")
    world.kato.full = True
    assert {world.turn("a") for _ in range(5)} == {Turn.PAUSED}
    assert list(world.kato.sessions) == [session_id]
    world.kato.full = False
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize("verb", ["learn", "clear_stm", "update_config"])
def test_other_commands_wait_out_a_full_store_too(world: ProtocolWorld, verb: str) -> None:
    about_to(world, verb)
    world.kato.full = True
    for _ in range(5):
        world.turn("a")
    world.kato.full = False
    world.drain()
    assert world.verdict() == []


def test_a_session_that_was_never_made_waits_for_its_server(world: ProtocolWorld) -> None:
    world.observe("a", "0")
    world.kato.down = True
    assert {world.turn("a") for _ in range(3)} == {Turn.PAUSED}
    assert world.kato.sessions == {}
    world.kato.down = False
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize("fault", ["store_down", "status:0.99,status=502"])
def test_a_real_server_without_its_store_keeps_its_sessions(
    make_site: MakeSite, server: DevServer, fault: str
) -> None:
    site = make_site(server)
    site.observe(3)
    site.drain()
    first = site.session_id
    site.observe(2)
    site.die(at="before settle")
    server.arm(fault)
    assert {site.deliver() for _ in range(5)} == {Turn.PAUSED}
    server.arm()
    site.drain()
    assert server.ids(site.key) == [first]
    assert (site.session_id, site.finding()) == (first, Finding())


def test_a_real_server_that_has_lost_all_sessions_gets_them_anew(
    make_site: MakeSite, server: DevServer
) -> None:
    site = make_site(server)
    site.observe(7)
    site.drain()
    site.observe(2)
    server.arm("reset_store,route=sequence")
    site.drain()
    assert site.record.rehomed == 1
    assert site.finding() == Finding()
    assert site.remembers_all()


def test_a_gone_session_is_told_from_one_whose_answer_was_lost(world: ProtocolWorld) -> None:
    about_to(world, "observe")
    world.kato.faults.append(Fault.GONE)
    world.deliver("a")
    assert world.record("a").why == "the server has lost it"
    assert world.verdict() == []
