"""One session moves to another instance, whatever happens on its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from moving_world import BLUE, GREEN, KEY, MovingWorld, no_store

from kato_tasks.errors import (
    AnswerLost,
    CallRejected,
    KatoError,
    KatoUnreachable,
    ServerFault,
    StoreUnavailable,
    UnknownInstance,
)
from kato_tasks.kato import Cognition
from kato_tasks.lives import Index
from kato_tasks.migration import How, Moved, journey
from kato_tasks.models import Claim, Learning, NoMove, SessionState, Turn
from kato_tasks.testing import FakeKato

AWAY = KatoUnreachable("POST", "refused")
LOST = AnswerLost("POST", "time-out")
FAILED = ServerFault("POST", "oops", 500)
REJECTED = CallRejected("POST", "not taken", 422)
CONFIG = {"recall_threshold": 0.5}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kato_tasks.delivery.insist._PAUSES", (0.0, 0.0))


@pytest.fixture
def world() -> Iterator[MovingWorld]:
    with MovingWorld(doubt_wait=0.001, retry_first=0.001) as opened:
        yield opened


def away(server: FakeKato) -> None:
    """Let a server be unreachable from now on."""

    def refuse(_: object) -> None:
        raise AWAY

    server.on_call = refuse


def is_moved(world: MovingWorld, *names: str) -> None:
    """Expect the session on green, once, with these observations; and that it works there."""
    world.settle_down()
    world.observe("last")
    world.settle_down()
    assert world.bound[0] == GREEN
    assert world.remembered() == [*names, "last"]
    assert world.there() == (0, 1)
    assert world.record().state is SessionState.ACTIVE


def stays(world: MovingWorld, *names: str) -> None:
    """Expect the session on blue, once, with these observations; and that it works there."""
    world.settle_down()
    world.observe("last")
    world.settle_down()
    assert world.bound[0] == BLUE
    assert world.remembered() == [*names, "last"]
    assert world.there() == (1, 0)
    assert world.record().state is SessionState.ACTIVE


def asked_before(world: MovingWorld) -> None:
    """Let what the two servers have in common be known before the move."""
    assert not world.mover.kinship.shares_store(BLUE, GREEN)
    world.mover.kinship.learning(GREEN, world.record().spec)


# What a move does.


def test_a_session_moves_with_all_that_it_is(world: MovingWorld) -> None:
    world.started(config=CONFIG, ttl=77, tags=["t"])
    moved = world.move()
    assert moved == Moved(
        how=How.MOVED, before="blue-1", after="green-2", pause=moved.pause, calls=moved.calls
    )
    instance, session = world.bound
    assert instance == GREEN
    assert session.config == {
        "recall_threshold": 0.5,
        "process_predictions": False,
        "max_pattern_length": 0,
    }
    record = world.record()
    assert (record.spec.tags, record.spec.ttl, record.time) == (("t",), 77, 2)
    assert (record.rehomed, world.counts("moved")) == (0, 1)
    assert 0 < moved.pause < 1
    is_moved(world, "x", "y")


def test_the_calls_of_a_move_are_those_that_it_needs(world: MovingWorld) -> None:
    world.started()
    asked_before(world)
    world.green.calls.clear()
    world.blue.calls.clear()
    moved = world.move()
    assert world.green.verbs() == ["create_session", "replay", "look", "percept_data"]
    assert world.blue.verbs() == ["look", "percept_data", "delete_session"]
    assert moved.calls == 7


def test_what_was_felt_and_said_moves_too(world: MovingWorld) -> None:
    world.session(KEY, instance=BLUE).observe_many(
        [
            {"strings": ["x"], "emotives": {"joy": 0.1}, "metadata": {"n": 1}},
            {"strings": ["y"], "emotives": {"joy": 0.3}, "metadata": {"n": 2}},
        ]
    )
    world.session(KEY).learn()
    world.deliver_all()
    assert world.move().how is How.MOVED
    _, session = world.bound
    assert (session.time, session.stm) == (2, [])
    assert session.since("emotives") == [{"joy": 0.1}, {"joy": 0.3}]
    assert session.since("metadata") == [{"n": 1}, {"n": 2}]
    assert sum(world.green.patterns.values()) == 0


def test_the_source_may_be_kept(world: MovingWorld) -> None:
    world.started()
    moved = world.move(keep=True)
    assert (moved.how, moved.kept) == (How.MOVED, True)
    assert world.there() == (1, 1)
    world.observe("z")
    world.deliver_all()
    [kept] = world.blue.sessions.values()
    assert len(kept.stm) == 2


def test_a_move_goes_back_to_a_session_made_anew(world: MovingWorld) -> None:
    world.started()
    kept = world.move(keep=True).before
    world.observe("z")
    world.settle_down()
    back = world.mover.move(KEY, BLUE)
    assert (back.how, back.before) == (How.MOVED, "green-2")
    assert back.after != kept
    instance, session = world.bound
    assert (instance, len(session.stm)) == (BLUE, 3)


def test_commands_that_come_meanwhile_wait_and_are_delivered_there(world: MovingWorld) -> None:
    world.started()
    world.steps["before switch"] = lambda: world.observe("z")
    assert world.move().how is How.MOVED
    assert world.wake.keys[-1] == KEY
    is_moved(world, "x", "y", "z")


# What there is nothing to move of.


def test_a_session_that_is_there_already_stays(world: MovingWorld) -> None:
    world.started()
    moved = world.mover.move(KEY, BLUE)
    assert (moved.how, moved.after) == (How.ALREADY, "blue-1")
    stays(world, "x", "y")


def test_one_that_came_there_meanwhile_stays_and_the_copy_goes(world: MovingWorld) -> None:
    world.started()

    def another() -> None:
        world.kill()
        assert world.another_mover().move(KEY, GREEN).how is How.MOVED

    world.steps["before claim"] = another
    assert world.move().how is How.ALREADY
    assert world.notes[-1] is None
    is_moved(world, "x", "y")


def test_what_is_not_known_or_has_ended_is_not_moved(world: MovingWorld) -> None:
    assert world.move() == Moved(how=How.NOTHING, error="there is no such session")
    world.started()
    world.session(KEY).delete()
    world.deliver_all()
    assert world.move() == Moved(how=How.NOTHING, error="it has ended")
    assert world.there() == (0, 0)


def test_a_parked_session_is_not_moved(world: MovingWorld) -> None:
    world.started()
    world.observe("z")
    claimed = world.lanes.claim(KEY, most=1)
    assert isinstance(claimed, Claim)
    world.lanes.park(claimed.lease, "by hand")
    moved = world.move()
    assert moved.how is How.FAILED
    assert "unpark" in moved.error
    assert world.there() == (1, 0)


def test_one_that_somebody_else_moves_is_left_to_them(world: MovingWorld) -> None:
    world.started()
    world.moves.depart(KEY, "another", seconds=60)
    assert world.move() == Moved(how=How.LATER, error="somebody else is moving it")
    assert world.record().state is SessionState.MIGRATING
    assert world.green.calls == []


def test_an_instance_that_is_not_configured_is_refused(world: MovingWorld) -> None:
    world.started()
    with pytest.raises(UnknownInstance):
        world.mover.move(KEY, "red")
    assert world.record().state is SessionState.ACTIVE


# Where nothing has to be copied.


def test_of_a_session_that_was_never_made_only_the_binding_moves(world: MovingWorld) -> None:
    world.observe("x")
    moved = world.move()
    assert (moved.how, moved.before, moved.after) == (How.MOVED, None, None)
    assert world.blue.calls == []
    assert world.there() == (0, 0)
    is_moved(world, "x")


def test_a_session_that_sleeps_goes_on_sleeping(world: MovingWorld) -> None:
    world.started(idle_after=100)
    world.store.advance(101)
    world.look_after(Index.IDLE)
    assert world.record().asleep
    world.blue.calls.clear()
    moved = world.move()
    assert (moved.how, moved.after) == (How.MOVED, None)
    assert (world.record().asleep, world.record().spec.instance) == (True, GREEN)
    assert (world.blue.calls, world.there()) == ([], (0, 0))
    is_moved(world, "x", "y")
    assert world.counts("woken") == 1


def test_in_a_shared_store_only_the_binding_moves(world: MovingWorld) -> None:
    world.started()
    world.green.sessions = world.blue.sessions
    moved = world.move()
    assert (moved.how, moved.before, moved.after) == (How.MOVED, "blue-1", "blue-1")
    assert not moved.kept
    assert "replay" not in world.green.verbs()
    assert list(world.blue.sessions) == ["blue-1"]
    world.observe("z")
    world.settle_down()
    assert world.bound[0] == GREEN
    assert world.remembered() == ["x", "y", "z"]
    assert world.green.verbs()[-2:] == ["observe", "look"]


def test_in_a_shared_store_a_session_in_doubt_is_copied_all_the_same(world: MovingWorld) -> None:
    """A late call may still reach the one that it was sent to."""
    world.started()
    world.green.sessions = world.blue.sessions
    in_doubt(world, "z", applied=False)
    moved = world.move()
    assert moved.how is How.MOVED
    assert moved.after != moved.before
    world.settle_down()
    assert world.remembered() == ["x", "y", "z"]
    assert len(world.green.sessions) == 1


# Config.


def test_the_defaults_of_the_source_stay_there(world: MovingWorld) -> None:
    world.blue.defaults = {"max_pattern_length": 5, "stm_mode": "ROLLING", "recall_threshold": 0.9}
    world.green.defaults = {"max_pattern_length": 0, "recall_threshold": 0.1}
    world.started(config={"max_predictions": 7})
    assert world.move().how is How.MOVED
    _, session = world.bound
    effective = {**world.green.defaults, **session.config}
    assert effective["max_predictions"] == 7
    assert effective["recall_threshold"] == 0.1
    assert effective["max_pattern_length"] == 0
    is_moved(world, "x", "y")


def test_a_session_learns_by_itself_as_its_new_server_does(world: MovingWorld) -> None:
    world.green.defaults = {"max_pattern_length": 3, "stm_mode": "CLEAR"}
    world.started("u", "v", "w", "x")
    assert world.move().how is How.MOVED
    assert sum(world.green.patterns.values()) == 0
    claimed = world.lanes.claim(KEY, most=1, idle=True)
    assert isinstance(claimed, Claim)
    assert claimed.learning == Learning(limit=3)
    world.lanes.release(claimed.lease)
    world.observe("y", "z")
    world.settle_down()
    assert world.remembered() == ["z"]
    assert sum(world.green.patterns.values()) == 1


def test_its_own_way_of_learning_goes_with_it(world: MovingWorld) -> None:
    world.started(config={"max_pattern_length": 4})
    assert world.move().how is How.MOVED
    assert world.bound[1].config["max_pattern_length"] == 4
    world.observe("z", "last")
    world.settle_down()
    assert (world.remembered(), sum(world.green.patterns.values())) == ([], 1)
    assert sum(world.blue.patterns.values()) == 0


def test_a_config_that_the_target_refuses_is_for_somebody_to_look_at(world: MovingWorld) -> None:
    world.started(config=CONFIG)
    asked_before(world)
    world.green.fail("create_session", REJECTED)
    moved = world.move()
    assert moved.how is How.FAILED
    assert "not taken" in moved.error
    stays(world, "x", "y")


def test_so_is_one_that_it_answers_and_drops(
    world: MovingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started(config=CONFIG)
    get_config = world.green.get_config
    monkeypatch.setattr(
        world.green,
        "get_config",
        lambda session_id: {**get_config(session_id), "recall_threshold": 0.1},
    )
    moved = world.move()
    assert (moved.how, moved.error) == (How.FAILED, "the copy has not taken recall_threshold")
    stays(world, "x", "y")


def test_one_that_would_learn_while_it_is_copied_is_not_copied(world: MovingWorld) -> None:
    """The config of a session of the guide's dialect cannot be changed."""
    world.started(config={"max_pattern_length": 5})
    world.green.can_configure = False
    moved = world.move()
    assert moved.how is How.FAILED
    assert "learn by itself" in moved.error
    assert sum(world.green.patterns.values()) == 0
    stays(world, "x", "y")


