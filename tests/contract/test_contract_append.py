"""Accepting commands."""

from __future__ import annotations

import pytest
from lane_steps import (
    KEY,
    SPEC,
    append,
    claim,
    deliver,
    end,
    group,
    intend,
    payloads,
    request,
    settlement,
)

from kato_tasks.errors import SessionConflict
from kato_tasks.lanes import Lanes
from kato_tasks.models import Accepted, Append, Appended, Bound, Kind, SessionSpec, SessionState
from kato_tasks.registry import Registry


def test_commands_are_numbered_from_1_in_order_across_kinds(lanes: Lanes) -> None:
    groups = [
        group("x", "y"),
        group("", kind=Kind.LEARN),
        group("", kind=Kind.CLEAR_STM),
        group("z"),
    ]
    [answer] = lanes.append([request(KEY, *groups)])
    assert isinstance(answer, Appended)
    assert [(one.first, one.last) for one in answer.groups] == [(1, 2), (3, 3), (4, 4), (5, 5)]
    kinds = "".join(command.kind.value for command in claim(lanes).commands)
    assert kinds == "oolco"


def test_sessions_are_numbered_each_for_itself(lanes: Lanes) -> None:
    append(lanes, "x", "y", key="a")
    assert append(lanes, "z", key="b").groups == (Accepted(first=1, last=1, repeated=False),)
    assert payloads(claim(lanes, "a")) == ["x", "y"]
    assert payloads(claim(lanes, "b")) == ["z"]


def test_a_repeated_group_answers_its_first_receipt_and_adds_nothing(lanes: Lanes) -> None:
    append(lanes, "x", "y", command_id="c")
    append(lanes, "z")
    again = append(lanes, "x", "y", command_id="c")
    assert again == Appended(groups=(Accepted(first=1, last=2, repeated=True),), wake=False)
    assert payloads(claim(lanes)) == ["x", "y", "z"]


def test_a_group_repeated_among_new_ones_adds_nothing(lanes: Lanes) -> None:
    old = group("x")
    lanes.append([request(KEY, old)])
    [answer] = lanes.append([request(KEY, group("y"), old, group("z"), old)])
    assert isinstance(answer, Appended)
    assert [one.repeated for one in answer.groups] == [False, True, False, True]
    assert [one.first for one in answer.groups] == [2, 1, 3, 1]
    assert payloads(claim(lanes)) == ["x", "y", "z"]


def test_a_group_given_twice_in_one_call_counts_once(lanes: Lanes) -> None:
    twice = group("x", "y")
    first, second = lanes.append([request(KEY, twice, twice), request(KEY, twice)])
    assert isinstance(first, Appended)
    assert isinstance(second, Appended)
    assert [one.repeated for one in (*first.groups, *second.groups)] == [False, True, True]
    assert payloads(claim(lanes)) == ["x", "y"]


def test_a_command_id_is_known_after_its_delivery_too(lanes: Lanes) -> None:
    append(lanes, "x", command_id="c")
    deliver(lanes, 1)
    assert append(lanes, "x", command_id="c").groups[0].repeated


def test_the_same_command_id_in_another_session_is_another_command(lanes: Lanes) -> None:
    append(lanes, "x", key="a", command_id="c")
    assert not append(lanes, "x", key="b", command_id="c").groups[0].repeated


@pytest.mark.with_settings(dedup_ids=2)
def test_a_session_remembers_so_many_ids_and_forgets_the_oldest(lanes: Lanes) -> None:
    for name in ("c1", "c2", "c3"):
        append(lanes, "x", command_id=name)
    assert append(lanes, "x", command_id="c2").groups[0].repeated
    assert append(lanes, "x", command_id="c3").groups[0].repeated
    assert append(lanes, "x", command_id="c1").groups[0].first == 4


def test_a_wake_up_is_asked_for_once_while_a_lane_is_idle(lanes: Lanes) -> None:
    assert append(lanes, "x").wake
    assert not append(lanes, "y").wake
    claimed = claim(lanes)
    assert not append(lanes, "z").wake
    assert intend(lanes, claimed, 3)
    assert not append(lanes, "w").wake
    lanes.settle(claimed.lease, settlement(claimed, 3))
    assert not append(lanes, "v").wake
    deliver(lanes, 2)
    assert append(lanes, "u").wake


