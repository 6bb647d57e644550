"""What a producer does with a session."""

from __future__ import annotations

import re
from typing import Any

import pytest
from memory_world import World, strings

from kato_tasks.delivery.memory import pattern_name
from kato_tasks.errors import (
    CallRejected,
    CommandRefused,
    InvalidInput,
    LaneFull,
    ReceiptLost,
    SessionConflict,
    SessionParked,
    WaitTimeout,
)
from kato_tasks.kato import Predictions
from kato_tasks.models import Kind, SessionState, Turn
from kato_tasks.sessions import Applied, Receipt, group_commands

SOME = Predictions(predictions=({"name": "PTRN|1"},), future_potentials=())


def many(count: int) -> list[dict[str, list[str]]]:
    return [{"strings": [str(number)]} for number in range(count)]


def test_a_command_is_accepted_with_a_receipt_and_a_wake_up() -> None:
    with World() as world:
        receipt = world.session().observe(["x"], emotives={"joy": 1})
        assert (receipt.key, receipt.first, receipt.seq, receipt.added) == ("a", 1, 1, 1)
        assert not receipt.applied
        assert world.wake.calls == [("a",)]
        assert world.session().learn().seq == 2
        assert world.wake.calls == [("a",)]


def test_commands_without_an_id_are_all_different() -> None:
    with World() as world:
        receipts = [world.session().observe(["x"]) for _ in range(3)]
        assert len({receipt.command_id for receipt in receipts}) == 3
        assert [receipt.seq for receipt in receipts] == [1, 2, 3]


def test_a_repeated_command_answers_its_first_receipt() -> None:
    with World() as world:
        first = world.session().observe(["x"], command_id="c")
        world.session().observe(["y"])
        again = world.session().observe(["x"], command_id="c")
        assert again.repeated
        assert (again.command_id, again.first, again.seq) == ("c", first.first, first.seq)
        assert world.record().appended == 2


@pytest.mark.parametrize("count", [1, 500, 501, 1200])
def test_a_long_call_goes_in_parts_under_one_id_and_repeated_adds_nothing(count: int) -> None:
    with World() as world:
        first = world.session().observe_many(many(count), command_id="c")
        assert (first.first, first.seq, first.added, first.command_id) == (1, count, count, "c")
        again = world.session().observe_many(many(count), command_id="c")
        assert (again.first, again.seq, again.added) == (1, count, 0)
        world.deliver_all()
        assert world.observed() == strings(*map(str, range(count)))


def test_a_call_without_observations_is_refused() -> None:
    with World() as world:
        with pytest.raises(InvalidInput, match="observations are empty; allowed: at least one"):
            world.session().observe_many([])
        assert world.session().info() is None


def test_one_bad_observation_refuses_the_whole_call() -> None:
    with World() as world:
        with pytest.raises(InvalidInput, match=r"observation 1: strings\[0\] is 1"):
            world.session().observe_many([{"strings": ["x"]}, {"strings": [1]}])
        with pytest.raises(InvalidInput, match="command_id is empty"):
            world.session().learn(command_id="")
        assert world.session().info() is None


def test_another_node_is_a_conflict() -> None:
    with World() as world:
        world.session(node="n").observe(["x"])
        world.session().observe(["y"])
        with pytest.raises(SessionConflict, match="already has the node 'n', not 'm'"):
            world.session(node="m").observe(["z"])
        with pytest.raises(SessionConflict):
            world.session(node="m").create()


def test_the_other_sessions_of_a_call_stand_beside_a_conflict_and_are_called_to() -> None:
    with World() as world:
        world.session("a", node="n").learn()
        requests = [
            session.request(group_commands(Kind.LEARN, (b"",), None))
            for session in (world.session("a", node="m"), world.session("b"))
        ]
        conflict, receipt = world.sessions.intake.accept_each(requests)
        assert isinstance(conflict, SessionConflict)
        assert isinstance(receipt, Receipt)
        assert world.wake.calls == [("a",), ("b",)]
        with pytest.raises(SessionConflict):
            world.sessions.intake.accept(requests)


