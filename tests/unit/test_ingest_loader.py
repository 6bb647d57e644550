"""Loading events into lanes, in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
from memory_world import World, strings

from kato_tasks.errors import StoreUnavailable
from kato_tasks.ingest import Event, Loader, Problem, Span, Totals, loader
from kato_tasks.lanes import Refusal
from kato_tasks.models import Append
from kato_tasks.sessions import Receipt
from kato_tasks.settings import Settings


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def event(
    line: int, *, session: str = "a", node: str | None = None, command_id: str | None = None
) -> Event:
    return Event(
        line=line,
        session=session,
        node=node,
        payload=strings(str(line))[0].encode(),
        command_id=command_id,
        config=None,
        ttl=None,
        tags=(),
    )


def load(
    world: World, *events: Event | Problem, waits: bool = False
) -> tuple[Loader, list[Totals]]:
    made = Loader(world.sessions, "file")
    return made, list(made.load(events, waits=waits))


def test_a_line_without_node_fits_whatever_node_its_session_has(world: World) -> None:
    """Also after a line that is refused for its node."""
    nodes = ("n1", "n2", None, "n1", None)
    _, [totals] = load(world, *(event(line, node=node) for line, node in enumerate(nodes, 1)))
    assert [problem.line for problem in totals.problems] == [2]
    assert (totals.accepted, totals.refused) == (4, 1)
    world.deliver_all()
    assert world.observed() == strings("1", "3", "4", "5")


def test_a_line_without_node_after_one_that_an_old_session_refuses(world: World) -> None:
    world.session(node="old").observe(["0"])
    _, [totals] = load(world, event(1, node="new"), event(2), event(3, node="old"))
    assert [problem.line for problem in totals.problems] == [1]
    world.deliver_all()
    assert world.observed() == strings("0", "2", "3")


def test_what_was_there_before_is_counted(world: World) -> None:
    events = [event(line, command_id=f"c{line}") for line in range(1, 6)]
    _, [first] = load(world, *events[:3])
    _, [second] = load(world, *events)
    assert (first.accepted, first.repeated) == (3, 0)
    assert (second.accepted, second.repeated) == (5, 3)


def test_an_append_without_answer_does_not_count_as_known_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines are there at the second attempt, because the first has put them there."""
    accept = world.sessions.intake.accept_each
    lost = [StoreUnavailable("redis://store", "no answer")]

    def accept_each(requests: Sequence[Append]) -> list[Receipt | Refusal]:
        answers = accept(requests)
        if lost:
            raise lost.pop()
        return answers

    monkeypatch.setattr(world.sessions.intake, "accept_each", accept_each)
    monkeypatch.setattr(loader, "_PAUSE", 0.0)
    _, [totals] = load(world, event(1), event(2))
    assert (totals.accepted, totals.repeated) == (2, 0)
    assert world.record().appended == 2


def test_spans_hold_all_positions_of_a_session(world: World) -> None:
    """Repeated commands stand before the new ones, wherever they are in the file."""
    load(world, *(event(line, command_id=f"c{line}") for line in range(1, 4)))
    again = (event(4, command_id="c4"), event(2, command_id="c2"), event(5, session="b"))
    made, _ = load(world, *again)
    assert made.spans == {"a": Span(2, 4), "b": Span(1, 1)}


def test_events_that_make_one_wait_go_on_one_by_one(world: World) -> None:
    """The second is read only once the first is in its lane."""

    def trickle() -> Iterator[Event]:
        yield event(1)
        assert arrived.wait(10)
        yield event(2)

    arrived = threading.Event()
    steps = []
    for totals in Loader(world.sessions, "fifo").load(trickle(), waits=True):
        steps.append(totals.accepted)
        arrived.set()
    assert steps == [1, 2]


def test_a_full_lane_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it gets shorter; every line is taken once."""
    world.settings = world.settings.model_copy(update={"lane_commands": 2})
    monkeypatch.setattr(world.lanes, "_settings", world.settings)
    monkeypatch.setattr(loader, "_PAUSE", 0.0)
    monkeypatch.setattr("kato_tasks.ingest.loader.time.sleep", lambda _: world.deliver())
    world.session().observe_many([{"strings": ["p"]}, {"strings": ["q"]}])
    _, [totals] = load(world, event(1), event(2))
    assert (totals.accepted, totals.refused) == (2, 0)
    world.deliver()
    assert world.observed() == strings("p", "q", "1", "2")


def test_a_lane_that_stays_full_refuses_its_lines(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.lanes, "_settings", Settings.load(lane_commands=1))
    monkeypatch.setattr(loader, "_PATIENCE", 0.0)
    monkeypatch.setattr(loader, "_PAUSE", 0.0)
    world.session().observe(["p"])
    _, [totals] = load(world, event(1))
    assert (totals.accepted, totals.refused) == (0, 1)
    assert "1 commands of session 'a' wait already" in str(totals.problems[0])
