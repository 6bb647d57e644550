"""The producer API takes a call whole, or refuses it with a sentence and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from fuzz_budget import cases
from fuzz_values import (
    any_text,
    anything,
    decoded,
    generated,
    good_observations,
    is_sentence,
    meant,
    same,
)
from fuzz_world import MakeWorld, World
from hypothesis import example, given
from hypothesis import strategies as st

from kato_tasks.errors import InvalidInput, SessionConflict
from kato_tasks.kato import validate_config
from kato_tasks.models import Command, Kind
from kato_tasks.sessions import Receipt

lists = st.lists(anything, max_size=3) | st.builds(generated) | anything
mappings = st.none() | st.dictionaries(any_text | st.integers(), anything, max_size=3) | anything
arguments = st.fixed_dictionaries(
    {},
    optional={
        "strings": lists,
        "vectors": st.lists(lists, max_size=3) | anything,
        "emotives": mappings,
        "metadata": mappings,
    },
)
names = st.sampled_from(["max_pattern_length", "recall_threshold", "stm_mode", "filter_pipeline"])
options = st.fixed_dictionaries(
    {},
    optional={
        "node": anything,
        "tags": anything,
        "instance": anything,
        "config": st.dictionaries(names | any_text, anything, max_size=2) | anything,
        "ttl": anything,
        "predictions": anything,
    },
)


def accepted(call: Callable[[], Receipt]) -> Receipt | None:
    """Make a call; None if it was refused as it should be."""
    try:
        return call()
    except (InvalidInput, SessionConflict) as error:
        sentence = str(error)
    assert is_sentence(sentence), repr(sentence)
    return None


def only(lane: list[Command]) -> Command:
    [command] = lane
    return command


@cases(40)
@given(key=anything)
def test_any_value_as_a_session_key(make_world: MakeWorld, key: Any) -> None:  # noqa: ANN401
    world = make_world()
    if accepted(lambda: world.sessions.session(key).observe(["x"])) is None:
        assert world.is_untouched()
    else:
        assert decoded(only(world.lane(key)).payload)["strings"] == ["x"]


@cases(60)
@given(given_options=options)
def test_any_values_as_options_of_a_session(
    make_world: MakeWorld, given_options: dict[str, Any]
) -> None:
    world = make_world()
    if accepted(lambda: world.sessions.session("a", **given_options).observe(["x"])) is None:
        assert world.is_untouched()
    else:
        assert len(world.lane("a")) == 1


@cases(70)
@given(observation=arguments)
def test_any_values_as_an_observation(make_world: MakeWorld, observation: dict[str, Any]) -> None:
    world = make_world()
    if accepted(lambda: world.sessions.session("a").observe(**observation)) is None:
        assert world.is_untouched()
    else:
        assert same(decoded(only(world.lane("a")).payload), meant(observation))


@cases(60)
@given(observations=st.lists(good_observations, max_size=3), odd=anything, place=st.integers(0, 3))
def test_any_value_among_many_observations(
    make_world: MakeWorld,
    observations: list[Any],
    odd: Any,  # noqa: ANN401
    place: int,
) -> None:
    """One that is none takes the others with it."""
    world = make_world()
    observations.insert(place, odd)
    receipt = accepted(lambda: world.sessions.session("a").observe_many(observations))
    if receipt is None:
        assert world.is_untouched()
    else:
        lane = [decoded(command.payload) for command in world.lane("a")]
        assert same(lane, [meant(observation) for observation in observations])
        assert receipt.added == len(lane)


def test_one_bad_observation_takes_a_thousand_others_with_it(make_world: MakeWorld) -> None:
    """They would have been accepted in several groups."""
    world = make_world()
    observations: list[dict[str, Any]] = [{"strings": [str(number)]} for number in range(1_200)]
    assert (
        accepted(lambda: world.sessions.session("a").observe_many([*observations, {"x": 1}]))
        is None
    )
    assert world.is_untouched()
    assert accepted(lambda: world.sessions.session("a").observe_many(observations)) is not None
    assert [decoded(one.payload)["strings"] for one in world.lane("a")][::400] == [
        ["0"],
        ["400"],
        ["800"],
    ]


@cases(30)
@given(
    calls=st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(good_observations | anything, max_size=3)),
        max_size=4,
    )
)
def test_refusals_between_others_leave_the_lane_as_it_was(
    make_world: MakeWorld,
    calls: list[tuple[str, list[Any]]],
) -> None:
    """Whether an observation is none, or the session has another node."""
    world, expected = make_world(), list[dict[str, Any]]()
    for node, observations in calls:
        session = world.sessions.session("a", node=node)
        if accepted(partial(session.observe_many, observations)) is not None:
            expected += [meant(observation) for observation in observations]
        assert same([decoded(one.payload) for one in world.lane("a")], expected)


@cases(40)
@given(observations=anything)
def test_any_value_in_place_of_many_observations(
    make_world: MakeWorld,
    observations: Any,  # noqa: ANN401
) -> None:
    world = make_world()
    if accepted(lambda: world.sessions.session("a").observe_many(observations)) is None:
        assert world.is_untouched()
    else:
        assert len(world.lane("a")) >= 1


@cases(40)
@given(
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.EXTEND]), command_id=anything
)
def test_any_value_as_a_command_id(
    make_world: MakeWorld,
    kind: Kind,
    command_id: Any,  # noqa: ANN401
) -> None:
    """It stands in the lane once, also when the call is made again."""
    world = make_world()
    call = commands_of(world)[kind]
    if accepted(lambda: call(command_id)) is None:
        assert world.is_untouched()
        return
    again = call(command_id)
    assert again.repeated == (command_id is not None)
    assert len(world.lane("a")) == (1 if again.repeated else 2)


@cases(60)
@example(config={"\ud800": None})
@example(config={"filter_pipeline": ("length",)})
@given(config=anything)
def test_any_value_as_a_change_of_config(
    make_world: MakeWorld,
    config: Any,  # noqa: ANN401
) -> None:
    world = make_world()
    if accepted(lambda: world.sessions.session("a").configure(config)) is None:
        assert world.is_untouched()
    else:
        [command] = world.lane("a")
        assert json.loads(command.payload) == validate_config(config)


def commands_of(world: World) -> dict[Kind, Callable[[Any], Receipt]]:
    """Return how each kind of command is given."""
    session = world.sessions.session("a")
    return {
        Kind.OBSERVE: lambda name: session.observe(["x"], command_id=name),
        Kind.LEARN: lambda name: session.learn(command_id=name),
        Kind.CLEAR_STM: lambda name: session.clear_stm(command_id=name),
        Kind.CONFIGURE: lambda name: session.configure({"max_predictions": 7}, command_id=name),
        Kind.DELETE: lambda name: session.delete(command_id=name),
    }
