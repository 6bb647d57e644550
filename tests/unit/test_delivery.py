"""Delivery of one lane: what is sent, and what becomes of each answer."""

from __future__ import annotations

from threading import Thread

import pytest
from memory_world import World, strings

from kato_tasks.delivery import deliver_until, ensure_session, sweep
from kato_tasks.delivery.insist import insist
from kato_tasks.errors import (
    AnswerLost,
    CallRejected,
    ConfigDropped,
    KatoBusy,
    KatoError,
    KatoUnreachable,
    RouteMissing,
    ServerFault,
    SessionNotFound,
    SessionParked,
    StoreUnavailable,
    WaitTimeout,
)
from kato_tasks.models import Claim, Kind, Outcome, PredictionMode, SessionState, Turn
from kato_tasks.testing import FakeCall

REFUSED = [CallRejected("POST", "bad", status) for status in (400, 413, 422)]
NOT_MADE = [
    KatoUnreachable("POST", "refused"),
    KatoBusy("POST", "busy", 503),
    RouteMissing("POST", "no route", 404),
    CallRejected("POST", "a gateway wants a password", 401),
    CallRejected("POST", "too many requests", 429),
]
UNKNOWN = [
    AnswerLost("POST", "time-out"),
    ServerFault("POST", "oops", 500),
    SessionNotFound("POST", "no such session", 404),
]


def name_of(error: object) -> str:
    return type(error).__name__


def park(world: World) -> None:
    """Park the lane with a command in it."""
    observe(world, "parked")
    claim = world.lanes.claim("a", most=1)
    assert isinstance(claim, Claim)
    world.lanes.park(claim.lease, "why")


def observe(world: World, *names: str) -> None:
    world.session().observe_many([{"strings": [name]} for name in names])


def test_consecutive_observes_go_out_as_one_call() -> None:
    with World() as world:
        for name in "xyz":
            observe(world, name)
        assert world.deliver() is Turn.DONE
        assert world.kato.verbs() == ["create_session", "observe_sequence", "look"]
        assert world.observed() == strings("x", "y", "z")
        assert (world.record().time, world.record().waiting) == (3, 0)


def test_other_commands_go_out_alone_and_in_order() -> None:
    with World() as world:
        session = world.session()
        observe(world, "u", "v")
        session.learn()
        observe(world, "w")
        session.clear_stm()
        observe(world, "x", "y")
        session.delete()
        observe(world, "z")
        assert world.deliver() is Turn.DONE
        sent = [verb for verb in world.kato.verbs() if verb not in ("look", "pattern")]
        first = ["create_session", "observe_sequence", "learn", "observe", "clear_stm"]
        second = ["observe_sequence", "delete_session", "create_session", "observe"]
        assert sent == first + second
        assert world.observed() == strings("z")
        assert (world.record().session_id, world.record().time) == ("session-2", 1)


def test_a_call_carries_so_many_observations_at_most() -> None:
    with World(batch_commands=2) as world:
        observe(world, *"vwxyz")
        world.deliver()
        assert world.sizes() == [2, 2, 1]
        assert world.observed() == strings(*"vwxyz")


def test_a_call_carries_so_many_bytes_unless_one_observation_is_longer() -> None:
    with World(batch_bytes=40) as world:
        observe(world, "x", "y", "z", "long" * 20, "w")
        world.deliver()
        assert world.sizes() == [2, 1, 1, 1]


def test_no_call_reaches_across_a_point_where_the_server_learns_by_itself() -> None:
    with World() as world:
        world.session(config={"max_pattern_length": 3}).observe(["u"])
        observe(world, *"vwxyz")
        world.deliver()
        assert world.sizes() == [2, 1, 2, 1]
        [session] = world.kato.sessions.values()
        assert [len(memory) for memory in session.learned] == [3, 3]


def test_a_session_is_made_with_what_it_was_registered_with() -> None:
    with World() as world:
        config = {"recall_threshold": 0.5}
        world.session(node="n", config=config, predictions="always").observe(["x"])
        world.deliver()
        [made] = world.kato.sessions.values()
        assert made.node_id == "n"
        assert made.config == {"recall_threshold": 0.5, "process_predictions": True}


@pytest.mark.parametrize("error", NOT_MADE, ids=name_of)
def test_a_call_that_was_not_made_is_made_later(error: KatoError) -> None:
    with World() as world:
        world.kato.fail("observe", error)
        observe(world, "x")
        assert world.deliver() is Turn.PAUSED
        assert world.store.entry("a").intent is None
        assert world.store.entry("a").attempts == 1
        assert sweep(world.lanes, world.wake) == 0
        world.store.advance(world.settings.retry_first)
        assert sweep(world.lanes, world.wake) == 1
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("x")


@pytest.mark.parametrize("error", REFUSED, ids=name_of)
def test_a_refused_command_is_a_dead_letter_and_the_lane_goes_on(error: KatoError) -> None:
    with World() as world:
        world.kato.fail("learn", error)
        observe(world, "x")
        world.session().learn()
        observe(world, "y")
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("x", "y")
        [dead] = world.store.dead
        assert dead.command is not None
        assert (dead.key, dead.seq, dead.command.kind) == ("a", 2, Kind.LEARN)
        assert dead.outcome == Outcome(refusal=str(error))


