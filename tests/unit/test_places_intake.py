"""Where the intake has new sessions made, and what becomes of known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kato_tasks.errors import (
    EveryInstanceCordoned,
    InstanceCordoned,
    InvalidInput,
    StoreUnavailable,
)
from kato_tasks.models import Append, Group, Kind, SessionState
from kato_tasks.placing import place
from kato_tasks.sessions import Intake, Receipt
from kato_tasks.sessions.places import Places
from kato_tasks.sessions.session import mint_command_id
from kato_tasks.sessions.specs import make_spec
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    MemoryLanes,
    MemoryPlacement,
    MemoryRegistry,
    MemoryStore,
    RecordingWake,
)

BLUE = {"blue": "http://blue"}
TWO = {**BLUE, "green": "http://green"}
THREE = {**TWO, "red": "http://red"}


class Counting(MemoryPlacement):
    """Notes what it is asked; away it answers nothing."""

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        super().__init__(store, settings)
        self.asked: list[object] = []
        self.away = False

    def cordoned(self) -> Mapping[str, float]:
        self._ask("cordoned")
        return super().cordoned()

    def homes(self, nodes: Sequence[str]) -> dict[str, str]:
        self._ask(sorted(nodes))
        return super().homes(nodes)

    def _ask(self, what: object) -> None:
        if self.away:
            raise StoreUnavailable("redis://h", "gone")
        self.asked.append(what)


class Site:
    """A store, and one process that places sessions on it."""

    def __init__(
        self,
        instances: Mapping[str, str] = TWO,
        *,
        store: MemoryStore | None = None,
        remembered: float = 0.0,
        **settings: Any,  # noqa: ANN401 - settings
    ) -> None:
        self.settings = Settings.load(instances=dict(instances), **settings)
        self.store = store or MemoryStore()
        self.placement = Counting(self.store, self.settings)
        self.registry = MemoryRegistry(self.store, self.settings)
        self.lanes = MemoryLanes(self.store, self.settings)
        self.places = Places(self.settings, self.placement, self.registry, remembered=remembered)
        self.intake = Intake(
            lanes=self.lanes,
            registry=self.registry,
            wake=RecordingWake(),
            max_observation_bytes=1_000,
            places=self.places,
        )

    def request(self, key: str, node: str = "n", instance: str | None = None) -> Append:
        group = Group(command_id=mint_command_id(), kind=Kind.OBSERVE, payloads=(b"{}",))
        spec = make_spec(self.settings, node=node, instance=instance)
        return Append(key=key, spec=spec, instance=instance, groups=(group,))

    def accept(self, key: str, node: str = "n", instance: str | None = None) -> str:
        """Accept a command of a session; returns on which instance that is."""
        self.intake.accept([self.request(key, node, instance)])
        return self.instance_of(key)

    def instance_of(self, key: str) -> str:
        record = self.registry.get(key)
        assert record is not None
        return record.spec.instance

    def end(self, key: str) -> None:
        entry = self.store.entry(key)
        entry.state, entry.applied = SessionState.ENDED, entry.appended


def at_home(instance: str, instances: Mapping[str, str] = TWO, but: str = "") -> str:
    """Return a node that is placed on an instance, and is not ``but``."""
    weights = dict.fromkeys(instances, 1.0)
    names = (f"node{number}" for number in range(100))
    return next(name for name in names if name != but and place(name, weights) == instance)


def test_with_one_instance_a_store_that_is_away_is_not_missed() -> None:
    site = Site(BLUE)
    site.placement.away = True
    requests = [site.request("a"), site.request("b", "m")]
    assert site.places.placed(requests) == requests


def test_weights_count_for_new_nodes() -> None:
    site = Site(TWO, weights="blue=9")
    placed = [site.accept(f"k{number}", f"n{number}") for number in range(200)]
    assert 160 <= placed.count("blue") <= 195


def test_all_unknown_nodes_of_a_call_are_one_question() -> None:
    site = Site(remembered=60.0)
    site.intake.accept([site.request(key, node) for key, node in ("am", "bn", "cn", "do")])
    assert site.placement.asked == ["cordoned", ["m", "n", "o"]]
    site.intake.accept([site.request(key, node) for key, node in ("em", "fp")])
    assert site.placement.asked[2:] == [["p"]]
    site.accept("g", "n")
    assert len(site.placement.asked) == 3


def test_a_process_remembers_a_bounded_number_of_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kato_tasks.sessions.places.MOST", 2)
    site = Site(remembered=60.0)
    for node in "lmno":
        site.accept(node, node)
    site.placement.asked.clear()
    for node in "onl":
        site.accept(f"{node}2", node)
    assert site.placement.asked == [["l"]]


def test_a_cordoned_instance_gets_no_new_node_and_gets_some_again_later() -> None:
    site = Site()
    node = at_home("blue")
    site.placement.cordon("blue")
    assert site.accept("a", node) == "green"
    site.placement.uncordon("blue")
    assert site.accept("b", node) == "green"
    assert site.accept("c", at_home("blue", but=node)) == "blue"


def test_a_new_session_of_a_node_whose_home_is_cordoned_gives_it_another() -> None:
    site = Site()
    node = at_home("blue")
    assert site.accept("a", node) == "blue"
    site.placement.cordon("blue")
    assert site.accept("b", node) == "green"
    assert site.placement.homes([node]) == {node: "green"}
    assert site.instance_of("a") == "blue"


def test_a_known_session_neither_moves_a_home_nor_is_moved() -> None:
    """Else the traffic of an hour would scatter the nodes of an instance that is to come back."""
    site = Site()
    node = at_home("blue")
    site.accept("a", node)
    site.placement.cordon("blue")
    assert site.accept("a", node) == "blue"
    assert site.placement.homes([node]) == {node: "blue"}
    site.placement.uncordon("blue")
    assert site.accept("b", node) == "blue"


def test_a_session_that_has_ended_is_new() -> None:
    site = Site()
    node = at_home("blue")
    site.accept("a", node)
    site.placement.cordon("blue")
    site.end("a")
    [answer] = site.places.placed([site.request("a", node, "blue")])
    assert isinstance(answer, InstanceCordoned)
    assert site.accept("a", node) == "green"


def test_one_whose_own_time_has_run_out_is_new_too() -> None:
    site = Site()
    node = at_home("blue")
    site.accept("a", node)
    site.placement.cordon("blue")
    entry = site.store.entry("a")
    entry.applied, entry.ends_ms = entry.appended, site.store.now_ms - 1
    assert isinstance(site.places.placed([site.request("a", node, "blue")])[0], InstanceCordoned)
    entry.applied -= 1
    assert isinstance(site.places.placed([site.request("a", node, "blue")])[0], Append)


def test_a_cordoned_instance_by_name_is_for_sessions_that_are_there() -> None:
    site = Site()
    site.accept("a", instance="blue")
    site.placement.cordon("blue")
    requests = [site.request(key, instance="blue") for key in "ab"] + [site.request("c")]
    known, refused, free = site.intake.accept_each(requests)
    assert isinstance(known, Receipt)
    assert isinstance(free, Receipt)
    assert isinstance(refused, InstanceCordoned)
    assert (refused.instance, refused.key) == ("blue", "b")
    assert site.registry.get("b") is None
    with pytest.raises(InstanceCordoned, match="'blue' takes no new session, and 'b' would be one"):
        site.intake.register(site.request("b", instance="blue"))


def test_while_every_instance_is_cordoned_only_known_sessions_go_on() -> None:
    site = Site()
    site.accept("a")
    for name in TWO:
        site.placement.cordon(name)
    known, refused = site.intake.accept_each([site.request("a"), site.request("b", "m")])
    assert isinstance(known, Receipt)
    assert isinstance(refused, EveryInstanceCordoned)
    with pytest.raises(InvalidInput, match="every instance is cordoned: blue, green; allowed"):
        site.accept("b", "m")
    site.placement.uncordon("green")
    assert site.accept("b", "m") == "green"


def test_a_store_that_is_away_is_said() -> None:
    site = Site()
    site.placement.away = True
    with pytest.raises(StoreUnavailable):
        site.accept("a")
    assert site.registry.get("a") is None


def test_away_from_an_instance_a_node_goes_to_its_home_or_is_placed() -> None:
    site = Site(THREE)
    node = at_home("blue", THREE)
    away = site.places.place_away(node, "blue")
    assert away == place(node, {"green": 1.0, "red": 1.0})
    assert site.placement.homes([node]) == {}
    for home in ("green", "red"):
        site.placement.move_home(node, home)
        assert site.places.place_away(node, "blue") == home
    site.placement.cordon("red")
    assert site.places.place_away(node, "blue") == "green"
    site.placement.cordon("green")
    with pytest.raises(InvalidInput, match="'blue' has no other one to go to"):
        site.places.place_away(node, "blue")
