"""The server's clock is where it must be, and its memory is another: time alone proves nothing."""

from __future__ import annotations

import httpx
import pytest
from conftest import MakeSite
from protocol_server import STRANGER, Fault
from protocol_site import DevServer
from protocol_world import ProtocolWorld

from kato_tasks.models import Kind, Turn


@pytest.mark.parametrize("names", [["2"], ["2", "3"]])
def test_a_lost_call_in_whose_place_another_was_applied_is_made_elsewhere(
    world: ProtocolWorld, names: list[str]
) -> None:
    world.observe("a", "0", "1")
    world.deliver("a")
    first = world.record("a").session_id or ""
    world.observe("a", *names)
    world.kato.faults.append(Fault.SWAPPED)
    world.deliver("a")
    assert world.record("a").session_id != first
    assert world.counts("anomalies") == 1
    world.finish()
    assert world.verdict() == []


def test_it_is_noticed_too_where_a_worker_has_died_over_the_call(world: ProtocolWorld) -> None:
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1")
    world.freeze("a", "after intend").thaw(dies=True)
    observed = world.kato.observe(world.record("a").session_id or "", STRANGER)
    assert observed.time == 2
    assert world.turn("a") is Turn.DONE
    assert world.record("a").rehomed == 1
    assert world.verdict() == []


def test_the_newest_events_of_an_answered_call_are_looked_at_when_a_lane_is_empty(
    world: ProtocolWorld,
) -> None:
    """The count is right and so is the time, but somebody else's event stands at the end."""
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1")
    session = world.kato.sessions[world.record("a").session_id or ""]
    world.steps["before look"] = lambda: session.stm.__setitem__(-1, STRANGER)
    world.deliver("a")
    assert world.record("a").why == "the newest events are not those that were sent"
    world.finish()
    assert world.verdict() == []


def test_an_emptied_memory_at_the_same_time_is_not_taken_for_a_learn_in_doubt(
    world: ProtocolWorld,
) -> None:
    """A learn leaves the time as it is; so it is the memory that tells, and then the frequency."""
    world.observe("a", "0", "1")
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE] * 4 + [Fault.LOST_BEFORE])
    world.deliver("a")
    world.finish()
    assert world.counts("doubts") == 1
    assert world.verdict() == []


def test_a_stranger_who_writes_beside_a_dead_worker_is_noticed_on_a_real_server(
    make_site: MakeSite, wide_server: DevServer
) -> None:
    site = make_site(wide_server)
    site.observe(3)
    site.drain()
    site.observe(1)
    first = site.session_id
    site.die(at="after intend")
    url = f"{wide_server.url}/sessions/{first}/observe"
    assert httpx.post(url, json={"strings": ["stranger"]}).json()["time"] == 4
    site.drain()
    assert site.session_id != first
    assert site.remembers_all()
