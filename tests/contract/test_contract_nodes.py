"""Who may call a node, and who may learn on it."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import pytest
import redis
from lane_steps import FOREIGN, SPEC, LetPass, append, claim, foreign, intend

from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.models import Lease, PredictionMode, SessionSpec
from kato_tasks.nodes import NodeHold, Nodes
from kato_tasks.scripts import Runner, care_calls
from kato_tasks.settings import Settings

ALWAYS = replace(SPEC, predictions=PredictionMode.ALWAYS)

only_valkey = pytest.mark.parametrize("backend", ["valkey"], indirect=True)


def hold_of(nodes: Nodes, spec: SessionSpec = ALWAYS) -> NodeHold:
    hold = nodes.acquire(spec, wait=0)
    assert hold is not None
    return hold


def lease_of(lanes: Lanes, key: str, *, in_doubt: bool = False) -> Lease:
    """Claim a lane, and maybe leave a call in doubt."""
    append(lanes, "1", key=key)
    claimed = claim(lanes, key)
    if in_doubt:
        assert intend(lanes, claimed)
    return claimed.lease


@pytest.mark.with_settings(node_calls=3)
def test_as_many_may_call_a_node_as_the_setting_says(nodes: Nodes) -> None:
    holds = [hold_of(nodes, SPEC) for _ in range(3)]
    assert not any(hold.alone for hold in holds)
    assert nodes.acquire(SPEC, wait=0.02) is None
    nodes.release(holds[1])
    assert nodes.acquire(SPEC, wait=0) is not None
    assert nodes.acquire(SPEC, wait=0) is None


def test_a_marked_node_is_held_by_one_at_a_time(nodes: Nodes) -> None:
    hold = hold_of(nodes)
    assert hold.alone
    assert nodes.acquire(SPEC, wait=0) is None
    assert nodes.acquire(ALWAYS, wait=0.02) is None
    nodes.release(hold)
    assert hold_of(nodes, SPEC).alone
    assert nodes.acquire(SPEC, wait=0) is None


@pytest.mark.with_settings(node_calls=1)
def test_a_limit_of_one_gives_the_node_alone(nodes: Nodes) -> None:
    assert hold_of(nodes, SPEC).alone
    assert not nodes.is_marked(SPEC)


def test_the_first_who_needs_the_node_alone_waits_for_all_others(nodes: Nodes) -> None:
    others = [hold_of(nodes, SPEC) for _ in range(2)]
    assert not nodes.is_marked(SPEC)
    for hold in others:
        assert nodes.acquire(ALWAYS, wait=0) is None
        assert nodes.is_marked(SPEC)
        nodes.release(hold)
    assert hold_of(nodes).alone


def test_who_needs_the_node_alone_gets_it_although_others_keep_coming(nodes: Nodes) -> None:
    """From the mark on they wait as it does; before, they would always have been one more."""
    current = hold_of(nodes, SPEC)
    got: list[NodeHold | None] = []
    thread = Thread(target=lambda: got.append(nodes.acquire(ALWAYS, wait=10)))
    thread.start()
    for _ in range(1000):
        following = nodes.acquire(SPEC, wait=0)
        nodes.release(current)
        if following is None:
            break
        current = following
    thread.join()
    assert got[0] is not None


def test_names_that_fold_alike_are_one_node(nodes: Nodes) -> None:
    hold_of(nodes, replace(ALWAYS, node="a-b"))
    assert nodes.is_marked(replace(SPEC, node="a.b"))
    assert nodes.acquire(replace(SPEC, node="a_b"), wait=0) is None


def test_the_same_node_on_another_instance_is_another(nodes: Nodes) -> None:
    hold_of(nodes)
    assert nodes.acquire(replace(ALWAYS, instance="other"), wait=0) is not None


@pytest.mark.with_settings(lease=0.3)
@pytest.mark.parametrize("spec", [SPEC, ALWAYS])
def test_a_hold_ends_with_its_lease(nodes: Nodes, let_pass: LetPass, spec: SessionSpec) -> None:
    first = hold_of(nodes, spec)
    let_pass(0.18)
    assert nodes.renew(first)
    let_pass(0.18)
    assert nodes.acquire(ALWAYS, wait=0) is None
    let_pass(0.18)
    hold_of(nodes)
    assert not nodes.renew(first)


@pytest.mark.with_settings(lease=0.1)
def test_a_hold_may_be_longer_than_the_lease_and_is_never_shortened(
    nodes: Nodes, let_pass: LetPass
) -> None:
    long = nodes.acquire(SPEC, wait=0, keep=5)
    assert long is not None
    assert nodes.renew(long)
    hold_of(nodes, SPEC)
    let_pass(0.15)
    assert nodes.acquire(ALWAYS, wait=0) is None
    nodes.release(long)
    assert nodes.acquire(ALWAYS, wait=0) is not None


def test_a_hold_is_given_back_by_its_owner_only(nodes: Nodes) -> None:
    hold = hold_of(nodes)
    nodes.release(replace(hold, token=FOREIGN))
    assert nodes.acquire(ALWAYS, wait=0) is None
    nodes.release(hold)
    nodes.release(hold)
    assert nodes.acquire(ALWAYS, wait=0) is not None


@pytest.mark.with_settings(retention=0.1)
def test_a_mark_goes_after_its_time(nodes: Nodes, let_pass: LetPass) -> None:
    nodes.release(hold_of(nodes))
    assert nodes.is_marked(SPEC)
    let_pass(0.11)
    assert not nodes.is_marked(SPEC)
    assert not hold_of(nodes, SPEC).alone


@only_valkey
def test_a_share_that_is_taken_twice_is_one(
    runner: Runner, settings: Settings, nodes: Nodes
) -> None:
    """As when the store executes a script twice."""
    keys = Keys(prefix=settings.prefix, shards=1)
    holders, mark = keys.holders("default", "n"), keys.alone("default", "n")
    call = care_calls.share(
        holders, mark, FOREIGN, keep=5, limit=1, alone=True, mark_kept=settings.retention
    )
    assert [runner.run(call), runner.run(call)] == [2, 2]
    nodes.release(NodeHold(holders=holders, token=FOREIGN))
    assert nodes.acquire(ALWAYS, wait=0) is not None


@only_valkey
@pytest.mark.with_settings(lease=5.0)
def test_the_holders_of_a_node_go_with_the_last_of_them(
    nodes: Nodes, store: redis.Redis, settings: Settings
) -> None:
    holders = hold_of(nodes, SPEC).holders
    nodes.acquire(SPEC, wait=0, keep=9)
    nodes.acquire(SPEC, wait=0, keep=1)
    assert settings.lease < float(store.pttl(holders)) / 1000 <= 9


def test_one_session_at_a_time_may_learn_on_a_node(nodes: Nodes, lanes: Lanes) -> None:
    a, b = lease_of(lanes, "a"), lease_of(lanes, "b")
    assert nodes.take_learning(SPEC, a)
    assert not nodes.take_learning(SPEC, b)
    assert not nodes.take_learning(replace(SPEC, tags=("other",)), b)
    assert nodes.take_learning(replace(SPEC, node="m"), b)
    assert nodes.take_learning(replace(SPEC, instance="other"), b)


def test_the_right_to_learn_is_given_back_by_its_holder_only(nodes: Nodes, lanes: Lanes) -> None:
    a, b = lease_of(lanes, "a"), lease_of(lanes, "b")
    nodes.give_learning(SPEC, a)
    assert nodes.take_learning(SPEC, a)
    nodes.give_learning(SPEC, b)
    assert not nodes.take_learning(SPEC, b)
    nodes.give_learning(SPEC, a)
    assert nodes.take_learning(SPEC, b)


@pytest.mark.with_settings(learning_kept=0.3, lease=0.01)
def test_the_right_to_learn_outlives_the_lease_of_a_call_in_doubt(
    nodes: Nodes, lanes: Lanes, let_pass: LetPass
) -> None:
    """Taking it again renews it."""
    a, b = lease_of(lanes, "a", in_doubt=True), lease_of(lanes, "b")
    assert nodes.take_learning(SPEC, a)
    let_pass(0.18)
    assert nodes.take_learning(SPEC, a)
    let_pass(0.18)
    assert not nodes.take_learning(SPEC, b)
    let_pass(0.18)
    assert nodes.take_learning(SPEC, b)


@pytest.mark.with_settings(learning_kept=0.05, lease=0.01)
def test_the_right_to_learn_is_taken_again_only_if_nobody_has_had_it_meanwhile(
    nodes: Nodes, lanes: Lanes, let_pass: LetPass
) -> None:
    """It may run out while a call is in doubt; that matters once another has learned."""
    a, b = lease_of(lanes, "a", in_doubt=True), lease_of(lanes, "b")
    assert not nodes.take_learning(SPEC, a, again=True)
    assert nodes.take_learning(SPEC, a)
    let_pass(0.06)
    assert nodes.take_learning(SPEC, a, again=True)
    let_pass(0.06)
    assert nodes.take_learning(SPEC, b)
    assert not nodes.take_learning(SPEC, a, again=True)
    nodes.give_learning(SPEC, b)
    assert not nodes.take_learning(SPEC, a, again=True)


@pytest.mark.with_settings(lease=0.3)
def test_the_right_to_learn_of_one_who_died_after_its_call_is_free(
    nodes: Nodes, lanes: Lanes, let_pass: LetPass
) -> None:
    """Its learn is settled, its lease is over: it has only not given the right back any more."""
    a, b = lease_of(lanes, "a"), lease_of(lanes, "b")
    assert nodes.take_learning(SPEC, a)
    assert not nodes.take_learning(SPEC, b)
    let_pass(0.31)
    assert nodes.take_learning(SPEC, b)
    nodes.give_learning(SPEC, a)
    assert nodes.take_learning(SPEC, b)


def test_who_claims_a_session_next_takes_its_right_to_learn_over(
    nodes: Nodes, lanes: Lanes
) -> None:
    """The one before may be frozen, and must not give back what is not his any more."""
    next_one, b = lease_of(lanes, "a"), lease_of(lanes, "b")
    frozen = foreign(next_one)
    assert nodes.take_learning(SPEC, frozen)
    assert nodes.take_learning(SPEC, next_one)
    nodes.give_learning(SPEC, frozen)
    assert not nodes.take_learning(SPEC, b)
    nodes.give_learning(SPEC, next_one)
    assert nodes.take_learning(SPEC, b)