def test_a_request_without_commands_is_refused_with_all_others() -> None:
    with World() as world:
        fine = world.session("a").request(group_commands(Kind.LEARN, (b"",), None))
        with pytest.raises(InvalidInput, match="at least one"):
            world.sessions.intake.accept([fine, world.session("b").request(())])
        assert world.session("a").info() is None


def test_creating_a_session_has_it_made_once() -> None:
    with World() as world:
        world.session(config={"recall_threshold": 0.5}).create()
        assert world.wake.calls == [("a",)]
        assert world.deliver_all() is Turn.DONE
        world.session().create()
        assert world.deliver() is Turn.DONE
        assert world.kato.verbs() == ["create_session"]
        [made] = world.kato.sessions.values()
        assert made.config == {"recall_threshold": 0.5, "process_predictions": False}
        assert world.record().state is SessionState.ACTIVE


def test_waiting_tells_of_any_command_that_was_refused() -> None:
    """Not of the last one only: the others took effect."""
    with World() as world:
        world.kato.refused = {b'{"strings":["1"]}'}
        receipt = world.session().observe_many(many(3))
        world.deliver_all()
        with pytest.raises(CommandRefused) as refusal:
            receipt.wait(timeout=1)
        assert refusal.value.seq == 2


def test_a_long_call_is_cut_for_the_store_and_answered_whole() -> None:
    with World() as world:
        receipt = world.session().observe_many(many(4_321), command_id="long")
        assert (receipt.first, receipt.seq, receipt.added) == (1, 4_321, 4_321)
        again = world.session().observe_many(many(4_321), command_id="long")
        assert (again.first, again.seq, again.added) == (1, 4_321, 0)


def test_a_session_created_after_its_end_is_made_anew() -> None:
    """The end still waits in the lane when the new life is asked for."""
    with World() as world:
        world.session().observe(["x"])
        world.deliver_all()
        world.session().delete()
        world.session().create()
        world.deliver_all()
        assert world.kato.verbs().count("create_session") == 2
        assert world.record().state is SessionState.ACTIVE


def test_an_end_before_the_session_was_made_leaves_nothing_to_make() -> None:
    with World() as world:
        world.session().create()
        world.session().delete()
        assert world.deliver_all() is Turn.DONE
        assert world.deliver() is Turn.DONE
        assert world.kato.calls == []
        assert world.record().state is SessionState.ENDED


def test_a_receipt_waits_until_its_command_has_taken_effect() -> None:
    with World() as world:
        observed, learned = world.session().observe(["x", "y"]), world.session().learn()
        world.deliver()
        assert observed.applied
        assert observed.wait(timeout=0) == Applied(seq=1)
        assert learned.wait(timeout=0) == Applied(seq=2, pattern=pattern_name([("x", "y")]))


def test_a_receipt_waits_in_vain_without_a_worker() -> None:
    with World() as world:
        receipt = world.session().observe(["x"])
        with pytest.raises(WaitTimeout, match="command 1 of session 'a'; 0 of 1 commands are"):
            receipt.wait(timeout=0.02)


def test_a_receipt_tells_of_a_refusal() -> None:
    with World() as world:
        receipt = world.session().learn()
        world.deliver()
        assert receipt.applied
        with pytest.raises(CommandRefused, match=r"command 1 of session 'a': .*empty STM"):
            receipt.wait(timeout=0)


def test_a_receipt_tells_of_parking_unless_its_own_command_was_applied() -> None:
    with World(anomaly="park") as world:
        session = world.session()
        fine = session.observe(["x"])
        world.deliver()
        world.kato.answer_time(7)
        waiting = session.observe(["y"])
        world.deliver()
        assert fine.wait(timeout=0) == Applied(seq=1)
        with pytest.raises(SessionParked, match="the server's time is 7, not 2"):
            waiting.wait(timeout=1)