@pytest.mark.parametrize("bad", range(7))
def test_a_refused_batch_is_halved_until_the_bad_one_is_found(bad: int) -> None:
    with World() as world:
        names = [str(number) for number in range(7)]
        world.kato.refused = {strings(names[bad])[0].encode()}
        observe(world, *names)
        assert world.deliver_all() is Turn.DONE
        assert world.observed() == strings(*names[:bad], *names[bad + 1 :])
        assert [dead.seq for dead in world.store.dead] == [bad + 1]
        assert world.record().waiting == 0


def test_the_end_of_a_session_that_was_never_made_sends_nothing() -> None:
    with World() as world:
        world.session().delete()
        assert world.deliver_all() is Turn.DONE
        assert world.kato.calls == []
        assert world.record().state is SessionState.ENDED


def test_a_session_not_found_is_ended_once_exists_says_that_it_is_gone() -> None:
    with World() as world:
        observe(world, "x")
        world.deliver()
        world.kato.sessions.clear()
        world.session().delete()
        assert world.deliver_all() is Turn.DONE
        assert world.kato.verbs()[-2:] == ["delete_session", "exists"]
        assert world.record().state is SessionState.ENDED


@pytest.mark.parametrize("error", [None, ServerFault("GET", "no store", 500)], ids=name_of)
def test_a_session_not_found_that_may_be_there_is_deleted_again(error: KatoError | None) -> None:
    with World() as world:
        observe(world, "x")
        world.deliver()
        world.kato.fail("delete_session", SessionNotFound("DELETE", "not found", 404))
        if error is not None:
            world.kato.fail("exists", error)
        world.session().delete()
        # With a pause: a server without its store is not asked over and over.
        assert world.deliver() is Turn.PAUSED
        assert world.kato.verbs()[-2:] == ["delete_session", "exists"]
        assert world.deliver_all() is Turn.DONE
        assert world.kato.sessions == {}
        assert world.record().state is SessionState.ENDED


def test_a_session_made_for_a_lost_lease_is_deleted_again() -> None:
    with World() as world:
        observe(world, "x")

        def lose(call: FakeCall) -> None:
            if call.verb == "create_session":
                world.store.advance(world.settings.lease)
                world.lanes.claim("a", most=1)

        world.kato.on_call = lose
        assert world.deliver() is Turn.LOST
        assert world.kato.verbs() == ["create_session", "delete_session"]
        assert world.kato.sessions == {}
        assert world.record().session_id is None


@pytest.mark.parametrize("error", [*NOT_MADE, *UNKNOWN], ids=name_of)
def test_a_session_that_could_not_be_made_is_made_later(error: KatoError) -> None:
    with World() as world:
        world.kato.fail("create_session", error)
        observe(world, "x")
        assert world.deliver() is Turn.PAUSED
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("x")


def test_a_session_that_its_server_does_not_make_waits_for_one_that_does() -> None:
    with World() as world:
        world.kato.fail("create_session", ConfigDropped("POST /sessions", "not taken: x", 200))
        observe(world, "x")
        assert world.deliver() is Turn.PAUSED
        assert world.record().parked is None
        assert world.deliver_all() is Turn.DONE
        assert world.observed() == strings("x")


def test_a_turn_that_is_over_leaves_the_rest_for_another() -> None:
    with World(turn=1e-9, batch_commands=1) as world:
        observe(world, "x", "y")
        assert world.deliver() is Turn.MORE
        assert world.observed() == strings("x")
        assert world.deliver_all() is Turn.DONE
        assert world.observed() == strings("x", "y")


def test_a_lane_at_work_is_left_alone() -> None:
    with World() as world:
        observe(world, "x")
        world.lanes.claim("a", most=1)
        assert world.deliver() is Turn.BUSY
        assert world.deliver("nobody") is Turn.UNKNOWN
        assert world.kato.calls == []


