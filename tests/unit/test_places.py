"""Where new sessions are made."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kato_tasks.errors import EveryInstanceCordoned, InstanceCordoned, InvalidInput
from kato_tasks.models import Append, Group, Kind
from kato_tasks.placing import place
from kato_tasks.sessions.places import Places
from kato_tasks.sessions.specs import make_spec
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryLanes, MemoryPlacement, MemoryRegistry, MemoryStore

TWO = {"blue": "http://blue", "green": "http://green"}


class World:
    def __init__(self, **overrides: Any) -> None:  # noqa: ANN401 - settings
        self.settings = Settings.load(**{"instances": TWO, **overrides})
        self.store = MemoryStore()
        self.placement = MemoryPlacement(self.store, self.settings)
        self.registry = MemoryRegistry(self.store, self.settings)
        self.places = self.anew()

    def anew(self, **overrides: Any) -> Places:  # noqa: ANN401 - settings
        """What another process has, which remembers nothing."""
        settings = self.settings.model_copy(update=overrides)
        return Places(settings, self.placement, self.registry)

    def request(self, node: str = "n", key: str = "k", instance: str | None = None) -> Append:
        spec = make_spec(self.settings, node=node, instance=instance)
        return Append(key=key, spec=spec, instance=instance)

    def place(self, node: str = "n", **options: Any) -> str:  # noqa: ANN401 - of a request
        [placed] = self.anew().placed([self.request(node, **options)])
        assert isinstance(placed, Append), placed
        return placed.spec.instance


def other(instance: str) -> str:
    return "green" if instance == "blue" else "blue"


def test_a_new_node_goes_where_all_processes_would_place_it() -> None:
    world = World()
    assert world.place("n") == place("n", dict.fromkeys(TWO, 1.0))
    assert world.placement.homes(["n"]) == {"n": world.place("n")}


def test_a_node_stays_at_home_whatever_instances_are_added() -> None:
    world = World()
    nodes = [f"node-{number}" for number in range(50)]
    before = {node: world.place(node) for node in nodes}
    world.settings = world.settings.model_copy(
        update={"instances": {**TWO, "red": "http://red", "white": "http://white"}}
    )
    assert {node: world.place(node) for node in nodes} == before
    assert Counter(world.place(f"new-{number}") for number in range(200)).keys() > set(TWO)


def test_a_node_leaves_a_home_that_takes_no_new_session() -> None:
    world = World()
    home = world.place()
    world.placement.cordon(home)
    assert world.place() == other(home)
    world.placement.uncordon(home)
    assert world.place() == other(home)


def test_a_node_leaves_a_home_that_is_configured_no_more() -> None:
    world = World()
    world.placement.settle("n", "gone")
    assert world.place("n") in TWO


def test_who_names_an_instance_gets_it_unless_it_is_closed_to_new_sessions() -> None:
    world = World()
    world.placement.settle("n", "green")
    assert world.place(instance="blue") == "blue"
    world.placement.cordon("blue")
    [refused] = world.anew().placed([world.request(instance="blue")])
    assert isinstance(refused, InstanceCordoned)
    lanes = MemoryLanes(world.store, world.settings)
    lanes.append([world.request(key="known", instance="blue")])
    [placed] = world.anew().placed([world.request(key="known", instance="blue")])
    assert isinstance(placed, Append)


def test_with_every_instance_closed_a_new_session_has_no_place() -> None:
    world = World()
    for name in TWO:
        world.placement.cordon(name)
    [refused] = world.anew().placed([world.request()])
    assert isinstance(refused, EveryInstanceCordoned)


def test_a_node_that_leaves_goes_home_or_to_another_instance() -> None:
    world = World()
    assert world.anew().place_away("n", "blue") == "green"
    world.placement.cordon("green")
    with pytest.raises(InvalidInput, match="'blue' has no other one to go to"):
        world.anew().place_away("n", "blue")


def test_with_one_instance_nothing_is_asked() -> None:
    world = World(instances={"only": "http://only"})
    group = Group(command_id="c", kind=Kind.OBSERVE, payloads=(b"{}",))
    request = Append(key="k", spec=make_spec(world.settings, node="n"), groups=(group,))
    assert world.places.placed([request]) == [request]
    assert world.store.homes == {}


def test_a_process_goes_by_what_it_was_told_for_a_moment() -> None:
    world = World()
    home = world.place()
    [first] = world.places.placed([world.request()])
    world.placement.move_home("n", other(home))
    [second] = world.places.placed([world.request()])
    assert first == second
    assert world.place() == other(home)