# Servers that are away.


def test_a_target_that_cannot_be_reached_is_for_later(world: MovingWorld) -> None:
    world.started()
    away(world.green)
    moved = world.move()
    assert moved.how is How.LATER
    assert moved.error
    stays(world, "x", "y")


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("error", [AWAY, LOST, FAILED], ids=["away", "lost", "failed"])
@pytest.mark.parametrize("verb", ["create_session", "replay", "look", "percept_data"])
def test_whatever_fails_at_the_target_the_source_stays_bound(
    world: MovingWorld, verb: str, error: KatoError, *, applied: bool
) -> None:
    world.started()
    asked_before(world)
    world.green.fail(verb, error, applied=applied)
    moved = world.move()
    assert moved.how is How.LATER
    if verb == "create_session" and applied:
        # Nobody knows its name: it expires.
        world.green.sessions.clear()
    assert world.there() == (1, 0)
    assert world.move().how is How.MOVED
    is_moved(world, "x", "y")


def test_an_open_breaker_is_waited_for(world: MovingWorld) -> None:
    world.started()
    for _ in range(world.settings.breaker_failures):
        world.breakers.report(GREEN, sound=False)
    moved = world.move()
    assert moved.how is How.LATER
    assert "does not answer" in moved.error
    assert world.green.calls == []


