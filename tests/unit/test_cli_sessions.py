"""Looking for sessions."""

from __future__ import annotations

import pytest
from memory_world import World

from kato_tasks.models import SessionState
from kato_tasks.sessions import Wanted, count_states, find_sessions, page_of


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
        (Wanted(prefix="b"), {"b"}),
        (Wanted(prefix="z"), set()),
        (Wanted(states=frozenset({SessionState.NEW})), {"a", "b"}),
        (Wanted(states=frozenset({SessionState.ACTIVE, SessionState.EXPIRED})), {"c"}),
    ],
)
def test_sessions_are_found_by_tag_node_and_instance(wanted: Wanted, keys: set[str]) -> None:
    """All that is asked for has to fit."""
    instances = {"one": "http://one", "two": "http://two"}
    with World(instances=instances) as world:
        world.session("a", tags=["red"], instance="one").observe(["x"])
        world.session("b", tags=["red", "big"], node="n", instance="one").observe(["x"])
        world.session("c", instance="two").observe(["x"])
        world.deliver_all("c")
        assert {record.key for record in find_sessions(world.registry, wanted)} == keys


def test_pages_are_sorted_by_last_use_and_know_how_many_were_found() -> None:
    with World() as world:
        for number in range(7):
            world.store.advance(1)
            world.session(f"s{number}", tags=["t"]).observe(["x"])
        pages = [
            page_of(world.registry, wanted, limit=3, offset=offset)
            for wanted in (Wanted(), Wanted(tags=frozenset({"t"})))
            for offset in (0, 3, 6)
        ]
        assert [[one.key for one in page.records] for page in pages] == 2 * [
            ["s6", "s5", "s4"],
            ["s3", "s2", "s1"],
            ["s0"],
        ]
        assert {page.found for page in pages} == {7}


def test_states_are_counted() -> None:
    with World() as world:
        for number in range(3):
            world.session(f"s{number}", node="n").observe(["x"])
        world.deliver_all("s0")
        assert count_states(world.registry, Wanted(node="n")) == {
            SessionState.ACTIVE: 1,
            SessionState.NEW: 2,
        }
