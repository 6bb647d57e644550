"""Sessions that move to another instance, as the store has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lane_steps import (
    KEY,
    SPEC,
    LetPass,
    append,
    claim,
    deliver,
    end,
    foreign,
    group,
    intend,
    request,
    settlement,
)

from kato_tasks.errors import SessionConflict
from kato_tasks.lanes import Lanes
from kato_tasks.lives import Lives
from kato_tasks.models import (
    Appended,
    Bound,
    Claim,
    Departure,
    Journal,
    JournalEntry,
    Keep,
    Kind,
    Learning,
    NoClaim,
    NoMove,
    Rest,
    SessionRecord,
    SessionSpec,
    SessionState,
    Switch,
)
from kato_tasks.moves import Moves
from kato_tasks.registry import Registry

ME = "mover-1"
OTHER = "mover-2"
LEARNS = Learning(limit=4, rolling=True)
AWAY = Switch(
    session_id="sid-2", time=1, events=1, reason="moved", instance="green", learning=LEARNS
)


def bound(lanes: Lanes, *names: str) -> Claim:
    """Bind a session of which these wait, and keep its lease."""
    append(lanes, *(names or ("x",)))
    claimed = claim(lanes)
    lease = lanes.bind(claimed.lease, Bound(session_id="sid-1", learning=Learning(limit=9)))
    assert lease is not None
    return replace(claimed, lease=lease)


def record(registry: Registry) -> SessionRecord:
    found = registry.get(KEY)
    assert found is not None
    return found


def departure(moves: Moves, token: str = ME, seconds: float = 60.0) -> Departure:
    found = moves.depart(KEY, token, seconds=seconds)
    assert isinstance(found, Departure), found
    return found


def moved(lanes: Lanes) -> Claim:
    """Bind a session, and move it away; its lease is given back."""
    claimed = bound(lanes)
    assert lanes.switch(claimed.lease, 0, AWAY) is not None
    assert lanes.release(claimed.lease)
    return claimed


def insist_on(lanes: Lanes, instance: str) -> Appended | object:
    [answer] = lanes.append([request(KEY, group("more"), instance=instance)])
    return answer


# depart


def test_a_departure_tells_what_made_a_session_what_it_is(lanes: Lanes, moves: Moves) -> None:
    spec = replace(SPEC, config={"recall_threshold": 0.5}, ttl=60, tags=("t",))
    lanes.append([request(KEY, group("x", "y"), spec=spec)])
    claimed = claim(lanes)
    lease = lanes.bind(claimed.lease, Bound(session_id="sid-1", learning=LEARNS))
    assert lease is not None
    assert intend(lanes, replace(claimed, lease=lease, session_id="sid-1"))
    assert lanes.settle(lease, settlement(claimed, keep=Keep.COMMANDS, learned=3)) is not None
    entries = (JournalEntry(payload=b"x"), JournalEntry(kept=3))
    assert departure(moves) == Departure(
        spec=spec,
        session_id="sid-1",
        journal=Journal(entries=entries),
    )


@pytest.mark.with_settings(journal_entries=1)
def test_a_departure_tells_how_much_of_the_journal_was_cut_off(lanes: Lanes, moves: Moves) -> None:
    append(lanes, "x", "y")
    deliver(lanes, 2, keep=Keep.COMMANDS)
    assert departure(moves).journal == Journal(entries=(JournalEntry(payload=b"y"),), cut=1)


def test_a_session_that_was_never_made_may_depart(lanes: Lanes, moves: Moves) -> None:
    append(lanes, "x")
    assert departure(moves) == Departure(
        spec=SPEC,
        session_id=None,
        journal=Journal(entries=()),
    )


def test_a_session_that_sleeps_may_depart(lanes: Lanes, lives: Lives, moves: Moves) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    assert lanes.settle(claimed.lease, settlement(claimed, keep=Keep.COMMANDS)) is not None
    idle = lanes.claim(KEY, most=1, idle=True)
    assert isinstance(idle, Claim)
    assert lives.rest(idle.lease, Rest(state=SessionState.HIBERNATED))
    asleep = departure(moves)
    assert asleep.session_id is None
    assert asleep.journal.entries == (JournalEntry(payload=b"x"),)


def test_what_is_not_there_does_not_depart(lanes: Lanes, moves: Moves) -> None:
    assert moves.depart(KEY, ME, seconds=60) is NoMove.UNKNOWN
    end(lanes)
    assert moves.depart(KEY, ME, seconds=60) is NoMove.ENDED


def test_what_was_accepted_after_an_end_departs(lanes: Lanes, moves: Moves) -> None:
    end(lanes)
    append(lanes, "x")
    assert departure(moves).session_id is None


def test_a_parked_session_does_not_depart(lanes: Lanes, moves: Moves) -> None:
    append(lanes, "x")
    assert lanes.park(claim(lanes).lease, "by hand")
    assert moves.depart(KEY, ME, seconds=60) is NoMove.PARKED


def test_a_session_departs_with_one_mover_at_a_time(
    lanes: Lanes, moves: Moves, let_pass: LetPass
) -> None:
    append(lanes, "x")
    first = departure(moves, seconds=0.6)
    assert moves.depart(KEY, OTHER, seconds=60) is NoMove.MOVING
    assert departure(moves, seconds=0.6) == first
    let_pass(0.7)
    assert departure(moves, OTHER) == first
    assert moves.depart(KEY, ME, seconds=60) is NoMove.MOVING


def test_a_departure_leaves_deliveries_alone(lanes: Lanes, moves: Moves) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    departure(moves)
    assert intend(lanes, claimed)
    append(lanes, "y")
    settled = lanes.settle(claimed.lease, settlement(claimed, more=5))
    assert settled is not None
    assert [command.payload for command in settled[1]] == [b"y"]


# on the way


def test_a_session_on_its_way_shows_as_migrating(
    lanes: Lanes, moves: Moves, registry: Registry, let_pass: LetPass
) -> None:
    append(lanes, "x")
    departure(moves, seconds=0.6)
    assert record(registry).state is SessionState.MIGRATING
    assert [one.state for one in registry.walk()] == [SessionState.MIGRATING]
    assert moves.on_the_way(KEY, ME, seconds=1.2)
    let_pass(0.7)
    assert record(registry).state is SessionState.MIGRATING
    let_pass(0.6)
    assert record(registry).state is SessionState.NEW


def test_what_is_wrong_with_a_session_shows_before_that(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    departure(moves)
    assert lanes.release(claimed.lease, doubt="who knows")
    assert record(registry).state is SessionState.DOUBT
    assert lanes.park(claim(lanes).lease, "by hand")
    assert record(registry).state is SessionState.PARKED


def test_only_who_moves_a_session_may_say_so(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    assert not moves.on_the_way(KEY, ME, seconds=60)
    append(lanes, "x")
    assert not moves.on_the_way(KEY, ME, seconds=60)
    departure(moves)
    assert not moves.on_the_way(KEY, OTHER, seconds=60, give_way=60)
    assert moves.arrive(KEY, OTHER) is None
    assert record(registry).state is SessionState.MIGRATING


def test_a_turn_gives_way_after_the_call_that_it_is_in(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    append(lanes, "x", "y")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    departure(moves)
    assert moves.on_the_way(KEY, ME, seconds=60, give_way=60)
    assert lanes.settle(claimed.lease, settlement(claimed, more=5)) == (claimed.lease, ())
    assert (record(registry).applied, record(registry).waiting) == (1, 1)
    # Nobody is called to it: who moves it has it taken up again, or the sweep, if that has died.
    assert not append(lanes, "z").wake
    assert registry.stats().ready == 1
    assert claim(lanes).applied == 1


def test_it_gives_way_for_a_while(lanes: Lanes, moves: Moves, let_pass: LetPass) -> None:
    append(lanes, "x", "y", "z")
    claimed = claim(lanes)
    departure(moves)
    assert moves.on_the_way(KEY, ME, seconds=60, give_way=0.05)
    assert moves.on_the_way(KEY, ME, seconds=60)
    let_pass(0.06)
    assert intend(lanes, claimed)
    settled = lanes.settle(claimed.lease, settlement(claimed, more=5))
    assert settled is not None
    assert len(settled[1]) == 2


# arrive


def test_an_arrival_tells_how_many_commands_wait(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    append(lanes, "x", "y")
    departure(moves)
    assert moves.on_the_way(KEY, ME, seconds=60, give_way=60)
    assert moves.arrive(KEY, ME) == 2
    assert record(registry).state is SessionState.NEW
    assert moves.arrive(KEY, ME) is None
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    settled = lanes.settle(claimed.lease, settlement(claimed, more=5))
    assert settled is not None
    assert len(settled[1]) == 1
    departure(moves, OTHER)


def test_nobody_arrives_with_what_is_not_there(moves: Moves) -> None:
    assert moves.arrive(KEY, ME) is None


# relocate


def test_a_session_is_relocated_and_stays_what_it_is(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    claimed = bound(lanes)
    before = record(registry)
    lease = moves.relocate(claimed.lease, 0, "green", LEARNS)
    assert lease == replace(claimed.lease, epoch=2)
    after = record(registry)
    assert after.spec == replace(SPEC, instance="green")
    assert after == replace(before, spec=after.spec, epoch=2)
    assert registry.stats().counts == {"moved": 1}
    assert lanes.release(lease)
    again = claim(lanes)
    assert (again.spec.instance, again.learning) == ("green", LEARNS)
    assert (again.session_id, again.lease.epoch) == ("sid-1", 2)


def test_a_repeated_relocation_is_answered_again(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    claimed = bound(lanes)
    lease = moves.relocate(claimed.lease, 0, "green", LEARNS)
    assert moves.relocate(claimed.lease, 0, "green", LEARNS) == lease
    assert registry.stats().counts == {"moved": 1}
    assert record(registry).epoch == 2


def test_a_relocation_keeps_a_session_asleep(
    lanes: Lanes, lives: Lives, moves: Moves, registry: Registry
) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    assert lanes.settle(claimed.lease, settlement(claimed, keep=Keep.COMMANDS)) is not None
    idle = lanes.claim(KEY, most=1, idle=True)
    assert isinstance(idle, Claim)
    assert lives.rest(idle.lease, Rest(state=SessionState.HIBERNATED, stm=[["x"]]))
    again = lanes.claim(KEY, most=1, idle=True)
    assert isinstance(again, Claim)
    lease = moves.relocate(again.lease, 1, "green", Learning())
    assert lease is not None
    assert lanes.release(lease)
    assert record(registry).asleep
    append(lanes, "y")
    woken = claim(lanes)
    assert (woken.asleep, woken.stm, woken.spec.instance) == (True, [["x"]], "green")


def test_a_relocation_is_refused_to_others(lanes: Lanes, moves: Moves, registry: Registry) -> None:
    claimed = bound(lanes)
    assert moves.relocate(foreign(claimed.lease), 0, "green", LEARNS) is None
    assert moves.relocate(replace(claimed.lease, epoch=7), 0, "green", LEARNS) is None
    assert moves.relocate(claimed.lease, 1, "green", LEARNS) is None
    assert record(registry).spec.instance == "default"


def test_a_relocation_is_refused_while_a_call_is_in_doubt(
    lanes: Lanes, moves: Moves, registry: Registry
) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    assert moves.relocate(claimed.lease, 0, "green", LEARNS) is None
    assert record(registry).spec.instance == "default"


@pytest.mark.with_settings(lease=0.05)
def test_a_relocation_is_refused_once_the_lease_is_lost(
    lanes: Lanes, moves: Moves, let_pass: LetPass
) -> None:
    claimed = bound(lanes)
    let_pass(0.06)
    assert moves.relocate(claimed.lease, 0, "green", LEARNS) is None


# switch


def test_a_switch_to_another_instance_is_a_move(lanes: Lanes, registry: Registry) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    lease = lanes.switch(claimed.lease, 0, AWAY)
    assert lease == replace(claimed.lease, epoch=2)
    after = record(registry)
    assert (after.spec.instance, after.session_id, after.time) == ("green", "sid-2", 1)
    # It was not made anew because something was wrong with it.
    assert (after.rehomed, after.why) == (0, None)
    assert registry.stats().counts == {"moved": 1}
    assert lanes.release(lease)
    again = claim(lanes)
    assert (again.learning, again.events, again.intent) == (LEARNS, 1, None)


def test_a_repeated_switch_is_answered_again(lanes: Lanes, registry: Registry) -> None:
    claimed = bound(lanes)
    lease = lanes.switch(claimed.lease, 0, AWAY)
    assert lanes.switch(claimed.lease, 0, AWAY) == lease
    assert registry.stats().counts == {"moved": 1}
    assert record(registry).epoch == 2


def test_a_switch_on_its_own_instance_leaves_the_session_there(
    lanes: Lanes, registry: Registry
) -> None:
    claimed = bound(lanes)
    anew = Switch(session_id="sid-2", time=1, events=1, reason="lost")
    lease = lanes.switch(claimed.lease, 0, anew)
    assert lease is not None
    assert record(registry).spec == SPEC
    assert registry.stats().counts == {"rehomed": 1}
    assert lanes.release(lease)
    assert claim(lanes).learning == Learning(limit=9)


@pytest.mark.parametrize("asked", ["token", "epoch", "position"])
def test_a_move_is_refused_to_others(lanes: Lanes, registry: Registry, asked: str) -> None:
    claimed = bound(lanes)
    answers: dict[str, Any] = {
        "token": lambda: lanes.switch(foreign(claimed.lease), 0, AWAY),
        "epoch": lambda: lanes.switch(replace(claimed.lease, epoch=0), 0, AWAY),
        "position": lambda: lanes.switch(claimed.lease, 1, AWAY),
    }
    assert answers[asked]() is None
    after = record(registry)
    assert (after.spec.instance, after.session_id) == ("default", "sid-1")
    assert registry.stats().counts == {}


def test_who_was_frozen_over_a_move_settles_nothing(lanes: Lanes, registry: Registry) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    assert lanes.switch(claimed.lease, 0, AWAY) is not None
    assert lanes.settle(claimed.lease, settlement(claimed)) is None
    assert not intend(lanes, claimed)
    assert lanes.bind(claimed.lease, Bound(session_id="sid-3")) is None
    assert record(registry).session_id == "sid-2"


# append


def test_who_names_the_instance_of_a_session_goes_on_to_mean_it_after_a_move(
    lanes: Lanes,
) -> None:
    moved(lanes)
    assert isinstance(insist_on(lanes, "default"), Appended)
    assert isinstance(insist_on(lanes, "green"), Appended)
    conflict = insist_on(lanes, "blue")
    assert isinstance(conflict, SessionConflict)
    assert (conflict.field, conflict.known, conflict.asked) == ("instance", "green", "blue")


def test_that_is_the_instance_it_was_placed_on_however_often_it_moves(
    lanes: Lanes, moves: Moves
) -> None:
    moved(lanes)
    claimed = claim(lanes)
    assert moves.relocate(claimed.lease, 0, "blue", LEARNS) is not None
    assert isinstance(insist_on(lanes, "default"), Appended)
    assert isinstance(insist_on(lanes, "blue"), Appended)
    assert isinstance(insist_on(lanes, "green"), SessionConflict)


def test_a_node_named_so_is_no_instance(lanes: Lanes) -> None:
    moved(lanes)
    [answer] = lanes.append([request(KEY, group("x"), node="default")])
    assert isinstance(answer, SessionConflict)


def test_a_new_life_forgets_where_the_last_one_was_placed(lanes: Lanes, registry: Registry) -> None:
    moved(lanes)
    end_of(lanes)
    there = SessionSpec(node="n", instance="blue")
    [answer] = lanes.append([request(KEY, group("x"), spec=there)])
    assert isinstance(answer, Appended)
    assert record(registry).spec == there
    assert isinstance(insist_on(lanes, "default"), SessionConflict)
    assert isinstance(insist_on(lanes, "green"), SessionConflict)
    assert isinstance(insist_on(lanes, "blue"), Appended)


def end_of(lanes: Lanes) -> None:
    """End the session that is there, with all that waits."""
    lanes.append([request(KEY, group("", kind=Kind.DELETE))])
    claimed = claim(lanes)
    size = len(claimed.commands)
    assert intend(lanes, claimed, size)
    assert lanes.settle(claimed.lease, settlement(claimed, size, unbind=True)) is not None


def test_who_moves_a_session_may_take_an_empty_lane(lanes: Lanes, moves: Moves) -> None:
    append(lanes, "x")
    deliver(lanes, 1)
    departure(moves)
    assert lanes.claim(KEY, most=1) is NoClaim.EMPTY
    claimed = lanes.claim(KEY, most=1, idle=True)
    assert isinstance(claimed, Claim)
    assert moves.relocate(claimed.lease, 1, "green", Learning()) is not None
    assert lanes.release(claimed.lease)
    assert moves.arrive(KEY, ME) == 0
    assert lanes.claim(KEY, most=1) is NoClaim.EMPTY
