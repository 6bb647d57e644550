"""Sessions that nobody uses sleep or end, and wake as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from memory_world import World, strings

from kato_tasks.errors import AnswerLost, KatoError, KatoUnreachable, ServerFault
from kato_tasks.kato import Cognition
from kato_tasks.lives import Index
from kato_tasks.models import Claim, Rest, SessionSpec, SessionState, Turn
from kato_tasks.nodes import NodeHold
from kato_tasks.testing import FakeCall

LIMIT = 100.0


@pytest.fixture
def world() -> Iterator[World]:
    with World(idle_after=LIMIT, retry_first=0.001, doubt_wait=0.001) as opened:
        yield opened


def used(world: World, key: str = "a", **options: object) -> str:
    """Let a session be used and delivered; its server-side name."""
    world.session(key, **options).observe_many([{"strings": ["x"]}, {"strings": ["y"]}])
    world.deliver_all(key)
    return world.record(key).session_id or ""


def slept(world: World, key: str = "a", **options: object) -> str:
    """Let a session be used, and put to sleep."""
    name = used(world, key, **options)
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE)["hibernated"] == 1
    return name


def test_an_idle_session_is_put_to_sleep(world: World) -> None:
    name = slept(world)
    record = world.record()
    assert (record.state, record.session_id) == (SessionState.HIBERNATED, None)
    assert name not in world.kato.sessions
    assert world.store.counts["hibernated"] == 1


def test_one_that_is_used_is_left_until_it_is_idle(world: World) -> None:
    used(world)
    world.store.advance(LIMIT - 1)
    used(world)
    world.store.advance(2)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    world.store.advance(LIMIT - 3)
    assert world.look_after(Index.IDLE) == Counter()
    world.store.advance(2)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


def test_the_next_command_wakes_it_with_all_that_it_remembered(world: World) -> None:
    slept(world)
    calls = len(world.kato.calls)
    world.session().observe(["z"])
    assert world.deliver_all() is Turn.DONE
    record = world.record()
    assert record.state is SessionState.ACTIVE
    session = world.kato.sessions[record.session_id or ""]
    assert [payload.decode() for payload in session.stm] == strings("x", "y", "z")
    assert (session.time, record.time) == (3, 3)
    assert world.kato.verbs()[calls:] == ["create_session", "replay", "look", "observe", "look"]
    assert (world.store.counts["woken"], record.rehomed) == (1, 0)


def test_it_wakes_with_its_config(world: World) -> None:
    slept(world, config={"recall_threshold": 0.5, "max_pattern_length": 7})
    world.session().observe(["z"])
    world.deliver_all()
    session = world.kato.sessions[world.record().session_id or ""]
    assert session.config["recall_threshold"] == 0.5
    assert session.config["max_pattern_length"] == 7


def test_it_can_be_asked_for_predictions(world: World) -> None:
    slept(world)
    found = world.sessions.oracle.predictions(
        "a", after=None, timeout=5.0, revive=world.deliverer.deliver
    )
    assert found == world.kato.forecast
    assert world.record().session_id in world.kato.sessions


def test_a_session_that_its_server_lost_is_made_anew_for_predictions(world: World) -> None:
    name = used(world)
    del world.kato.sessions[name]
    world.sessions.oracle.predictions("a", after=None, timeout=5.0, revive=world.deliverer.deliver)
    record = world.record()
    assert record.session_id in world.kato.sessions
    assert (record.rehomed, record.why) == (1, "the server has lost it")


def test_a_delete_of_a_sleeping_session_needs_no_call(world: World) -> None:
    slept(world)
    calls = len(world.kato.calls)
    world.session().delete()
    world.deliver_all()
    assert world.record().state is SessionState.ENDED
    assert len(world.kato.calls) == calls


def test_after_an_end_a_key_starts_empty(world: World) -> None:
    used(world, idle="delete")
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(ended=1)
    assert world.record().state is SessionState.ENDED
    assert world.kato.sessions == {}
    used(world)
    record = world.record()
    assert (record.time, record.state) == (2, SessionState.ACTIVE)


def test_one_that_is_to_be_kept_is_left(world: World) -> None:
    name = used(world, idle="keep")
    world.store.advance(10 * LIMIT)
    assert world.look_after(Index.IDLE) == Counter()
    assert name in world.kato.sessions


@pytest.mark.parametrize(("policy", "outcome"), [("delete", "ended"), ("hibernate", "hibernated")])
def test_one_that_is_kept_alive_no_more_is_idle_again(
    world: World, policy: str, outcome: str
) -> None:
    """Nobody looks whether it is idle while it is kept alive, for however long."""
    used(world, idle=policy, keep_alive=True)
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    world.lives.keep("a", alive=False)
    assert world.look_after(Index.IDLE) == Counter({outcome: 1})


def test_one_that_is_used_while_it_is_kept_no_more_is_left_until_it_is_idle(world: World) -> None:
    used(world, keep_alive=True)
    world.lives.keep("a", alive=False)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


def test_a_sleeping_one_that_is_kept_alive_no_more_is_not_looked_at(world: World) -> None:
    slept(world)
    world.lives.keep("a", alive=False)
    assert world.look_after(Index.IDLE) == Counter()


def test_it_may_have_a_limit_of_its_own(world: World) -> None:
    used(world, idle_after=5.0)
    world.store.advance(6)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


def test_what_waits_comes_first(world: World) -> None:
    """Its server was away for so long that it counts as idle, with commands that wait."""
    used(world)
    world.session().observe(["z"])
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert world.record().waiting == 1
    world.deliver_all()
    assert world.record().time == 3


def test_a_session_that_is_over_ends_after_what_was_accepted(world: World) -> None:
    used(world, ttl=50, auto_extend=False)
    world.session().observe(["z"])
    world.store.advance(60)
    assert world.record().state is SessionState.EXPIRED
    assert world.look_after(Index.IDLE) == Counter(left=1)
    world.deliver_all()
    assert world.record().time == 3
    world.store.advance(world.settings.refresh_interval)
    assert world.look_after(Index.IDLE) == Counter(ended=1)
    assert world.kato.sessions == {}


def test_a_command_after_its_end_starts_an_empty_one_though_nobody_has_noted_the_end(
    world: World,
) -> None:
    name = used(world, ttl=50, auto_extend=False)
    world.store.advance(51)
    world.session(node="another", ttl=50, auto_extend=False).observe(["z"])
    world.deliver_all()
    record = world.record()
    assert (record.spec.node, record.time, record.session_id == name) == ("another", 1, False)
    assert world.look_after(Index.IDLE)["ended"] == 0
    world.store.advance(51)
    assert world.look_after(Index.IDLE)["ended"] == 1


def test_a_command_that_is_repeated_after_its_end_starts_none(world: World) -> None:
    world.session(ttl=50, auto_extend=False).observe(["x"], command_id="one")
    world.deliver_all()
    world.store.advance(51)
    assert world.session(ttl=50, auto_extend=False).observe(["x"], command_id="one").repeated
    assert world.record().state is SessionState.EXPIRED


def test_writes_do_not_move_its_end(world: World) -> None:
    used(world, ttl=50, auto_extend=False)
    for _ in range(3):
        world.store.advance(16)
        used(world)
    world.store.advance(3)
    assert world.look_after(Index.IDLE) == Counter(ended=1)


def test_a_sleeping_session_still_ends(world: World) -> None:
    slept(world, ttl=500, auto_extend=False)
    world.store.advance(400)
    assert world.record().state is SessionState.EXPIRED
    assert world.look_after(Index.IDLE) == Counter(ended=1)


@pytest.mark.parametrize(
    "error",
    [
        KatoUnreachable("GET", "refused"),
        AnswerLost("GET", "time-out"),
        ServerFault("GET", "Internal Server Error", 500),
    ],
)
def test_where_it_cannot_be_looked_at_it_stays(world: World, error: KatoError) -> None:
    name = used(world)
    world.store.advance(LIMIT + 1)
    world.kato.fail("look", error)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert world.record().session_id == name
    world.store.advance(world.settings.cleanup_interval)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


@pytest.mark.parametrize("policy", ["hibernate", "delete"])
def test_one_that_is_used_while_it_is_looked_at_goes_on(world: World, policy: str) -> None:
    """It was idle when it was claimed; a question for predictions takes no lease."""
    name = used(world, idle=policy)
    world.store.advance(LIMIT + 1)
    acquire = world.nodes.acquire

    def acquired(spec: SessionSpec, *, wait: float, keep: float | None = None) -> NodeHold | None:
        world.store.advance(0.001)
        world.lives.touch("a")
        return acquire(spec, wait=wait, keep=keep)

    world.nodes.acquire = acquired  # type: ignore[method-assign]
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert world.record().session_id == name
    assert name in world.kato.sessions


def test_one_that_its_server_has_lost_sleeps_all_the_same(world: World) -> None:
    name = used(world)
    del world.kato.sessions[name]
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


def test_one_that_is_not_what_it_must_be_is_made_anew_first(world: World) -> None:
    name = used(world)
    world.kato.sessions[name].stm.pop()
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(lost=1)
    assert world.store.counts["anomalies"] == 1
    assert world.deliver_all() is Turn.MORE or world.deliver_all() is Turn.DONE
    record = world.record()
    assert len(world.kato.sessions[record.session_id or ""].stm) == 2


def test_the_symbols_of_vectors_come_back_where_a_replay_gives_others(world: World) -> None:
    """Their neighbours are others by now; what it went to sleep with is what counts."""
    neighbours = ["VCTR|a"]
    look = world.kato.look

    def looked(session_id: str) -> Cognition:
        seen, sent = look(session_id), world.kato.sessions[session_id].stm
        events = zip(seen.stm, sent, strict=True)
        stm = [[*neighbours, *event] if b"vectors" in one else event for event, one in events]
        return Cognition(time=seen.time, stm=stm, emotives={}, raw={})

    world.kato.look = looked  # type: ignore[method-assign]
    world.session().observe(["x"], vectors=[[1.0, 2.0]], emotives={"joy": 0.5})
    world.session().observe(["y"])
    world.deliver_all()
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    neighbours.append("VCTR|b")
    world.session().observe(["z"])
    world.deliver_all()
    stm = world.kato.sessions[world.record().session_id or ""].stm
    assert stm[0] == b'{"strings":["VCTR|a","x"],"emotives":{"joy":0.5}}'
    assert [payload.decode() for payload in stm[1:]] == strings("y", "z")


def test_one_that_falls_asleep_under_a_question_is_woken_for_it(world: World) -> None:
    used(world)
    asked: list[str] = []

    def fall_asleep(call: FakeCall) -> None:
        if call.verb == "predictions" and not asked:
            asked.append(call.session_id)
            claimed = world.lanes.claim("a", most=1, idle=True)
            assert isinstance(claimed, Claim)
            assert world.lives.rest(claimed.lease, Rest(state=SessionState.HIBERNATED))
            del world.kato.sessions[call.session_id]

    world.kato.on_call = fall_asleep
    revive = world.deliverer.deliver
    world.sessions.oracle.predictions("a", after=None, timeout=5.0, revive=revive)
    assert world.record().session_id in world.kato.sessions
    assert world.kato.verbs().count("predictions") == 2


@pytest.mark.parametrize("anomaly", ["rehome", "park", "accept"])
def test_a_long_life_that_its_journal_does_not_hold_sleeps_without_an_alarm(anomaly: str) -> None:
    """Its time is beyond what a replay gives back; its memory is not."""
    with World(idle_after=LIMIT, anomaly=anomaly, journal_entries=1_000) as world:
        for _ in range(5):
            world.session().observe_many([{"strings": ["x"]} for _ in range(500)])
            world.session().learn()
            world.deliver_all()
        world.session().observe(["last"])
        world.deliver_all()
        world.store.advance(LIMIT + 1)
        assert world.look_after(Index.IDLE) == Counter(hibernated=1)
        assert world.store.counts["anomalies"] == 0
        world.session().observe(["z"])
        world.deliver_all()
        session = world.kato.sessions[world.record().session_id or ""]
        assert [payload.decode() for payload in session.stm] == strings("last", "z")


def test_events_that_the_journal_has_no_more_come_back_as_the_symbols_that_they_were() -> None:
    with World(idle_after=LIMIT, journal_entries=1_000) as world:
        world.session().observe_many([{"strings": [f"e{n}", "a"]} for n in range(5)])
        world.session().observe_many([{"emotives": {"joy": 0.5}} for _ in range(1_200)])
        world.deliver_all()
        world.store.advance(LIMIT + 1)
        assert world.look_after(Index.IDLE) == Counter(hibernated=1)
        assert world.store.counts["anomalies"] == 0
        world.session().observe(["z"])
        world.deliver_all()
        name = world.record().session_id or ""
        assert world.kato.look(name).stm == [*(["a", f"e{n}"] for n in range(5)), ["z"]]


def test_waking_does_not_put_off_the_look_at_its_own_end(world: World) -> None:
    slept(world, ttl=1_000, auto_extend=False)
    world.store.advance(800)
    world.session().observe(["z"])
    world.deliver_all()
    world.store.advance(1_000 - LIMIT - 1 - 800 + 1)
    assert world.look_after(Index.IDLE) == Counter(ended=1)


def test_a_question_for_a_sleeping_session_in_doubt_is_not_answered_with_nothing(
    world: World,
) -> None:
    slept(world)
    world.kato.fail("create_session", KatoUnreachable("POST", "refused"))
    revive = world.deliverer.deliver
    assert world.lives.suspect("a", None, "somebody asks")
    assert world.deliver() is Turn.PAUSED
    assert world.record().state is SessionState.DOUBT
    world.sessions.oracle.predictions("a", after=None, timeout=5.0, revive=revive)
    assert world.record().session_id in world.kato.sessions


@pytest.mark.parametrize("policy", ["hibernate", "delete"])
def test_one_that_is_to_be_kept_alive_meanwhile_goes_on(world: World, policy: str) -> None:
    name, acquire = used(world, idle=policy), world.nodes.acquire
    world.store.advance(LIMIT + 1)

    def acquired(spec: SessionSpec, *, wait: float, keep: float | None = None) -> NodeHold | None:
        assert world.lives.keep("a", alive=True)
        return acquire(spec, wait=wait, keep=keep)

    world.nodes.acquire = acquired  # type: ignore[method-assign]
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert name in world.kato.sessions


def test_a_look_does_not_make_a_record_stay_for_longer(world: World) -> None:
    used(world, idle="delete", idle_after=world.settings.retention * 2)
    used(world, key="b", idle_after=world.settings.retention / 2)
    world.kato.sessions.clear()
    world.kato.fail("look", KatoUnreachable("GET", "refused"))
    world.store.advance(world.settings.retention * 0.6)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    world.store.advance(world.settings.retention * 0.5)
    assert world.registry.get("b") is None


def test_a_parked_one_is_left_to_the_person_who_unparks_it(world: World) -> None:
    used(world)
    claimed = world.lanes.claim("a", most=1, idle=True)
    assert isinstance(claimed, Claim)
    assert world.lanes.park(claimed.lease, "why")
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter()
    assert world.lives.due(Index.IDLE, most=9) == []
    assert world.lanes.unpark("a")
    world.deliver_all()
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)


def test_what_has_been_learned_takes_less_room_while_it_sleeps(world: World) -> None:
    """Its emotives stay: the server's accumulators survive a learn (kato-api 4)."""
    world.session().observe(["long" * 100], emotives={"joy": 0.5})
    world.session().observe(["longer" * 100])
    world.session().learn()
    world.session().observe(["x"])
    world.deliver_all()
    world.store.advance(LIMIT + 1)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    held = [one.payload for one in world.store.entry("a").journal]
    assert held == [b'{"emotives":{"joy":0.5}}', b"{}", *map(str.encode, strings("x"))]
    world.session().observe(["y"])
    world.deliver_all()
    session = world.kato.sessions[world.record().session_id or ""]
    assert [payload.decode() for payload in session.stm] == strings("x", "y")
    assert session.time == 4
