"""What of an observation is compared, and what a difference is."""

from __future__ import annotations

import json

import pytest

from kato_tasks.demo import Difference, compare
from kato_tasks.demo.checking import Observed, nameless


def sent(**fields: object) -> Observed:
    return Observed.sent(json.dumps(fields).encode())


def audited(event: list[str], **extras: object) -> Observed:
    return Observed.audited({"event": event, "observation": extras} if extras else {"event": event})


def test_an_observation_is_all_that_it_holds() -> None:
    """Symbols sorted, names of its fields in any order, empty fields as absent ones."""
    one = sent(
        strings=["b", "a"], metadata={"y": 1, "x": [True]}, emotives={"joy": 0.5}, vectors=[]
    )
    assert one == audited(["a", "b"], emotives={"joy": 0.5}, metadata={"x": [True], "y": 1})
    assert sent(emotives={"joy": 0.5}) == audited([], emotives={"joy": 0.5})


@pytest.mark.parametrize(
    "other",
    [
        audited(["a"], emotives={"joy": 0.4}, metadata={"x": 1}),
        audited(["a"], emotives={"joy": 0.5}, metadata={"x": True}),
        audited(["a"], emotives={"joy": 0.5}),
        audited(["a", "a"], emotives={"joy": 0.5}, metadata={"x": 1}),
        audited(["a"], emotives={"joy": 0.5}, metadata={"x": 1}, vectors=[[1.0]]),
    ],
)
def test_another_value_anywhere_is_another_observation(other: Observed) -> None:
    one = sent(strings=["a"], emotives={"joy": 0.5}, metadata={"x": 1})
    assert compare([one], [other]) == Difference(lost=1, duplicated=1)


def test_a_string_that_looks_like_a_vector_symbol_is_no_alarm() -> None:
    """Whether vectors are sent beside it or not; without them it is compared letter by letter."""
    alone = sent(strings=["VCTR|x", "a"])
    assert alone == audited(["VCTR|x", "a"])
    assert alone != audited(["VCTR|y", "a"])
    both = sent(strings=["VCTR|x", "a"], vectors=[[1.0]])
    assert both.has_vectors
    assert not alone.has_vectors
    there = audited(["VCTR|5eb0", "VCTR|x", "a"], vectors=[[1.0]])
    assert both.nameless() == there.nameless()
    assert nameless(["VCTR|5eb0", "a"]) == ("VCTR|", "a")


def test_a_count_proves_what_no_symbol_shows() -> None:
    """An observation of emotives only makes no event."""
    nothing = Difference()
    assert nothing.at_least(sent=5, applied=5) == nothing
    assert nothing.at_least(sent=5, applied=3) == Difference(lost=2)
    assert nothing.at_least(sent=5, applied=6) == Difference(duplicated=1)
    assert Difference(lost=4, reordered=1).at_least(sent=5, applied=3).lost == 4
