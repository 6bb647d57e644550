"""Where nodes are at home, and which instances take no new session."""

from __future__ import annotations

import pytest
from lane_steps import LetPass

from kato_tasks.errors import UnknownInstance
from kato_tasks.placement import Placement, RedisPlacement
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryPlacement, MemoryStore

RETENTION = 0.6

pytestmark = pytest.mark.with_settings(instances={"blue": "http://blue", "green": "http://green"})


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


@pytest.mark.with_settings(retention=RETENTION)
def test_a_home_stays_that_is_settled_or_moved_again(
    placement: Placement, let_pass: LetPass
) -> None:
    for node in "ab":
        placement.settle(node, "blue")
    let_pass(RETENTION * 0.6)
    assert placement.settle("a", "green") == "blue"
    placement.move_home("b", "green")
    let_pass(RETENTION * 0.6)
    assert placement.homes(["a", "b"]) == {"a": "blue", "b": "green"}


def test_no_node_is_no_question(placement: Placement) -> None:
    assert placement.homes([]) == {}


def test_since_when_an_instance_is_closed_does_not_change(placement: Placement) -> None:
    placement.cordon("blue")
    before = placement.cordoned()
    placement.cordon("blue")
    placement.cordon("green")
    assert placement.cordoned()["blue"] == before["blue"]


def test_an_instance_that_is_not_configured_is_refused(placement: Placement) -> None:
    for verb in (placement.cordon, placement.uncordon):
        with pytest.raises(UnknownInstance, match="'red' is not configured; allowed: one of blue"):
            verb("red")
    assert placement.cordoned() == {}


def test_what_was_cordoned_and_is_configured_no_more_can_be_uncordoned(
    runner: Runner, settings: Settings
) -> None:
    memory = MemoryStore()
    fewer = settings.model_copy(update={"instances": {"green": "http://green"}})
    for before, now in (
        (MemoryPlacement(memory, settings), MemoryPlacement(memory, fewer)),
        (RedisPlacement(runner, settings), RedisPlacement(runner, fewer)),
    ):
        assert before.cordon("blue")
        assert list(now.cordoned()) == ["blue"]
        assert now.uncordon("blue")
        with pytest.raises(UnknownInstance):
            now.uncordon("blue")
