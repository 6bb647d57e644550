"""A task takes what a message holds whole and once, or its caller is told why not."""

from __future__ import annotations

from typing import Any

import pytest
from fuzz_budget import cases
from fuzz_tasks import Site, is_refusal
from fuzz_values import (
    any_text,
    decoded,
    good_observations,
    is_sentence,
    json_values,
    meant,
    same,
)
from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.worker import names

ACCEPTING = (
    names.OBSERVE,
    names.FAN_OUT,
    names.LEARN,
    names.CLEAR_STM,
    names.DELETE_SESSION,
    names.CREATE_SESSION,
)
NAMED = (
    *("key", "observation", "command_id", "node", "instance", "config", "ttl", "tags"),
    *("predictions", "keys", "pairs", "after", "self"),
)
some_args = st.lists(json_values, max_size=3)
some_kwargs = st.dictionaries(st.sampled_from(NAMED) | any_text, json_values, max_size=3)
odd_kwargs = st.dictionaries(
    st.sampled_from(["command_id", "node", "instance", "config", "ttl", "tags", "predictions"]),
    json_values,
    max_size=2,
)


@pytest.mark.parametrize("task", ACCEPTING)
@cases(50)
@given(args=some_args, kwargs=some_kwargs)
def test_arguments_of_any_shape(
    site: Site,
    task: str,
    args: list[Any],
    kwargs: dict[str, Any],
) -> None:
    """Nearly all of them are refused, and then nothing is known of them."""
    site.empty()
    answer = site.run(task, args, kwargs, "id")
    if isinstance(answer, Exception):
        assert is_refusal(answer), repr(answer)
        assert is_sentence(str(answer)), repr(str(answer))
        assert site.is_untouched()
    else:
        assert not site.is_untouched()


@cases(120)
@given(observation=good_observations, kwargs=odd_kwargs)
def test_a_good_observation_with_options_of_any_shape(
    site: Site, observation: dict[str, Any], kwargs: dict[str, Any]
) -> None:
    """It stands in its lane once, also when the message is delivered again."""
    site.empty()
    answer = site.run(names.OBSERVE, ["a", observation], kwargs, "id")
    if isinstance(answer, Exception):
        assert is_refusal(answer), repr(answer)
        assert site.is_untouched()
        return
    again = site.run(names.OBSERVE, ["a", observation], kwargs, "id")
    assert again == {**answer, "repeated": True}
    assert [decoded(payload) for payload in site.lane("a")] == [meant(observation)]


@pytest.mark.parametrize("task", [names.LEARN, names.CLEAR_STM, names.DELETE_SESSION])
@cases(60)
@given(kwargs=odd_kwargs)
def test_a_command_with_options_of_any_shape(site: Site, task: str, kwargs: dict[str, Any]) -> None:
    site.empty()
    answer = site.run(task, ["a"], kwargs, "id")
    if isinstance(answer, Exception):
        assert is_refusal(answer), repr(answer)
        assert site.is_untouched()
        return
    assert site.run(task, ["a"], kwargs, "id")["repeated"]
    assert site.lane("a") == [b""]


pairs = st.lists(
    st.tuples(st.sampled_from("abc") | json_values, good_observations | json_values).map(list)
    | json_values,
    min_size=1,
    max_size=3,
)


@cases(80)
@given(pairs=pairs)
def test_one_bad_pair_takes_the_others_with_it(site: Site, pairs: list[Any]) -> None:
    site.empty()
    answer = site.run(names.FAN_OUT, [], {"pairs": pairs}, "id")
    if isinstance(answer, Exception):
        assert is_refusal(answer), repr(answer)
        assert site.is_untouched()
        return
    assert answer == {"accepted": len(pairs), "repeated": 0}
    assert site.run(names.FAN_OUT, [], {"pairs": pairs}, "id")["repeated"] == len(pairs)
    for key in {key for key, _ in pairs}:
        lane = [decoded(payload) for payload in site.lane(key)]
        assert same(lane, [meant(given) for name, given in pairs if name == key])


@cases(200)
@given(
    key=any_text | json_values, kwargs=st.dictionaries(st.sampled_from(["after", "x"]), json_values)
)
def test_a_question_of_any_shape(site: Site, key: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
    """Of a session that nobody knows there is nothing to predict."""
    site.empty()
    answer = site.run(names.PREDICT, [key], {"timeout": 0.001, **kwargs}, "id")
    if isinstance(answer, Exception):
        assert is_refusal(answer), repr(answer)
        assert is_sentence(str(answer)), repr(str(answer))
    else:
        assert answer == {"predictions": [], "future_potentials": []}
    assert site.is_untouched()


@cases(60)
@given(keys=st.lists(st.sampled_from("abc") | json_values, max_size=4) | json_values)
def test_wake_ups_for_what_is_no_session(site: Site, keys: Any) -> None:  # noqa: ANN401
    """A hint that leads nowhere does no harm."""
    site.empty()
    answer = site.run(names.DELIVER, [keys], {}, "id")
    assert answer is None or is_refusal(answer), repr(answer)
    assert site.is_untouched()


@cases(30)
@given(args=some_args, kwargs=some_kwargs)
def test_the_sweep_takes_no_arguments(site: Site, args: list[Any], kwargs: dict[str, Any]) -> None:
    site.empty()
    answer = site.run(names.SWEEP, args, kwargs, "id")
    assert answer == 0 if not (args or kwargs) else is_refusal(answer)