def test_from_a_server_that_is_gone_a_session_moves_by_its_journal(world: MovingWorld) -> None:
    world.started()
    away(world.blue)
    assert world.move().how is How.MOVED
    world.settle_down()
    assert (world.bound[0], world.remembered()) == (GREEN, ["x", "y"])


def test_from_a_server_that_has_lost_it_too(world: MovingWorld) -> None:
    world.started()
    world.blue.sessions.clear()
    assert world.move().how is How.MOVED
    is_moved(world, "x", "y")


def test_one_that_is_suspect_moves_by_its_journal(world: MovingWorld) -> None:
    world.started()
    world.lives.suspect(KEY, world.record().session_id, "who knows")
    world.blue.sessions["blue-1"].stm.clear()
    assert world.move().how is How.MOVED
    assert world.counts("anomalies") == 0
    is_moved(world, "x", "y")


# A source that is not what it must be.


def test_what_a_stranger_wrote_does_not_move(world: MovingWorld) -> None:
    world.started()
    world.blue.observe("blue-1", b'{"strings":["stranger"]}')
    assert world.move().how is How.MOVED
    assert world.counts("anomalies") == 1
    is_moved(world, "x", "y")


@pytest.mark.parametrize("policy", ["park", "accept"])
def test_by_another_setting_it_stays(policy: str) -> None:
    with MovingWorld(anomaly=policy) as world:
        world.started()
        world.blue.observe("blue-1", b'{"strings":["stranger"]}')
        moved = world.move()
        assert moved.how is How.FAILED
        assert "another memory" in moved.error
        assert world.there() == (1, 0)


