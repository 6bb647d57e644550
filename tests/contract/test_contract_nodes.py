"""Nodes whose calls go one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lane_steps import FOREIGN, SPEC, LetPass

from kato_tasks.models import PredictionMode
from kato_tasks.nodes import NodeHold, Nodes

ALWAYS = replace(SPEC, predictions=PredictionMode.ALWAYS)


def hold_of(nodes: Nodes) -> NodeHold:
    hold = nodes.acquire(ALWAYS, wait=0)
    assert hold is not None
    return hold


def test_calls_of_a_node_may_overlap_while_predictions_are_on_demand(nodes: Nodes) -> None:
    nodes.mark(SPEC)
    first, second = nodes.acquire(SPEC, wait=0), nodes.acquire(SPEC, wait=0)
    assert first == second == NodeHold()
    assert nodes.renew(NodeHold())
    nodes.release(NodeHold())


def test_a_marked_node_is_held_by_one_at_a_time(nodes: Nodes) -> None:
    nodes.mark(ALWAYS)
    hold = hold_of(nodes)
    assert nodes.acquire(SPEC, wait=0) is None
    assert nodes.acquire(ALWAYS, wait=0.02) is None
    nodes.release(hold)
    assert nodes.acquire(SPEC, wait=0) is not None


def test_names_that_fold_alike_are_one_node(nodes: Nodes) -> None:
    nodes.mark(replace(ALWAYS, node="a-b"))
    assert nodes.acquire(replace(SPEC, node="a.b"), wait=0) != NodeHold()
    assert nodes.acquire(replace(SPEC, node="a_b"), wait=0) is None


def test_the_same_node_on_another_instance_is_another(nodes: Nodes) -> None:
    nodes.mark(ALWAYS)
    hold_of(nodes)
    assert nodes.acquire(replace(ALWAYS, instance="other"), wait=0) is not None


@pytest.mark.with_settings(lease=0.3)
def test_a_hold_ends_with_its_lease(nodes: Nodes, let_pass: LetPass) -> None:
    first = hold_of(nodes)
    let_pass(0.18)
    assert nodes.renew(first)
    let_pass(0.18)
    assert nodes.acquire(ALWAYS, wait=0) is None
    let_pass(0.18)
    hold_of(nodes)
    assert not nodes.renew(first)


def test_a_hold_is_given_back_by_its_owner_only(nodes: Nodes) -> None:
    hold = hold_of(nodes)
    nodes.release(replace(hold, token=FOREIGN))
    assert nodes.acquire(ALWAYS, wait=0) is None


@pytest.mark.with_settings(retention=0.1)
def test_a_mark_goes_after_its_time(nodes: Nodes, let_pass: LetPass) -> None:
    nodes.mark(ALWAYS)
    let_pass(0.11)
    assert nodes.acquire(SPEC, wait=0) == NodeHold()
