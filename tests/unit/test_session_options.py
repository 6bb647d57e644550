"""The options of a session, and where it is placed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_world import World

from kato_tasks.errors import InvalidInput, UnknownInstance
from kato_tasks.kato.config import MAX_TTL_SECONDS
from kato_tasks.models import PredictionMode, SessionSpec
from kato_tasks.naming import fold_node
from kato_tasks.placing import place
from kato_tasks.sessions.specs import make_spec
from kato_tasks.settings import Settings

SETTINGS = Settings.load(instances="eu=http://eu,us=http://us")
NODES = [f"node-{number}" for number in range(600)]


def test_a_session_has_its_key_as_node_and_the_settings_as_defaults() -> None:
    with World(ttl=60, predictions="always") as world:
        session = world.session("cart 7")
        assert session.spec == SessionSpec(
            node="cart 7", instance="default", ttl=60, predictions=PredictionMode.ALWAYS
        )
        assert session.info() is None
        assert world.wake.calls == []


def test_options_are_kept_as_they_are_given() -> None:
    spec = make_spec(
        SETTINGS,
        node="n",
        instance="us",
        config={"recall_threshold": 0.5},
        ttl=MAX_TTL_SECONDS,
        tags=["b", "a"],
        predictions="always",
    )
    assert spec == SessionSpec(
        node="n",
        instance="us",
        config={"recall_threshold": 0.5},
        ttl=MAX_TTL_SECONDS,
        tags=("a", "b"),
        predictions=PredictionMode.ALWAYS,
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ttl": 0}, "ttl is 0; allowed: whole seconds from 2"),
        ({"ttl": -1}, "ttl is -1; allowed: whole seconds from 2"),
        ({"ttl": True}, "ttl is True; allowed: whole seconds from 2"),
        ({"ttl": 1.5}, "ttl is 1.5; allowed: whole seconds from 2"),
        ({"ttl": MAX_TTL_SECONDS + 1}, f"to {MAX_TTL_SECONDS}"),
        ({"config": {"recall": 1}}, "config.recall is no config key"),
        ({"config": {"recall_threshold": 2}}, "config.recall_threshold is 2; allowed: a number"),
        ({"config": {"session_ttl": 5}}, "config.session_ttl is ignored by the server"),
        ({"predictions": "never"}, "predictions is 'never'; allowed: on_demand or always"),
        ({"node": "test-x"}, "node is 'test-x'"),
        ({"node": ""}, "node is empty"),
        ({"tags": "abc"}, "tags is of type str"),
    ],
)
def test_other_options_are_refused(options: dict[str, Any], sentence: str) -> None:
    with World() as world, pytest.raises(InvalidInput) as refused:
        world.session(**options)
    assert sentence in str(refused.value)


def test_an_unknown_instance_is_refused() -> None:
    with pytest.raises(UnknownInstance, match="'asia' is not configured; allowed: one of eu, us"):
        make_spec(SETTINGS, node="n", instance="asia")


@pytest.mark.parametrize(
    ("config", "predictions", "mode"),
    [
        ({}, None, PredictionMode.ON_DEMAND),
        ({"process_predictions": True}, None, PredictionMode.ALWAYS),
        ({"process_predictions": True}, "on_demand", PredictionMode.ON_DEMAND),
        ({"process_predictions": False}, PredictionMode.ALWAYS, PredictionMode.ALWAYS),
    ],
)
def test_when_predictions_are_computed_is_one_option(
    config: dict[str, Any], predictions: str | None, mode: PredictionMode
) -> None:
    spec = make_spec(SETTINGS, node="n", config=config, predictions=predictions)
    assert (spec.predictions, spec.config) == (mode, {})


def test_places_are_the_same_in_every_process_and_release() -> None:
    assert [place(node, dict.fromkeys(("a", "b", "c"), 1.0)) for node in NODES[:6]] == [
        "a",
        "b",
        "a",
        "b",
        "a",
        "b",
    ]


@given(st.text(min_size=1), st.permutations(["a", "b", "c"]))
def test_nodes_that_fold_alike_go_together_whatever_the_order(
    node: str, instances: list[str]
) -> None:
    assert place(node, dict.fromkeys(instances, 1.0)) == place(
        fold_node(node), dict.fromkeys(("a", "b", "c"), 1.0)
    )


def test_nodes_are_spread_evenly() -> None:
    counts = Counter(place(node, dict.fromkeys(("a", "b", "c"), 1.0)) for node in NODES)
    assert all(150 <= counts[name] <= 250 for name in "abc")


def test_only_nodes_that_move_to_a_new_instance_change_their_place() -> None:
    before = {node: place(node, dict.fromkeys(("a", "b", "c"), 1.0)) for node in NODES}
    after = {node: place(node, dict.fromkeys(("a", "b", "c", "d"), 1.0)) for node in NODES}
    moved = {node for node in NODES if before[node] != after[node]}
    assert {after[node] for node in moved} == {"d"}
    assert 100 <= len(moved) <= 200


def test_a_node_goes_to_an_instance_as_often_as_its_weight_says() -> None:
    weights = {"a": 3.0, "b": 1.0}
    counts = Counter(place(node, weights) for node in NODES)
    assert 400 <= counts["a"] <= 500
    before = {node: place(node, {"a": 1.0, "b": 1.0}) for node in NODES}
    assert {place(node, weights) for node in NODES if before[node] == "a"} == {"a"}
