"""What producers ask for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest

from kato_tasks.chaos.acceptances import Call
from kato_tasks.chaos.calls import BURST, Imagination
from kato_tasks.chaos.crowd import Member, make_crowd
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Refused, ServerError
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.validation import observation
from kato_tasks.models import Kind

CROWD = make_crowd(100)


def calls(member: Member, seed: str = "1") -> Iterator[Call]:
    imagination = Imagination(seed)
    return chain.from_iterable(imagination.next(member) for _ in range(3_000))


def test_the_same_seed_asks_for_the_same() -> None:
    assert list(calls(CROWD[20])) == list(calls(CROWD[20]))
    assert list(calls(CROWD[20])) != list(calls(CROWD[20], seed="2"))


def test_a_crowd_has_sessions_of_every_kind() -> None:
    """At least 100 sessions over about 10 nodes, also where there are more."""
    assert len({member.key for member in CROWD}) == len(CROWD) == 100
    assert 8 <= len({member.node for member in CROWD}) <= 12
    assert any(member.rolls for member in CROWD)
    assert any(member.learns_at and not member.rolls for member in CROWD)
    assert any(member.predicts for member in CROWD)
    assert any(member.vectors for member in CROWD)
    assert {member.node for member in make_crowd(300)} == {member.node for member in CROWD}


def test_observations_are_numbered_and_their_events_unique() -> None:
    """Over all sessions, so that each pattern is learned by one session only."""
    found = [
        one
        for member in CROWD[18:22]
        for call in calls(member)
        if not call.poison
        for one in call.observations
    ]
    per_session = Counter(one["metadata"]["n"] for one in found)
    assert per_session[1] == 4
    symbols = [one["strings"][0] for one in found if one.get("strings")]
    assert len(symbols) == len(set(symbols))


def test_calls_are_of_every_kind_and_have_ids_of_their_own() -> None:
    found = list(calls(CROWD[20]))
    assert {call.kind for call in found} == {
        Kind.OBSERVE,
        Kind.LEARN,
        Kind.CLEAR_STM,
        Kind.DELETE,
    }
    assert any(call.poison for call in found)
    assert max(call.commands for call in found) == BURST
    assert len({call.command_id for call in found}) == len(found)


def test_sessions_with_vectors_learn_nothing() -> None:
    found = list(calls(CROWD[5]))
    assert all(call.kind is not Kind.LEARN for call in found)
    assert any(one.get("vectors") for call in found for one in call.observations)


@pytest.mark.parametrize("member", [CROWD[20], CROWD[3]], ids=["plain", "predicts"])
def test_poison_is_refused_by_the_server_every_time(member: Member) -> None:
    """With 422 or 500; where it takes a prediction to fail, nothing stands before it."""
    poison = {json.dumps(one) for call in calls(member) if call.poison for one in call.observations}
    engine = Engine(Options())
    config = {"process_predictions": member.predicts}
    engine.apply("create", 1, "s", [member.node, {}, None, config])
    assert len(poison) == (1 if member.predicts else 3)
    for text in poison:
        with pytest.raises((Refused, ServerError)):
            engine.apply("observe", 2, "s", list(observation(json.loads(text))))
