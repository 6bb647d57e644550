"""What an observation may hold, and the sentence with which another is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kato_tasks.errors import InvalidInput
from kato_tasks.observations import Observation, encode_observation, encode_observations

finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
observations = st.fixed_dictionaries(
    {},
    optional={
        "strings": st.lists(text, max_size=4),
        "vectors": st.lists(st.lists(finite, min_size=2, max_size=2), max_size=3),
        "emotives": st.dictionaries(text, finite, max_size=3),
        "metadata": st.dictionaries(text, documents, max_size=3),
    },
)


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


def deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


def circular() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


@given(observations)
def test_a_good_observation_is_encoded_as_json_would_have_it(observation: dict[str, Any]) -> None:
    encoded = encode_observation(observation, max_bytes=100_000)
    assert json.loads(encoded) == {name: value for name, value in observation.items() if value}
    assert encode_observation(Observation(**observation), max_bytes=100_000) == encoded


def test_the_encoding_is_short() -> None:
    observation = {"strings": ["ü", 'b"'], "emotives": {"joy": 1}, "vectors": []}
    encoded = encode_observation(observation, max_bytes=100)
    assert encoded.decode() == '{"strings":["ü","b\\""],"emotives":{"joy":1.0}}'
    assert encode_observation({}, max_bytes=2) == b"{}"
    assert json.loads(encode_observation({"metadata": {"k": nested(50)}}, max_bytes=500))


@pytest.mark.parametrize(
    ("observation", "sentence"),
    [
        ({"strings": "abc"}, "strings is 'abc'; allowed: a list."),
        ({"strings": ("a",)}, "strings is ('a',); allowed: a list."),
        ({"strings": None}, "strings is None; allowed: a list."),
        ({"strings": ["a", 1]}, "strings[1] is 1; allowed: text."),
        ({"strings": [b"a"]}, "strings[0] is b'a'; allowed: text."),
        ({"emotives": {"joy": math.nan}}, "emotives.joy is nan; allowed: a finite number."),
        ({"emotives": {"joy": math.inf}}, "emotives.joy is inf; allowed: a finite number."),
        ({"emotives": {"joy": "1"}}, "emotives.joy is '1'; allowed: a finite number."),
        ({"emotives": {"joy": True}}, "emotives.joy is True; allowed: a finite number."),
        ({"emotives": []}, "emotives is []; allowed: a mapping of names to values."),
        ({"vectors": [[1, -math.inf]]}, "vectors[0][1] is -inf; allowed: a finite number."),
        ({"vectors": [1]}, "vectors[0] is 1; allowed: a list."),
        (
            {"vectors": [[1], [1, 2]]},
            "vectors have different lengths (1, 2); allowed: lists of one length.",
        ),
        ({"metadata": {"k": object}}, "metadata.k is <class 'object'>; allowed: a JSON value."),
        ({"metadata": {"k": (1,)}}, "metadata.k is (1,); allowed: a JSON value."),
        ({"uniqe_id": 1}, "uniqe_id is 1; allowed: only the documented fields."),
        ([1], "is [1]; allowed: an observation or a mapping of its fields."),
        (None, "is None; allowed: an observation or a mapping of its fields."),
    ],
)
def test_a_refusal_names_the_place_the_value_and_what_is_allowed(
    observation: Any,  # noqa: ANN401
    sentence: str,
) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode_observation(observation, max_bytes=100)
    assert str(refused.value) == f"observation {sentence}"


@pytest.mark.parametrize(
    "metadata",
    [
        {"k": math.nan},
        {"k": [{"z": math.inf}]},
        {"k": {1: 2}},
        {"k": deep()},
        {"k": circular()},
        {"k": 10**5000},
    ],
    ids=["nan", "nested inf", "number as a name", "deep", "circular", "long integer"],
)
def test_metadata_that_is_no_json_is_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"^observation .*; allowed: "):
        encode_observation({"metadata": metadata}, max_bytes=100_000)


@pytest.mark.parametrize(
    "observation",
    [
        {"strings": ["a", "b\ud800"]},
        {"emotives": {"b\udfff": 1}},
        {"metadata": {"b\ud800": 1}},
        {"metadata": {"k": [{"x": "b\udc00"}]}},
        {"metadata": {"k": {"b\udc00": 1}}},
    ],
)
def test_a_lone_surrogate_is_refused_wherever_it_is(observation: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"lone surrogate after '.*b'") as refused:
        encode_observation(observation, max_bytes=100)
    str(refused.value).encode()


def test_numbers_too_large_for_a_server_or_to_show_are_refused() -> None:
    for number in (10**400, 10**5000):
        with pytest.raises(InvalidInput, match="a finite number") as refused:
            encode_observation({"emotives": {"joy": number}}, max_bytes=100)
        assert len(str(refused.value)) < 200


def test_an_observation_has_a_longest_length_in_bytes() -> None:
    observation = {"strings": ["ü"]}
    assert len(encode_observation(observation, max_bytes=18)) == 18
    with pytest.raises(InvalidInput, match="has 18 bytes as JSON; allowed: at most 17"):
        encode_observation(observation, max_bytes=17)


def test_of_several_the_sentence_counts_from_0_and_none_is_encoded() -> None:
    many: list[dict[str, object]] = [{"strings": ["a"]}, {"strings": [1]}]
    with pytest.raises(InvalidInput, match=r"^observation 1: strings\[0\] is 1"):
        encode_observations(many, max_bytes=100)
    assert encode_observations(many[:1], max_bytes=100) == (b'{"strings":["a"]}',)


def test_an_observation_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Observation(strings=["a"]).strings = ["b"]  # type: ignore[misc]