def test_a_repeated_append_asks_for_no_wake_up(lanes: Lanes) -> None:
    append(lanes, "x", command_id="c")
    deliver(lanes, 1)
    assert not append(lanes, "x", command_id="c").wake


def test_another_node_or_instance_is_a_conflict_and_changes_nothing(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x")
    before = registry.get(KEY)
    node, instance, same = lanes.append(
        [
            request(KEY, group("y"), node="m"),
            request(KEY, group("z"), instance="other"),
            request(KEY, node="n", instance="default"),
        ]
    )
    assert isinstance(node, SessionConflict)
    assert node.args == (KEY, "node", "n", "m")
    assert isinstance(instance, SessionConflict)
    assert instance.args == (KEY, "instance", "default", "other")
    assert same == Appended(groups=(), wake=False)
    assert registry.get(KEY) == before


def test_the_other_requests_of_a_call_stand_beside_a_conflict(lanes: Lanes) -> None:
    append(lanes, "x")
    answers = lanes.append(
        [request("b", group("1")), request(KEY, group("2"), node="m"), request("c", group("3"))]
    )
    assert [isinstance(answer, Appended) and answer.wake for answer in answers] == [
        True,
        False,
        True,
    ]
    assert payloads(claim(lanes, "b")) == ["1"]
    assert payloads(claim(lanes, KEY)) == ["x"]
    assert payloads(claim(lanes, "c")) == ["3"]


def test_a_spec_counts_at_the_first_use_only(lanes: Lanes, registry: Registry) -> None:
    append(lanes, "x")
    lanes.append([Append(key=KEY, spec=SessionSpec(node="m", instance="other", ttl=5))])
    record = registry.get(KEY)
    assert record is not None
    assert record.spec == SPEC


def test_a_session_may_be_registered_without_a_command(lanes: Lanes, registry: Registry) -> None:
    assert lanes.append([request(KEY)]) == [Appended(groups=(), wake=False)]
    record = registry.get(KEY)
    assert record is not None
    assert (record.state, record.appended, record.session_id) == (SessionState.NEW, 0, None)


def test_a_session_to_be_made_is_work_until_it_is_bound(lanes: Lanes) -> None:
    assert lanes.append([request(KEY, bind=True)]) == [Appended(groups=(), wake=True)]
    claimed = claim(lanes)
    assert claimed.commands == ()
    bound = lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    assert bound is not None
    assert lanes.release(bound)
    assert lanes.claim(KEY, most=1) == "empty"
    assert lanes.append([request(KEY, bind=True)]) == [Appended(groups=(), wake=False)]


def test_after_its_end_a_session_starts_anew_with_its_counters_going_on(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", "y")
    end(lanes)
    other = SessionSpec(node="m", instance="other")
    [answer] = lanes.append([request(KEY, group("z"), spec=other, node="m", instance="other")])
    assert answer == Appended(groups=(Accepted(first=4, last=4, repeated=False),), wake=True)
    record = registry.get(KEY)
    assert record is not None
    assert (record.spec, record.state) == (other, SessionState.NEW)
    assert (record.session_id, record.applied, record.epoch) == (None, 3, 2)


def test_a_repeated_append_does_not_revive_an_ended_session(
    lanes: Lanes, registry: Registry
) -> None:
    append(lanes, "x", command_id="c")
    end(lanes)
    assert append(lanes, "x", command_id="c").groups[0].repeated
    record = registry.get(KEY)
    assert record is not None
    assert record.state is SessionState.ENDED
    assert registry.stats().sessions == 0


def test_an_end_before_the_session_was_made_leaves_nothing_to_make(lanes: Lanes) -> None:
    lanes.append([request(KEY, bind=True)])
    lanes.append([request(KEY, group("", kind=Kind.DELETE))])
    deliver(lanes, 1, unbind=True)
    assert lanes.claim(KEY, most=1) == "empty"


def test_a_request_longer_than_one_script_is_accepted_whole(
    lanes: Lanes, registry: Registry
) -> None:
    parts = [group(*["x"] * 500) for _ in range(9)]
    [answer] = lanes.append([request(KEY, *parts)])
    assert isinstance(answer, Appended)
    assert [one.first for one in answer.groups] == list(range(1, 4_500, 500))
    assert answer.wake
    progress = registry.progress(KEY)
    assert progress is not None
    assert progress.appended == 4_500
