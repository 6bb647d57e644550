"""What a session must have, given what was accepted for it."""

from __future__ import annotations

from collections.abc import Container

import pytest
from chaos_histories import PLAIN, accepted, fields

from kato_tasks.chaos.crowd import AUTO_LEARN, Member
from kato_tasks.chaos.expecting import Expected, expect, pattern_name

AUTO = Member(number=2, key="auto", node="n", config={"max_pattern_length": AUTO_LEARN})
ROLLING = Member(
    number=3,
    key="rolling",
    node="n",
    config={"max_pattern_length": AUTO_LEARN, "stm_mode": "ROLLING"},
)


def expected(
    *steps: int | str | dict[str, object],
    member: Member = PLAIN,
    refused: Container[int] = (),
    delivered: int = 10_000,
) -> Expected:
    return expect(member, accepted(*steps), refused=refused, delivered=delivered)


def events(*numbers: int) -> tuple[tuple[str, ...], ...]:
    return tuple((f"n{number}", "shared") for number in numbers)


def test_a_learn_makes_a_pattern_and_empties_the_memory() -> None:
    """The name is the one that was recorded from a real server for such a pattern."""
    found = expected(1, 2, "learn", 3)
    assert found.stm == events(3)
    assert found.patterns == (pattern_name(events(1, 2)),)
    assert [step.number for step in found.steps] == [1, 2, 3]


def test_the_name_of_a_pattern_is_that_of_the_server() -> None:
    """As it stands in the README, from a real run."""
    events = [("shoes", "view"), ("buy", "shoes")]
    assert pattern_name(events) == "PTRN|02ddf3917e7704527a8ccbb6a9d320615ae2a8cc"


@pytest.mark.parametrize("what", ["clear", "delete"])
def test_an_emptied_session_begins_anew(what: str) -> None:
    found = expected({**fields(1), "emotives": {"joy": 1.0}}, what, 2)
    assert (found.stm, found.emotives) == (events(2), {})
    assert [step.empties for step in found.steps] == [False, True, False]


def test_the_last_emotives_survive_a_learn() -> None:
    found = expected({**fields(1), "emotives": {"joy": 0.5}}, 2, "learn")
    assert found.emotives == {"joy": 0.5}


def test_an_observation_without_symbols_makes_no_event() -> None:
    found = expected(1, {"metadata": {"n": 2}})
    assert (found.stm, len(found.steps)) == (events(1), 2)


def test_a_session_that_learns_by_itself_begins_anew_or_rolls() -> None:
    numbers = range(1, AUTO_LEARN + 2)
    assert expected(*numbers, member=AUTO).stm == events(5)
    rolling = expected(*numbers, member=ROLLING)
    assert rolling.stm == events(3, 4, 5)
    assert rolling.patterns == (
        pattern_name(events(1, 2, 3, 4)),
        pattern_name(events(2, 3, 4, 5)),
    )


def test_what_was_refused_has_no_effect() -> None:
    """Poison must be; of good commands each one is counted against us."""
    found = expected(1, "poison", 2, "learn", refused={2, 3})
    assert (found.refused, found.wronged, found.applied_poison) == (1, 1, 0)
    assert found.patterns == (pattern_name(events(1)),)


def test_poison_that_was_not_refused_is_noticed_once_it_is_delivered() -> None:
    assert expected("poison", 1).applied_poison == 1
    assert expected("poison", 1, delivered=0).applied_poison == 0


def test_a_learn_of_nothing_may_be_refused_or_not() -> None:
    for refused in ((), {1}):
        found = expected("learn", refused=refused)
        assert (found.wronged, found.patterns) == (0, ())


def test_the_memory_is_cut_as_the_server_cuts_it() -> None:
    found = expected(*range(1, 1_003))
    assert (len(found.stm), found.stm[0][0]) == (1_000, "n3")


def test_one_symbol_alone_makes_no_pattern() -> None:
    found = expected({"strings": ["a"], "metadata": {"n": 1}}, "learn")
    assert (found.stm, found.patterns) == ((), ())
