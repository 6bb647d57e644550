"""What becomes of a call whose end nobody has seen, or whose session is not what it must be."""

from __future__ import annotations

import pytest
from memory_world import World, strings

from kato_tasks.delivery.memory import pattern_name
from kato_tasks.errors import AnswerLost, KatoError, ServerFault, SessionNotFound
from kato_tasks.models import SessionState, Turn

LOST = AnswerLost("POST", "time-out")
FAILED = ServerFault("POST", "oops", 500)
GONE = SessionNotFound("POST", "not found", 404)


def observe(world: World, *names: str) -> None:
    world.session().observe_many([{"strings": [name]} for name in names])


def started(world: World) -> None:
    """Have a session with one observation."""
    observe(world, "first")
    assert world.deliver() is Turn.DONE
    world.kato.calls.clear()


def counts(world: World, *names: str) -> list[int]:
    found = world.registry.stats().counts
    return [found.get(name, 0) for name in names]


def test_a_call_that_took_effect_is_adopted_and_not_made_again() -> None:
    with World() as world:
        started(world)
        world.kato.fail("observe", LOST, applied=True)
        observe(world, "x")
        assert world.deliver() is Turn.DONE
        assert world.kato.verbs() == ["observe", "look"]
        assert world.observed() == strings("first", "x")
        assert counts(world, "doubts", "rehomed") == [1, 0]


def test_a_call_that_left_no_trace_is_made_in_a_session_made_anew() -> None:
    """It may land yet: then it finds a session that is nobody's any more."""
    with World() as world:
        started(world)
        world.kato.fail("observe", LOST)
        observe(world, "x")
        assert world.deliver() is Turn.DONE
        assert list(world.kato.sessions) == ["session-2"]
        assert world.observed() == strings("first", "x")
        record = world.record()
        assert (record.session_id, record.rehomed) == ("session-2", 1)
        assert record.why == "its last call left no trace"
        assert world.kato.verbs()[-6:] == [
            "create_session",
            "replay",
            "look",
            "delete_session",
            "observe",
            "look",
        ]


def test_a_session_that_the_server_has_lost_is_made_anew() -> None:
    with World() as world:
        started(world)
        world.kato.sessions.clear()
        observe(world, "x")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "x")
        assert world.record().why == "the server has lost it"


def test_nothing_is_made_anew_while_the_server_cannot_tell_whether_it_has_a_session() -> None:
    """With KATO's own store down every session is "not found", and exists fails (kato-api 9)."""
    with World() as world:
        started(world)
        for verb in ("observe", "look"):
            world.kato.fail(verb, GONE)
        world.kato.fail("exists", FAILED)
        observe(world, "x")
        assert world.deliver() is Turn.PAUSED
        assert "create_session" not in world.kato.verbs()
        assert world.record().state is SessionState.DOUBT
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "x")
        assert world.record().state is SessionState.ACTIVE


@pytest.mark.parametrize("error", [LOST, FAILED, GONE], ids=["lost", "failed", "not found"])
@pytest.mark.parametrize("verb", ["learn", "clear_stm", "update_config"])
@pytest.mark.parametrize("applied", [False, True])
def test_other_commands_take_effect_once_too(verb: str, error: KatoError, *, applied: bool) -> None:
    with World(doubt_wait=0.001) as world:
        observe(world, "x", "y")
        session = world.session()
        world.kato.fail(verb, error, applied=applied)
        act = {
            "learn": session.learn,
            "clear_stm": session.clear_stm,
            "update_config": lambda: session.configure({"recall_threshold": 0.5}),
        }
        act[verb]()
        observe(world, "z")
        while world.deliver() is not Turn.DONE:
            world.store.advance(1)
        [made] = world.kato.sessions.values()
        rest = ["x", "y", "z"] if verb == "update_config" else ["z"]
        assert [payload.decode() for payload in made.stm] == strings(*rest)
        assert sum(world.kato.patterns.values()) == (verb == "learn")
        if verb == "update_config":
            assert made.config["recall_threshold"] == 0.5


def test_a_learn_that_may_have_counted_waits_until_that_can_be_told() -> None:
    with World(doubt_wait=20) as world:
        observe(world, "x", "y")
        world.session().learn()
        world.kato.fail("learn", FAILED)
        assert world.deliver() is Turn.PAUSED
        assert world.record().state is SessionState.DOUBT
        world.store.advance(19)
        assert world.deliver() is Turn.PAUSED
        assert sum(world.kato.patterns.values()) == 0
        world.store.advance(1)
        assert world.deliver() is Turn.DONE
        assert sum(world.kato.patterns.values()) == 1