def test_a_source_of_another_mood_is_noticed(world: MovingWorld) -> None:
    world.started()
    world.blue.sessions["blue-1"].observed[-1] = b'{"strings":["y"],"emotives":{"joy":1.0}}'
    moved = world.move()
    assert (moved.how, moved.error) == (How.LATER, "the copy has other emotives")
    stays(world, "x", "y")


def test_what_a_journal_has_no_more_is_not_asked_of_the_copy() -> None:
    with MovingWorld(journal_entries=3) as world:
        world.session(KEY, instance=BLUE).observe_many(
            [{"strings": ["v"], "emotives": {"joy": 1.0}}]
        )
        world.started("w", "x", "y", "z")
        assert world.move().how is How.MOVED
        assert world.bound[0] == GREEN
        assert world.remembered() == ["v", "w", "x", "y", "z"]


# Deliveries that go on while a copy is made.


def meanwhile(world: MovingWorld, *, act: Callable[[], object]) -> None:
    """Let something be accepted and delivered between the copy and the lease."""

    def happen() -> None:
        act()
        world.settle_down()

    world.steps["before claim"] = happen


def replayed(world: MovingWorld) -> list[int]:
    """How many observations each replay at the target carried."""
    return [len(call.payloads) for call in world.green.calls if call.verb == "replay"]