def test_a_receipt_tells_that_the_store_has_lost_its_command() -> None:
    with World() as world:
        session = world.session()
        kept, lost = session.observe(["x"]), session.observe(["y"])
        entry = world.store.entry("a")
        entry.appended, entry.commands = 1, entry.commands[:1]
        del entry.ids[lost.command_id]
        world.deliver()
        assert kept.wait(timeout=0) == Applied(seq=1)
        with pytest.raises(ReceiptLost, match="command 2 of session 'a'"):
            lost.wait(timeout=0)
        again = session.observe(["z"])
        world.deliver()
        assert again.seq == lost.seq
        assert again.wait(timeout=0) == Applied(seq=2)
        with pytest.raises(ReceiptLost):
            lost.wait(timeout=0)


def test_a_full_lane_takes_nothing_and_says_so() -> None:
    with World(lane_commands=2) as world:
        session = world.session()
        first = session.observe_many([{"strings": ["x"]}, {"strings": ["y"]}], command_id="c")
        with pytest.raises(LaneFull, match="2 commands of session 'a' wait already, of 2"):
            session.observe(["z"])
        again = session.observe_many([{"strings": ["x"]}, {"strings": ["y"]}], command_id="c")
        assert (again.seq, again.repeated) == (first.seq, True)
        world.deliver()
        assert session.observe(["z"]).seq == 3


def test_a_session_is_configured_in_its_turn() -> None:
    with World() as world:
        session = world.session(config={"recall_threshold": 0.5})
        session.observe(["x"])
        session.configure({"max_predictions": 7})
        world.deliver()
        [made] = world.kato.sessions.values()
        assert made.config == {
            "recall_threshold": 0.5,
            "process_predictions": False,
            "max_predictions": 7,
        }
        assert world.record().spec.config == {"recall_threshold": 0.5, "max_predictions": 7}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "config is empty; allowed: at least one key."),
        ({"recall_threshold": 2.0}, "config.recall_threshold is 2.0"),
        ({"process_predictions": True}, "cannot be changed while the session lives"),
    ],
)
def test_a_change_of_config_that_a_server_would_not_take_is_refused(
    config: dict[str, Any], sentence: str
) -> None:
    with World() as world:
        with pytest.raises(InvalidInput, match=re.escape(sentence)):
            world.session().configure(config)
        assert world.session().info() is None


def test_predictions_are_asked_for_after_the_delivery() -> None:
    with World() as world:
        world.kato.forecast = SOME
        session = world.session()
        first = session.observe(["x"])
        with pytest.raises(WaitTimeout):
            session.predictions(timeout=0.02)
        world.deliver()
        assert session.predictions(timeout=0) == SOME
        session.observe(["y"])
        assert session.predictions(after=first, timeout=0) == SOME
        with pytest.raises(WaitTimeout):
            session.predictions(timeout=0.02)


def test_there_are_no_predictions_for_a_session_that_no_server_has() -> None:
    with World() as world:
        world.kato.forecast = SOME
        session = world.session()
        assert session.predictions(timeout=0).predictions == ()
        session.observe(["x"])
        session.delete()
        world.deliver()
        assert session.predictions(timeout=0).predictions == ()


def test_predictions_wait_for_a_node_whose_calls_go_one_at_a_time() -> None:
    with World() as world:
        session = world.session(predictions="always")
        session.observe(["x"])
        world.deliver()
        hold = world.nodes.acquire(session.spec, wait=0)
        assert hold is not None
        with pytest.raises(WaitTimeout, match="node 'a'"):
            session.predictions(timeout=0.02)
        world.nodes.release(hold)
        session.predictions(timeout=0)
        assert world.nodes.acquire(session.spec, wait=0) is not None


def test_a_refused_question_gives_the_node_back() -> None:
    with World() as world:
        session = world.session(predictions="always")
        session.observe(["x"])
        world.deliver()
        world.kato.fail("predictions", CallRejected("GET", "no", 400))
        with pytest.raises(CallRejected):
            session.predictions(timeout=0)
        assert world.nodes.acquire(session.spec, wait=0) is not None
