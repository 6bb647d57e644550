"""The options of a session."""

from __future__ import annotations

from typing import Any

import pytest
from memory_world import World

from kato_tasks.errors import InvalidInput, UnknownInstance
from kato_tasks.kato.config import MAX_TTL_SECONDS
from kato_tasks.models import PredictionMode, SessionSpec
from kato_tasks.sessions.specs import make_spec
from kato_tasks.settings import Settings

SETTINGS = Settings.load(instances="eu=http://eu,us=http://us")


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