@pytest.mark.parametrize(
    ("policy", "turn", "learned"),
    [("resend", Turn.DONE, 2), ("skip", Turn.DONE, 1), ("park", Turn.PARKED, 1)],
)
def test_a_learn_of_which_nothing_can_be_told_is_for_the_setting(
    policy: str, turn: Turn, learned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's dialect shows no patterns, for one; here the learn had counted."""
    with World(learn_doubt=policy, doubt_wait=0.001) as world:
        monkeypatch.setattr("kato_tasks.delivery.learning.frequency", lambda *_: -1)
        observe(world, "x", "y")
        world.session().learn()
        world.kato.fail("learn", FAILED)
        last = world.deliver()
        name = next(iter(world.kato.patterns), ("a", "its pattern"))
        world.kato.patterns[name] += 1
        while last is Turn.PAUSED:
            world.store.advance(1)
            last = world.deliver()
        assert last is turn
        assert sum(world.kato.patterns.values()) == learned
        assert counts(world, "learns_unsure") == [1]


@pytest.mark.parametrize(
    ("policy", "turn", "reason"),
    [("rehome", Turn.DONE, None), ("park", Turn.PARKED, "the server's time is 7, not 3")],
)
def test_another_time_than_expected_is_an_anomaly(
    policy: str, turn: Turn, reason: str | None
) -> None:
    with World(anomaly=policy) as world:
        started(world)
        world.kato.answer_time(7)
        observe(world, "x", "y")
        assert world.deliver() is turn
        assert world.record().parked == reason
        assert counts(world, "anomalies") == [1]


def test_an_anomaly_may_be_accepted() -> None:
    """Then what the server has counts, and what comes next is compared with that."""
    with World(anomaly="accept") as world:
        started(world)
        world.kato.observe("session-1", b'{"strings":["stranger"]}')
        observe(world, "x")
        assert world.deliver() is Turn.DONE
        observe(world, "y")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "stranger", "x", "y")
        assert counts(world, "anomalies", "rehomed") == [1, 0]


def test_a_stranger_who_writes_past_us_is_noticed_and_mended() -> None:
    with World() as world:
        started(world)
        world.kato.observe("session-1", b'{"strings":["stranger"]}')
        observe(world, "x")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "x")
        assert counts(world, "anomalies", "rehomed") == [1, 1]


def test_an_answer_without_effect_is_noticed_at_the_end_of_a_lane() -> None:
    """A server whose store is full answers 200, and only the next call would show it."""
    with World() as world:
        started(world)
        world.kato.unstored = 1
        observe(world, "x", "y")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "x", "y")
        assert world.record().why == "the server's time is 1, not 3"


def test_a_parked_session_is_made_anew_when_it_is_unparked() -> None:
    with World(anomaly="park") as world:
        started(world)
        world.kato.answer_time(7)
        observe(world, "x")
        assert world.deliver() is Turn.PARKED
        observe(world, "y")
        assert world.deliver() is Turn.PARKED
        assert world.lanes.unpark("a")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("first", "x", "y")
        assert world.record().why == "unparked by hand"


def test_a_replay_that_gives_another_memory_is_not_bound() -> None:
    """It is tried again, then the lane is parked: never are two memories taken for one."""
    with World() as world:
        started(world)
        world.kato.fail("observe", LOST)
        world.kato.can_configure = False
        world.kato.defaults = {"max_pattern_length": 1}
        observe(world, "x")
        turns = [world.deliver() for _ in range(7)]
        assert turns[:4] == [Turn.PAUSED] * 4
        assert turns[-1] is Turn.PARKED
        assert list(world.kato.sessions) == ["session-1"]
        assert "events that are not those it must give" in (world.record().parked or "")


def test_a_memory_with_vectors_that_a_replay_gives_otherwise_is_not_sent_again() -> None:
    """Only the symbols of vectors may differ: else what was applied would be applied once more."""
    with World() as world:
        world.session().observe(["first"], vectors=[[1.0]])
        assert world.deliver() is Turn.DONE
        world.kato.fail("observe", LOST, applied=True)
        world.kato.can_configure = False
        world.kato.defaults = {"max_pattern_length": 1}
        observe(world, "x")
        assert [world.deliver() for _ in range(7)][-1] is Turn.PARKED
        assert world.kato.verbs().count("observe") == 2


def test_a_session_whose_making_failed_is_removed() -> None:
    with World() as world:
        started(world)
        world.kato.fail("observe", LOST)
        world.kato.fail("replay", LOST)
        observe(world, "x")
        assert world.deliver() is Turn.PAUSED
        assert list(world.kato.sessions) == ["session-1"]
        assert world.deliver() is Turn.DONE
        assert list(world.kato.sessions) == ["session-3"]


def test_a_learn_that_was_answered_with_another_name_is_not_made_again() -> None:
    """It has counted; what it has learned is another memory than it must have been."""
    with World() as world:
        observe(world, "x", "y")
        assert world.deliver() is Turn.DONE
        [made] = world.kato.sessions.values()
        made.stm[0] = b'{"strings":["stranger"]}'
        receipt = world.session().learn()
        assert world.deliver() is Turn.DONE
        assert receipt.wait(timeout=0).pattern == pattern_name([("stranger",), ("y",)])
        assert world.kato.verbs().count("learn") == 1
        assert counts(world, "anomalies", "rehomed") == [1, 0]


def test_a_pattern_that_a_server_shows_no_more_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(doubt_wait=0.001, learn_doubt="park") as world:
        observe(world, "x", "y")
        world.session().learn()
        world.kato.fail("learn", FAILED)
        assert world.deliver() is Turn.PAUSED
        monkeypatch.setattr("kato_tasks.delivery.doubt.frequency", lambda *_: -1)
        world.store.advance(1)
        assert world.deliver() is Turn.PARKED
        assert counts(world, "learns_unsure") == [1]