def test_of_what_was_observed_meanwhile_only_the_rest_is_replayed(world: MovingWorld) -> None:
    world.started()
    meanwhile(world, act=lambda: world.observe("u", "v", "w"))
    assert world.move().how is How.MOVED
    assert replayed(world) == [2, 3]
    is_moved(world, "x", "y", "u", "v", "w")


def test_a_copy_that_took_long_catches_up_before_the_lease(
    world: MovingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "_BEHIND", 0.0)
    world.started()
    before: list[list[int]] = []

    def deliver() -> None:
        world.observe("u", "v", "w")
        world.settle_down()

    world.steps["after depart"] = lambda: world.steps.update({"before depart": deliver})
    world.steps["before claim"] = lambda: before.append(replayed(world))
    assert world.move().how is How.MOVED
    assert before == [[2, 3]]
    assert replayed(world) == [2, 3]
    is_moved(world, "x", "y", "u", "v", "w")


@pytest.mark.parametrize("verb", ["learn", "clear_stm"])
def test_one_that_was_emptied_meanwhile_is_copied_afresh(world: MovingWorld, verb: str) -> None:
    world.started()

    def act() -> None:
        getattr(world.session(KEY), verb)()
        world.observe("z")

    meanwhile(world, act=act)
    assert world.move().how is How.MOVED
    assert replayed(world) == ([2, 3] if verb == "learn" else [2, 1])
    assert sum(world.green.patterns.values()) == 0
    assert len([name for name in world.notes if name]) == 2
    is_moved(world, "z")


def test_one_that_was_cleared_for_good_meanwhile_is_copied_afresh(world: MovingWorld) -> None:
    world.started()
    meanwhile(world, act=lambda: world.session(KEY).clear_stm())
    assert world.move().how is How.MOVED
    assert world.bound[1].time == 0
    is_moved(world)


def test_one_that_was_configured_meanwhile_is_copied_afresh(world: MovingWorld) -> None:
    world.started()
    meanwhile(world, act=lambda: world.session(KEY).configure(CONFIG))
    assert world.move().how is How.MOVED
    assert replayed(world) == [2, 2]
    assert world.bound[1].config["recall_threshold"] == 0.5
    is_moved(world, "x", "y")


def test_one_that_ended_meanwhile_leaves_no_copy(world: MovingWorld) -> None:
    world.started()
    meanwhile(world, act=lambda: world.session(KEY).delete())
    world.move()
    assert world.there() == (0, 0)
    assert world.moves.depart(KEY, "x", seconds=1) is NoMove.ENDED


def test_one_that_was_made_meanwhile_is_copied_under_the_lease(world: MovingWorld) -> None:
    world.observe("x")
    meanwhile(world, act=lambda: None)
    assert world.move().how is How.MOVED
    # Its replay takes its turn at the node, as every call does.
    assert world.trace.index("before acquire") < world.trace.index("before switch")
    is_moved(world, "x")


def test_a_node_without_a_call_to_spare_is_for_later(world: MovingWorld) -> None:
    world.started()
    spec = world.record().spec
    node = world.session("b", node=spec.node, instance=GREEN, predictions="always")
    node.observe_many([{"strings": ["z"]}])
    claimed = world.lanes.claim("b", most=1)
    assert isinstance(claimed, Claim)
    hold = world.nodes.acquire(claimed.spec, wait=0.1)
    assert hold is not None
    moved = world.move()
    assert moved.how is How.LATER
    assert "no call to spare" in moved.error
    world.nodes.release(hold)
    assert world.move().how is How.MOVED


# Calls in doubt.


