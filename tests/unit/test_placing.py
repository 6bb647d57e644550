"""On which instance a node is placed."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.naming import fold_node
from kato_tasks.placing import place

NODES = [f"node-{number}" for number in range(10_000)]


def even(names: str) -> dict[str, float]:
    return dict.fromkeys(names, 1.0)


def places(weights: dict[str, float]) -> dict[str, str]:
    return {node: place(node, weights) for node in NODES}


def test_places_are_the_same_in_every_process_and_release() -> None:
    assert [place(node, even("abc")) for node in NODES[:6]] == ["a", "b", "a", "b", "a", "b"]


@pytest.mark.parametrize("weight", [1.0, 0.001, 7.0])
def test_equal_weights_place_as_releases_without_weights_did(weight: float) -> None:
    weights = dict.fromkeys(("eu", "us", "asia"), weight)
    for node in NODES[:2_000]:
        without = max(
            weights,
            key=lambda name: blake2b(
                f"{name}\0{fold_node(node)}".encode(),
                digest_size=8,
            ).digest(),
        )
        assert place(node, weights) == without


@given(st.text(min_size=1), st.permutations(["a", "b", "c"]))
def test_nodes_that_fold_alike_go_together_whatever_the_order(
    node: str, instances: list[str]
) -> None:
    assert place(node, dict.fromkeys(instances, 1.0)) == place(fold_node(node), even("abc"))


@pytest.mark.parametrize(
    "weights",
    [even("abc"), {"a": 3.0, "b": 1.0}, {"a": 0.5, "b": 2.0, "c": 7.5}, {"a": 1e6, "b": 1e6}],
)
def test_shares_are_as_the_weights(weights: dict[str, float]) -> None:
    counts, total = Counter(places(weights).values()), sum(weights.values())
    for name, weight in weights.items():
        assert counts[name] / len(NODES) == pytest.approx(weight / total, abs=0.02)


@pytest.mark.parametrize("others", ["a", "abc", "abcdefghi"])
def test_of_n_instances_an_added_one_gets_its_share_and_nothing_else_moves(others: str) -> None:
    before, after = places(even(others)), places(even(others + "z"))
    moved = [node for node in NODES if before[node] != after[node]]
    assert {after[node] for node in moved} == {"z"}
    assert len(moved) / len(NODES) == pytest.approx(1 / (len(others) + 1), abs=0.02)


def test_nodes_of_a_removed_instance_are_all_that_moves() -> None:
    before, after = places(even("abcd")), places(even("abc"))
    assert {before[node] for node in NODES if before[node] != after[node]} == {"d"}


def test_a_raised_weight_takes_nodes_away_from_nobody_else() -> None:
    before, after = places(even("abc")), places({**even("abc"), "c": 2.0})
    assert {after[node] for node in NODES if before[node] != after[node]} == {"c"}
