"""The demo from end to end, in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from memory_world import World

from kato_tasks.demo import FORECAST_NODE, Report, run_demo, running
from kato_tasks.errors import KatoUnreachable, SessionParked, WaitTimeout
from kato_tasks.kato import KatoClient
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Intake, Oracle, Sessions
from kato_tasks.testing.fakes import FakeCall


class DemoWorld(World):
    """A world in which what is accepted is delivered at once, and whose KATO can be read.

    Attributes:
        unreadable: Server-side sessions for which the server does not answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()
        intake = Intake(
            lanes=self.lanes, registry=self.registry, wake=self.work, max_observation_bytes=1_000
        )
        oracle = Oracle(
            registry=self.registry,
            lives=self.lives,
            wake=self.work,
            nodes=self.nodes,
            client=self.kato,
            longest_call=1.0,
        )
        self.sessions = Sessions(
            intake=intake, oracle=oracle, registry=self.registry, settings=self.settings
        )
        self.lookup = SimpleNamespace(get_stm=self._stm, cognition_data=self._cognition)

    def work(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.deliver_all(key)

    def demo(self, *lines: object) -> Report:
        """Run the demo on a file of these lines, as on a real server: without an audit."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        services = SimpleNamespace(
            sessions=self.sessions,
            registry=self.registry,
            clients=cast("Callable[[str], KatoClient]", lambda _: self.lookup),
        )
        kato = SimpleNamespace(
            services=services,
            settings=self.settings,
            find=self.registry.get,
            session=self.sessions.session,
        )
        file = io.BytesIO(text.encode())
        return run_demo(
            cast("KatoTasks", kato),
            cast("Any", file),
            source="file",
            audited=False,
            told=lambda *_: None,
        )

    def _stm(self, session_id: str) -> list[list[str]]:
        if session_id in self.unreadable:
            raise KatoUnreachable("GET /stm", "away")
        observed = self.kato.sessions[session_id].observed
        events = (sorted(json.loads(payload).get("strings", ())) for payload in observed)
        return [event for event in events if event]

    def _cognition(self, session_id: str) -> SimpleNamespace:
        return SimpleNamespace(time=self.kato.sessions[session_id].time)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoWorld]:
    monkeypatch.setattr(running, "_PATIENCE", 0.05)
    with DemoWorld() as world:
        yield world


def lines(key: str, number: int = 6, **more: object) -> list[dict[str, object]]:
    return [{"session": key, "strings": [f"{key}{n}"], **more} for n in range(number)]


def test_the_demo_teaches_none_of_the_inputs_nodes(world: DemoWorld) -> None:
    """What it learns is learned under a node of its own, in sessions that are gone afterwards."""
    nodes = []

    def note(call: FakeCall) -> None:
        if call.verb == "learn":
            nodes.append(world.kato.sessions[call.session_id].node_id)

    world.kato.on_call = note
    report = world.demo(*lines("a"), *lines("b"))
    assert report.sound, report
    assert [forecast.session for forecast in report.forecasts] == ["a", "b"]
    assert nodes == [FORECAST_NODE, FORECAST_NODE]
    assert world.kato.sessions == {}


def test_a_file_of_garbage_is_not_sound(world: DemoWorld) -> None:
    report = world.demo("no object", {"session": ""})
    assert (report.sound, report.observations, report.refused) == (False, 0, 2)
    assert [problem.split(":")[1] for problem in report.problems] == ["1", "2"]


def test_a_repeated_command_id_is_no_alarm(world: DemoWorld) -> None:
    """One of its lines is applied; the same id in another session is another command."""
    twice = {"strings": ["x"], "command_id": "c"}
    report = world.demo(*({"session": key, **twice} for key in ("a", "b", "a")), *lines("a"))
    assert report.sound, report
    assert (report.observations, report.applied) == (8, 8)


def test_a_parked_session_is_in_the_report(world: DemoWorld) -> None:
    """And so are the other sessions, and what could not be done."""
    world.session("held").observe(["first"])
    world.store.entry("held").parked = "its last call"
    report = world.demo(*lines("held"), *lines("good"))
    assert not report.sound
    assert (report.sessions, report.observations) == (2, 12)
    assert any("'held' is parked (its last call)" in note for note in report.notes)
    assert any("may not be deleted" in note for note in report.notes)


def test_a_server_that_goes_away_leaves_a_report(world: DemoWorld) -> None:
    """It says of how many sessions nothing is known."""
    world.unreadable = {"session-2"}
    report = world.demo(*lines("a"), *lines("b"), *lines("c"))
    assert (report.sound, report.unread, report.applied) == (False, 2, 6)
    assert report.verdict == "NOT SOUND: 2 of 3 sessions could not be read."
    assert any(note.startswith("The comparison ended early: GET /stm") for note in report.notes)


@pytest.mark.parametrize(
    "error", [SessionParked("x", "y"), WaitTimeout("x", 1, "y"), KatoUnreachable("GET /", "away")]
)
def test_forecasts_that_fail_are_told(
    error: Exception, world: DemoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no part of the proof."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(running, "_forecast", fail)
    report = world.demo(*lines("a"))
    assert report.sound
    assert report.notes == (f"Asking for predictions failed: {error}",)