def in_doubt(world: MovingWorld, name: str, *, applied: bool) -> None:
    """Let a worker die when the answer of its observe was lost."""
    world.observe(name)
    world.blue.fail("observe", LOST, applied=applied)
    world.blue.fail("look", AWAY)
    assert world.deliver() is Turn.PAUSED
    assert world.record().state is SessionState.DOUBT


@pytest.mark.parametrize("applied", [False, True])
def test_an_observation_in_doubt_is_delivered_at_the_target(
    world: MovingWorld, *, applied: bool
) -> None:
    world.started()
    in_doubt(world, "z", applied=applied)
    assert world.move().how is How.MOVED
    record = world.record()
    assert (record.doubt, record.waiting) == (None, 1)
    is_moved(world, "x", "y", "z")


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("verb", ["clear_stm", "update_config"])
def test_so_are_other_commands_in_doubt(world: MovingWorld, verb: str, *, applied: bool) -> None:
    world.started(config=CONFIG)
    session = world.session(KEY)
    world.blue.fail(verb, LOST, applied=applied)
    world.blue.fail("look", AWAY)
    act = {
        "clear_stm": session.clear_stm,
        "update_config": lambda: session.configure({"recall_threshold": 0.7}),
    }
    act[verb]()
    world.observe("z")
    assert world.deliver() is Turn.PAUSED
    assert world.move().how is How.MOVED
    rest = ["z"] if verb == "clear_stm" else ["x", "y", "z"]
    is_moved(world, *rest)
    config = world.bound[1].config
    assert config["recall_threshold"] == (0.7 if verb == "update_config" else 0.5)


@pytest.mark.parametrize("applied", [False, True])
def test_a_learn_in_doubt_is_settled_at_the_source_first(
    world: MovingWorld, *, applied: bool
) -> None:
    world.started()
    world.session(KEY).learn()
    world.blue.fail("learn", LOST, applied=applied)
    world.blue.fail("look", AWAY)
    assert world.deliver() is Turn.PAUSED

    def time_passes() -> None:
        world.store.advance(0.01)
        world.steps["after release"] = time_passes

    time_passes()
    assert world.move().how is How.MOVED
    assert sum(world.blue.patterns.values()) == 1
    assert sum(world.green.patterns.values()) == 0
    is_moved(world)


def test_one_that_stays_in_doubt_is_for_later() -> None:
    with MovingWorld(doubt_wait=30, lease=0.05, turn=0.05) as world:
        world.started()
        world.session(KEY).learn()
        world.blue.fail("learn", LOST)
        world.blue.fail("look", AWAY)
        assert world.deliver() is Turn.PAUSED
        moved = world.move()
        assert moved.how is How.LATER
        assert "doubt" in moved.error
        assert len(world.green.sessions) == 0
        assert sum(world.blue.patterns.values()) == 0
        assert world.bound[0] == BLUE


# Vectors.


