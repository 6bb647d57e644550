"""Many people at one dead letter, on both backends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from lane_steps import KEY, append, claim, deliver, intend, payloads

from kato_tasks.errors import LetterGone
from kato_tasks.lanes import Lanes
from kato_tasks.letters import DeadLetters
from kato_tasks.lives import Lives
from kato_tasks.models import Outcome
from kato_tasks.nodes import Nodes
from kato_tasks.registry import Registry
from kato_tasks.sessions import DeadLetterOffice, Intake, Oracle, Sessions
from kato_tasks.settings import Settings
from kato_tasks.testing import FakeKato, RecordingWake

PEOPLE: Final = 8
REFUSED: Final = Outcome(refusal="no")


@pytest.fixture
def office(  # noqa: PLR0913, PLR0917 - what an office is made of
    lanes: Lanes,
    lives: Lives,
    letters: DeadLetters,
    registry: Registry,
    nodes: Nodes,
    settings: Settings,
) -> DeadLetterOffice:
    wake = RecordingWake()
    intake = Intake(lanes=lanes, registry=registry, wake=wake, max_observation_bytes=1_000)
    oracle = Oracle(
        registry=registry,
        lives=lives,
        wake=wake,
        nodes=nodes,
        client=FakeKato(),
        longest_call=1.0,
    )
    sessions = Sessions(intake=intake, oracle=oracle, registry=registry, settings=settings)
    return DeadLetterOffice(letters=letters, lanes=lanes, sessions=sessions, wake=wake)


def all_at_once(act: Callable[[str], object], letter: str) -> int:
    """Have many do one thing with one letter; how many were told that it was done."""

    def did(_: int) -> bool:
        try:
            act(letter)
        except LetterGone:
            return False
        return True

    with ThreadPoolExecutor(PEOPLE) as people:
        return sum(people.map(did, range(PEOPLE)))


def test_a_letter_is_replayed_once(lanes: Lanes, office: DeadLetterOffice) -> None:
    append(lanes, "x")
    deliver(lanes, 1, refused=True, outcome=REFUSED)
    assert all_at_once(office.replay, office.ids()[0]) >= 1
    assert payloads(claim(lanes)) == ["x"]
    assert office.ids() == []


@pytest.mark.parametrize(("drop", "left"), [(False, ["x", "y", "z"]), (True, ["y", "z"])])
def test_a_parked_lane_goes_on_once(
    lanes: Lanes, office: DeadLetterOffice, *, drop: bool, left: list[str]
) -> None:
    append(lanes, "x", "y", "z")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.park(claimed.lease, "no", outcome=REFUSED)
    act = office.discard if drop else office.replay
    assert all_at_once(act, office.ids(key=KEY)[0]) == 1
    assert payloads(claim(lanes)) == left
