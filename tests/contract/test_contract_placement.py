"""Where nodes are at home, and which instances take no new session."""

from __future__ import annotations

import pytest
from lane_steps import LetPass

from kato_tasks.placement import Placement

RETENTION = 0.6


def test_an_instance_is_closed_once_and_opened_once(placement: Placement) -> None:
    assert placement.cordoned() == {}
    assert placement.cordon("blue")
    assert not placement.cordon("blue")
    [(name, since)] = placement.cordoned().items()
    assert name == "blue"
    assert since > 1_000_000_000
    assert placement.uncordon("blue")
    assert not placement.uncordon("blue")
    assert placement.cordoned() == {}


def test_a_node_stays_where_it_was_placed_first(placement: Placement) -> None:
    assert placement.homes(["n", "m"]) == {}
    assert placement.settle("n", "blue") == "blue"
    assert placement.settle("n", "green") == "blue"
    assert placement.homes(["n", "m"]) == {"n": "blue"}
    placement.move_home("n", "green")
    assert placement.settle("n", "blue") == "green"
    placement.move_home("m", "blue")
    assert placement.homes(["n", "m"]) == {"n": "green", "m": "blue"}


def test_nodes_that_fold_alike_have_one_home(placement: Placement) -> None:
    placement.settle("a.b", "blue")
    assert placement.settle("a-b", "green") == "blue"
    assert placement.homes(["a b"]) == {"a_b": "blue"}


@pytest.mark.with_settings(retention=RETENTION)
def test_a_home_that_nobody_asks_for_is_forgotten(placement: Placement, let_pass: LetPass) -> None:
    placement.settle("n", "blue")
    for _ in range(2):
        let_pass(RETENTION * 0.6)
        assert placement.homes(["n"]) == {"n": "blue"}
    let_pass(RETENTION + 0.05)
    assert placement.homes(["n"]) == {}