def test_two_deliverers_apply_every_command_once_and_in_order() -> None:
    with World(batch_commands=3) as world:
        names = [str(number) for number in range(150)]

        def work() -> None:
            deliverer = world.another_deliverer()
            while world.record().applied < len(names):
                deliverer.deliver("a")

        world.session().create()
        threads = [Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for name in names:
            observe(world, name)
        for thread in threads:
            thread.join()
        assert world.observed() == strings(*names)
        assert len(world.kato.sessions) == 1


def test_a_lane_waits_while_its_node_is_not_free() -> None:
    with World() as world:
        session = world.session(predictions="always")
        session.observe(["x"])
        hold = world.nodes.acquire(session.spec, wait=0)
        assert hold is not None
        assert world.deliver() is Turn.PAUSED
        assert world.kato.calls == []
        world.nodes.release(hold)
        assert world.deliver() is Turn.DONE
        assert session.spec.predictions is PredictionMode.ALWAYS
        assert world.nodes.acquire(session.spec, wait=0) is not None


def test_a_turn_gives_way_when_its_node_is_marked_on_the_way() -> None:
    """From then on the node's calls go one at a time, over all workers."""
    with World(batch_commands=1) as world:
        observe(world, "x", "y")
        always = world.session("b", node="a", predictions="always")

        def want_the_node(call: FakeCall) -> None:
            if call.verb == "observe":
                assert world.nodes.acquire(always.spec, wait=0) is None

        world.kato.on_call = want_the_node
        assert world.deliver() is Turn.MORE
        assert world.observed() == strings("x")
        hold = world.nodes.acquire(always.spec, wait=0)
        assert hold is not None
        assert world.deliver() is Turn.PAUSED
        world.nodes.release(hold)
        world.deliver_all()
        assert world.observed() == strings("x", "y")


def test_a_turn_ends_when_it_loses_its_node() -> None:
    with World(batch_commands=1) as world:
        session = world.session(predictions="always")
        session.observe_many([{"strings": ["x"]}, {"strings": ["y"]}])
        world.kato.on_call = lambda _: world.store.holds.clear()
        assert world.deliver() is Turn.MORE
        assert len(world.kato.calls) == 1


def test_a_server_that_is_set_to_learn_by_itself_is_known_to() -> None:
    """The create's answer says so, whatever the session's own config is."""
    with World() as world:
        world.kato.defaults = {"max_pattern_length": 2}
        observe(world, "x", "y", "z")
        world.deliver_all()
        assert world.sizes() == [1, 1, 1]


def test_a_step_whose_answer_was_lost_is_repeated() -> None:
    answers = iter((StoreUnavailable("redis://x", "gone"), StoreUnavailable("redis://x", "gone")))

    def step() -> str:
        for error in answers:
            raise error
        return "done"

    assert insist(step) == "done"


def test_a_step_is_not_repeated_for_ever() -> None:
    attempts = 0

    def step() -> None:
        nonlocal attempts
        attempts += 1
        raise StoreUnavailable("redis://x", "gone")

    with pytest.raises(StoreUnavailable):
        insist(step)
    assert attempts == 3


def test_ensuring_a_session_says_why_it_cannot_be_had() -> None:
    with World() as world:
        world.session().create()
        made = ensure_session(world.deliverer, world.registry, "a", timeout=5)
        assert made.session_id == "session-1"
        park(world)
        with pytest.raises(SessionParked):
            ensure_session(world.deliverer, world.registry, "a", timeout=5)
        with pytest.raises(WaitTimeout):
            ensure_session(world.deliverer, world.registry, "nobody", timeout=0)


def test_a_worker_that_does_not_know_the_instance_leaves_the_lane_to_others() -> None:
    with World(instances="default=http://a,new=http://b") as world:
        world.session(instance="new").observe(["x"])
        world.deliver()
        observe(world, "y")
        world.settings = world.settings.model_copy(update={"instances": {"default": "http://a"}})
        assert world.deliver() is Turn.PAUSED
        assert world.record().state is SessionState.ACTIVE
        world.settings = world.settings.model_copy(update={"instances": {"new": "http://b"}})
        assert world.deliver() is Turn.DONE


def test_leases_are_renewed_while_a_call_is_under_way() -> None:
    with World() as world:
        world.session(predictions="always").observe(["x"])

        def be_slow(call: FakeCall) -> None:
            for _ in range(3 if call.verb == "observe" else 0):
                world.store.advance(world.settings.lease * 0.6)
                world.lease_is_renewed()

        world.kato.on_call = be_slow
        assert world.deliver() is Turn.DONE
        assert world.observed() == strings("x")


def test_what_was_done_is_counted() -> None:
    with World() as world:
        observe(world, "x", "y")
        world.session().learn()
        world.session().learn()
        world.deliver()
        stats = world.registry.stats()
        assert stats.counts == {
            "calls": len(world.kato.calls),
            "applied": 3,
            "observations": 2,
            "observe_calls": 1,
            "dead_lettered": 1,
        }
        assert sum(stats.latency.values()) == 3


def test_delivering_until_a_position_stops_there_or_when_parked() -> None:
    with World() as world:
        observe(world, "x")
        done = deliver_until(world.deliverer, world.registry, "a", seq=1, timeout=5)
        assert done is not None
        assert done.applied == 1
        park(world)
        parked = deliver_until(world.deliverer, world.registry, "a", seq=2, timeout=5)
        assert parked is not None
        assert parked.parked == "why"
        assert deliver_until(world.deliverer, world.registry, "b", seq=1, timeout=5) is None


def test_delivering_until_a_position_gives_up_in_time_without_asking_without_rest() -> None:
    with World() as world:
        world.session().delete()
        world.deliver()
        asked: list[str] = []
        deliver = world.deliverer.deliver

        def count(key: str) -> Turn:
            asked.append(key)
            return deliver(key)

        world.deliverer.deliver = count  # type: ignore[method-assign]
        ended = deliver_until(world.deliverer, world.registry, "a", seq=None, timeout=0.1)
        assert ended is not None
        assert ended.state is SessionState.ENDED
        assert len(asked) <= 11
