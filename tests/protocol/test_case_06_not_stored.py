"""The server answers 200 and has stored nothing, as with a full store; its ``time`` looks right.

A plain observation that follows shows it. The last call of a lane has none; a learn would make a
pattern of what is not there, a configure looks at the config alone, a refusal looks at nothing.
"""

from __future__ import annotations

import pytest
from conftest import MakeSite, MakeWorld
from protocol_server import Fault
from protocol_site import DevServer
from protocol_world import ProtocolWorld, strings

from kato_tasks.chaos.judging import Finding
from kato_tasks.models import AnomalyPolicy, Kind, Turn

CONFIG = b'{"recall_threshold":0.2}'
LAST = {
    "observe": (Kind.OBSERVE, (strings(["2"]),)),
    "batch": (Kind.OBSERVE, (strings(["2"]), strings(["3"]))),
    "clear": (Kind.CLEAR_STM, ()),
    "config": (Kind.CONFIGURE, (CONFIG,)),
    "learn": (Kind.LEARN, ()),
}
POISON = strings(["poison"])


def one_unstored(world: ProtocolWorld, verb: str) -> None:
    """Answer the next call of a verb as if it were stored."""
    world.steps[f"before {verb}"] = lambda: world.kato.faults.append(Fault.UNSTORED)


@pytest.mark.parametrize("last", LAST)
def test_the_last_call_of_a_lane_is_looked_after(world: ProtocolWorld, last: str) -> None:
    world.observe("a", "0", "1")
    world.deliver("a")
    kind, payloads = LAST[last]
    world.append("a", kind, *payloads)
    verbs = {"batch": "observe_sequence", "clear": "clear_stm", "config": "update_config"}
    one_unstored(world, verbs.get(last, last))
    world.deliver("a")
    world.drain()
    assert world.counts("anomalies") == 1
    assert world.verdict() == []


@pytest.mark.parametrize("next_one", LAST)
def test_whatever_comes_next_does_not_hide_it(world: ProtocolWorld, next_one: str) -> None:
    kind, payloads = LAST[next_one]
    world.observe("a", "0", "1")
    world.append("a", kind, *payloads)
    one_unstored(world, "observe_sequence")
    world.deliver("a")
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_command_that_is_refused_next_does_not_hide_it(
    world: ProtocolWorld, *, fails: bool
) -> None:
    (world.kato.fails_at if fails else world.kato.refused).add(POISON)
    world.observe("a", "0", "1", "2")
    world.append("a", Kind.OBSERVE, POISON)
    one_unstored(world, "observe_sequence")
    world.deliver("a")
    world.drain()
    assert world.counts("dead_lettered") == 1
    assert world.verdict() == []


def test_a_clear_that_was_not_stored_is_not_hidden_by_one_that_is_not_sent(
    world: ProtocolWorld,
) -> None:
    world.observe("a", "0", "1")
    world.append("a", Kind.CLEAR_STM)
    world.append("a", Kind.CLEAR_STM)
    one_unstored(world, "clear_stm")
    world.deliver("a")
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize("mode", ["CLEAR", "ROLLING"])
def test_it_is_noticed_before_the_server_learns_by_itself_of_what_is_there(
    make_world: MakeWorld, mode: str
) -> None:
    world = make_world(config={"max_pattern_length": 3, "stm_mode": mode})
    world.observe("a", *"0123456")
    world.deliver("a")
    world.observe("a", *"789")
    one_unstored(world, "observe_sequence" if mode == "CLEAR" else "observe")
    world.deliver("a")
    world.drain()
    assert world.verdict() == []


@pytest.mark.parametrize(
    ("policy", "turn"), [(AnomalyPolicy.PARK, Turn.PARKED), (AnomalyPolicy.ACCEPT, Turn.DONE)]
)
def test_the_setting_decides_what_becomes_of_an_anomaly(
    make_world: MakeWorld, policy: AnomalyPolicy, turn: Turn
) -> None:
    world = make_world(anomaly=policy)
    world.observe("a", "0", "1")
    one_unstored(world, "observe_sequence")
    assert world.deliver("a") is turn
    assert world.counts("anomalies") == 1
    assert world.record("a").rehomed == 0
    assert world.kato.sessions[world.record("a").session_id or ""].stm == []


@pytest.mark.parametrize("route", ["sequence", "observe", "clear", "config", "learn"])
def test_a_real_server_whose_store_was_full_for_a_call(
    make_site: MakeSite, server: DevServer, route: str
) -> None:
    site = make_site(server, settings={"doubt_wait": 0.1, "look_wait": 0.05})
    site.observe(3)
    site.drain()
    server.arm(f"not_stored:1,route={route}")
    acceptances = {
        "sequence": lambda: site.observe(2),
        "observe": lambda: site.observe(1),
        "clear": site.clear,
        "config": site.config,
        "learn": site.learn,
    }
    acceptances[route]()
    site.drain()
    assert server.struck() == 1
    assert site.remembers_all()
    assert (site.finding(), set(site.learned()) - {1}) == (Finding(), set())


def test_a_replay_that_is_not_stored_is_made_again_however_long_the_server_was_away(
    world: ProtocolWorld,
) -> None:
    """Attempts at which it could not be reached are not counted as replays that went wrong."""
    world.observe("a", "0")
    world.deliver("a")
    world.lives.suspect("a", world.record("a").session_id, "somebody asks")
    world.kato.faults.extend([Fault.AWAY] * 6)
    for _ in range(6):
        world.turn("a")
    world.kato.faults.extend([Fault.NONE, Fault.UNSTORED])
    world.drain()
    assert world.record("a").parked is None
    assert world.verdict() == []