def neighbours(world: MovingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let vectors get other symbols at each server."""
    for name, server in world.servers.items():
        monkeypatch.setattr(server, "look", _looking(name, server))


def _looking(name: str, server: FakeKato) -> Callable[[str], Cognition]:
    look = server.look

    def shown(session_id: str) -> Cognition:
        seen = look(session_id)
        for event, payload in zip(seen.stm, server.sessions[session_id].stm, strict=True):
            if json.loads(payload).get("vectors"):
                event.insert(0, f"VCTR|{name}")
        return seen

    return shown


def test_vectors_with_other_neighbours_there_move_as_the_symbols_that_they_are(
    world: MovingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbours(world, monkeypatch)
    session = world.session(KEY, instance=BLUE)
    session.observe_many([{"strings": ["x"]}])
    session.observe_many([{"strings": ["y"], "vectors": [[1.0, 2.0]], "emotives": {"joy": 1.0}}])
    world.deliver_all()
    assert world.move().how is How.MOVED
    _, moved = world.bound
    assert [json.loads(payload) for payload in moved.stm] == [
        {"strings": ["x"]},
        {"strings": ["VCTR|blue", "y"], "emotives": {"joy": 1.0}},
    ]
    assert world.there() == (0, 1)


def test_vectors_wait_until_nothing_is_in_doubt_any_more(world: MovingWorld) -> None:
    """Only the source shows what they have become; if it is gone, the journal has to do."""
    session = world.session(KEY, instance=BLUE)
    session.observe_many([{"strings": ["y"], "vectors": [[1.0, 2.0]]}])
    world.deliver_all()
    in_doubt(world, "z", applied=True)
    assert world.move() == Moved(how=How.LATER, error="its last call is in doubt", calls=4)
    assert (world.there(), world.record().state) == ((1, 0), SessionState.DOUBT)
    assert world.wake.keys[-1] == KEY
    away(world.blue)
    assert world.move().how is How.MOVED


# Copies of earlier attempts.


def test_a_copy_that_an_earlier_attempt_left_is_removed(world: MovingWorld) -> None:
    world.started()
    left = world.green.create_session(node_id="n").session_id
    assert world.move(made=left).how is How.MOVED
    assert world.notes == [world.record().session_id]
    is_moved(world, "x", "y")


def test_one_that_is_bound_is_not(world: MovingWorld) -> None:
    world.started()
    bound = world.move().after
    moved = world.move(made=bound)
    assert (moved.how, moved.after) == (How.ALREADY, bound)
    is_moved(world, "x", "y")


def test_one_that_somebody_else_is_at_work_on_is_not(world: MovingWorld) -> None:
    world.started()

    def another() -> None:
        moved = world.another_mover().move(KEY, GREEN, made=world.notes[-1])
        assert moved.how is How.LATER

    world.steps["before claim"] = another
    assert world.move().how is How.MOVED
    assert len([name for name in world.notes if name]) == 1
    is_moved(world, "x", "y")


def test_one_is_not_removed_while_a_mover_may_still_switch_to_it(world: MovingWorld) -> None:
    """It was frozen, and what it says of the session has run out; its lease of the lane has not."""
    world.started()

    def thought_dead() -> None:
        world.store.entry(KEY).moving_until = 0
        again = world.another_mover().move(KEY, GREEN, made=world.notes[-1])
        assert again.how is How.LATER

    world.steps["before switch"] = thought_dead
    assert world.move().how is How.MOVED
    is_moved(world, "x", "y")
    assert world.counts("rehomed") == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_one_that_was_left_is_not_removed_while_somebody_may_switch_to_it(
    world: MovingWorld, *, frozen: bool
) -> None:
    """Its migration was cancelled meanwhile, and somebody looks what became of the session."""
    world.started()

    def look() -> None:
        if frozen:
            world.store.entry(KEY).moving_until = 0
        assert world.another_mover().look(KEY, GREEN, world.notes[-1]) is None

    world.steps["before switch"] = look
    assert world.move().how is How.MOVED
    is_moved(world, "x", "y")
    assert world.counts("rehomed") == 0


def test_what_a_dead_mover_has_left_is_found_and_removed(world: MovingWorld) -> None:
    world.started()
    left = world.green.create_session(node_id="n").session_id
    found = world.mover.look(KEY, GREEN, left)
    assert found is not None
    assert found.how is How.LATER
    assert world.there() == (1, 0)
    bound = world.move().after
    found = world.mover.look(KEY, GREEN, bound)
    assert found is not None
    assert (found.how, found.after) == (How.ALREADY, bound)
    is_moved(world, "x", "y")


def test_one_that_moved_back_while_its_mover_was_frozen_stays(world: MovingWorld) -> None:
    """Its migration is over by then, and another one has undone it."""
    world.started()

    def undone() -> None:
        world.kill()
        assert world.another_mover().move(KEY, GREEN).how is How.MOVED
        assert world.another_mover().move(KEY, BLUE).how is How.MOVED

    world.steps["before claim"] = undone
    assert world.move().how is How.LATER
    stays(world, "x", "y")


@pytest.mark.parametrize("shared", [False, True])
def test_one_that_is_not_ours_to_move_any_more_stays(world: MovingWorld, *, shared: bool) -> None:
    """The hand was frozen before it began, and somebody else has the session in the ledger."""
    if shared:
        world.green.sessions = world.blue.sessions
    world.started()
    moved = world.mover.move(KEY, GREEN, note=lambda _: False)
    assert moved.how is How.LATER
    assert "somebody else" in moved.error
    assert world.record().spec.instance == BLUE


def test_one_of_a_session_that_has_ended_is(world: MovingWorld) -> None:
    world.started()
    world.session(KEY).delete()
    world.deliver_all()
    left = world.green.create_session(node_id="n").session_id
    assert world.move(made=left).how is How.NOTHING
    assert world.there() == (0, 0)
    assert world.notes == [None]


# Leases and stores that are lost.


def test_a_mover_that_has_lost_its_lease_switches_nothing(world: MovingWorld) -> None:
    world.started()

    def taken_over() -> None:
        world.kill()
        world.observe("z")
        world.settle_down()

    world.steps["before switch"] = taken_over
    moved = world.move()
    assert moved.how is How.LATER
    assert "lease" in moved.error
    assert world.counts("moved") == 0
    stays(world, "x", "y", "z")


def test_one_whose_session_another_has_moved_meanwhile_leaves_it_there(
    world: MovingWorld,
) -> None:
    world.started()

    def another() -> None:
        world.kill()
        assert world.another_mover().move(KEY, GREEN).how is How.MOVED

    world.steps["before switch"] = another
    assert world.move().how is How.LATER
    assert world.counts("moved") == 1
    is_moved(world, "x", "y")


def test_turns_give_way_to_who_waits_for_the_lease(world: MovingWorld) -> None:
    """A deliverer holds the lane when the mover comes, and has more than it may finish."""
    world.started()
    world.observe("u", "v")
    claimed = world.lanes.claim(KEY, most=1)
    assert isinstance(claimed, Claim)
    world.steps["after on_the_way"] = lambda: world.lanes.release(claimed.lease)
    assert world.move().how is How.MOVED
    assert world.store.entry(KEY).way_until == 0
    is_moved(world, "x", "y", "u", "v")


def test_a_lane_that_is_never_given_back_is_for_later() -> None:
    with MovingWorld(lease=0.05, turn=0.05) as world:
        world.started()
        world.observe("z")
        claimed = world.lanes.claim(KEY, most=1)
        assert isinstance(claimed, Claim)
        moved = world.move()
        assert moved.how is How.LATER
        assert "at work on it" in moved.error
        world.lanes.release(claimed.lease)
        stays(world, "x", "y", "z")


@pytest.mark.parametrize("doubt", [False, True])
def test_a_store_that_stays_away_at_any_step_costs_another_attempt(*, doubt: bool) -> None:
    """Three steps at once: so often is each one tried."""
    number = -1
    while True:
        number += 1
        with MovingWorld(doubt_wait=0.001, retry_first=0.001) as world:
            world.started()
            if doubt:
                in_doubt(world, "z", applied=True)
            for step in range(number, number + 4):
                world.steps[step] = no_store
            ended = attempt(world)
            steps = len(world.trace)
            world.steps.clear()
            if ended is not None and ended.how is How.MOVED and number > steps:
                break
            world.kill()
            left = next((name for name in reversed(world.notes) if name), None)
            again = world.move(made=left)
            assert again.how in (How.MOVED, How.ALREADY), (number, world.trace, again)
            world.settle_down()
            assert world.bound[0] == GREEN
            assert world.remembered() == (["x", "y", "z"] if doubt else ["x", "y"])
            # The source's session may be left over: it expires. No copy is.
            assert len(world.green.sessions) == 1, (number, world.trace)
            assert world.counts("moved") == 1
    assert number > 15


def attempt(world: MovingWorld) -> Moved | None:
    left = next((name for name in reversed(world.notes) if name), None)
    try:
        return world.move(made=left)
    except StoreUnavailable:
        return None


def test_one_lost_answer_of_the_store_is_no_reason_to_begin_again(world: MovingWorld) -> None:
    world.started()
    world.steps["after switch"] = no_store
    assert world.move().how is How.MOVED
    assert world.counts("moved") == 1
    is_moved(world, "x", "y")
