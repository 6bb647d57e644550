"""Without a part of the protocol these very tests find what it is there for.

Each course of events is sound as it is, and must be found unsound with a part taken out.
Deliverers without leases and without intents are in the chaos run's own controls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis
from conftest import MakeWorld
from protocol_losing import LosingRunner
from protocol_server import Fault
from protocol_weaken import no_compare_in_switch, weaken
from protocol_world import ProtocolWorld

from kato_tasks.delivery.work import Tools, Work
from kato_tasks.models import Kind, Switch, Turn
from kato_tasks.settings import Settings

Course = Callable[[ProtocolWorld], None]
TakeOut = Callable[[pytest.MonkeyPatch], None]


def a_call_lands_late(world: ProtocolWorld) -> None:
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1", "2")
    world.kato.faults.append(Fault.LATE)
    world.deliver("a")


def a_sender_freezes(world: ProtocolWorld) -> None:
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1", "2")
    frozen = world.freeze("a", "before observe_sequence")
    world.drain()
    frozen.thaw()


def a_learn_lands_late(world: ProtocolWorld) -> None:
    """Later than any stall that is reckoned with, when others have been observed since."""
    world.kato.prompt = False
    world.observe("a", "0", "1")
    world.deliver("a")
    world.append("a", Kind.LEARN)
    world.kato.faults.extend([Fault.NONE, Fault.LATE])
    world.deliver("a")
    world.drain()
    world.observe("a", "2", "3")
    world.drain()
    world.kato.land()


def who_makes_it_anew_freezes(world: ProtocolWorld) -> None:
    """It has made the session of what was known then, and binds it when more is applied."""
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1", "2")
    world.kato.faults.append(Fault.LOST_BEFORE)
    frozen = world.freeze("a", "before switch")
    world.observe("a", "3")
    world.drain()
    frozen.thaw()


def two_own_a_lane(world: ProtocolWorld) -> None:
    """The second owner has intended the same call when the first one goes on."""
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1", "2")
    first = world.freeze("a", "before intend")
    second = world.freeze("a", "after intend", keeps_lease=True)
    first.thaw()
    second.thaw()


def a_settlement_is_not_answered(world: ProtocolWorld) -> None:
    world.observe("a", *"01234")
    world.deliver("a")


def somebody_elses_event_takes_the_place(world: ProtocolWorld) -> None:
    world.observe("a", "0")
    world.deliver("a")
    world.observe("a", "1")
    world.kato.faults.append(Fault.SWAPPED)
    world.deliver("a")


def the_last_call_is_not_stored(world: ProtocolWorld) -> None:
    world.observe("a", "0", "1")
    world.kato.faults.extend([Fault.NONE, Fault.UNSTORED])
    world.deliver("a")


def two_learn_the_same(world: ProtocolWorld) -> None:
    """The second one learns while nobody knows yet whether the first one has."""
    for key in "ab":
        world.observe(key, "0", "1")
        world.deliver(key)
        world.append(key, Kind.LEARN)
    frozen = world.freeze("a", "before learn")
    world.kato.faults.append(Fault.LOST_BEFORE)
    frozen.thaw(dies=True)
    world.turn("b")


def same_session(patch: pytest.MonkeyPatch) -> None:
    """After doubt the session is kept, and the call made again on it."""

    def keep(tools: Tools, work: Work, *_: object, **more: Any) -> Work | Turn:  # noqa: ANN401
        claim, intent = work.claim, more.get("intent")
        to = Switch(
            session_id=claim.session_id or "",
            time=claim.time,
            events=claim.events,
            reason="kept",
            intent=None if intent is None else replace(intent, rehomed=True),
        )
        lease = tools.lanes.switch(claim.lease, claim.applied, to)
        if lease is None:
            return Turn.LOST
        return replace(work, claim=replace(claim, lease=lease, intent=to.intent, suspect=None))

    patch.setattr("kato_tasks.delivery.doubt.rehome", keep)


def no_compare_in_settle(patch: pytest.MonkeyPatch) -> None:
    weaken(
        patch,
        "_SETTLE",
        "if s[1] ~= ARGV[3] or tonumber(s[2]) + 1 ~= first or not s[3] then return {0} end",
    )


def one_token_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("kato_tasks.lanes.secrets.token_hex", lambda _length: "everybody")


def look_at_the_time_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "kato_tasks.delivery.looking.is_memory", lambda memory, seen: memory.time == seen.time
    )


def no_look_after_the_last_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("kato_tasks.delivery.calling.confirm", lambda _client, _claim, _call, done: done)


def everybody_may_learn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("kato_tasks.nodes.RedisNodes.take_learning", lambda *_, **__: True)


@dataclass(frozen=True, kw_only=True)
class Control:
    """A course of events, and a part of the protocol that it needs."""

    course: Course
    without: TakeOut


CONTROLS = (
    Control(course=a_call_lands_late, without=same_session),
    Control(course=a_sender_freezes, without=same_session),
    Control(course=a_learn_lands_late, without=same_session),
    Control(course=who_makes_it_anew_freezes, without=no_compare_in_switch),
    Control(course=two_own_a_lane, without=one_token_for_all),
    Control(course=a_settlement_is_not_answered, without=no_compare_in_settle),
    Control(course=somebody_elses_event_takes_the_place, without=look_at_the_time_only),
    Control(course=the_last_call_is_not_stored, without=no_look_after_the_last_call),
    Control(course=two_learn_the_same, without=everybody_may_learn),
)
all_controls = pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one.course.__name__)


@pytest.fixture
def losing_world(make_world: MakeWorld, store: redis.Redis, settings: Settings) -> ProtocolWorld:
    """A world whose store does not answer its first settlement."""
    return make_world(runner=LosingRunner(store, settings.redis_url, script="settle", times=1))


@all_controls
def test_with_all_its_parts_the_protocol_is_sound(
    losing_world: ProtocolWorld, control: Control
) -> None:
    control.course(losing_world)
    losing_world.finish()
    assert losing_world.verdict() == []


@all_controls
def test_without_one_of_them_it_is_not(
    losing_world: ProtocolWorld, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.without(monkeypatch)
    control.course(losing_world)
    losing_world.finish()
    assert losing_world.verdict() != []
