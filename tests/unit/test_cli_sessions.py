"""Looking for sessions."""

from __future__ import annotations

import pytest
from memory_world import World

from kato_tasks.cli.sessions import Wanted, find_sessions


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (Wanted(), {"a", "b", "c"}),
        (Wanted(tags=frozenset({"red"})), {"a", "b"}),
        (Wanted(tags=frozenset({"red", "big"})), {"b"}),
        (Wanted(tags=frozenset({"blue"})), set()),
        (Wanted(node="n"), {"b"}),
        (Wanted(instance="two"), {"c"}),
        (Wanted(tags=frozenset({"red"}), node="a"), {"a"}),
    ],
)
def test_sessions_are_found_by_tag_node_and_instance(wanted: Wanted, keys: set[str]) -> None:
    """All that is asked for has to fit."""
    instances = {"one": "http://one", "two": "http://two"}
    with World(instances=instances) as world:
        world.session("a", tags=["red"], instance="one").observe(["x"])
        world.session("b", tags=["red", "big"], node="n", instance="one").observe(["x"])
        world.session("c", instance="two").observe(["x"])
        assert {record.key for record in find_sessions(world.registry, wanted)} == keys
