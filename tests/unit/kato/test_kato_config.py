"""Which configs are refused before a server can drop them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.kato import effective_differences, validate_config

# Every key at a value that the server was seen to take.
EVERY_KEY: dict[str, Any] = {
    "max_pattern_length": 7,
    "persistence": 9,
    "recall_threshold": 0.4,
    "stm_mode": "ROLLING",
    "indexer_type": "VI",
    "max_predictions": 11,
    "sort_symbols": False,
    "process_predictions": False,
    "use_token_matching": False,
    "fuzzy_token_threshold": 0.2,
    "rank_sort_algo": "similarity",
    "affinity_emotive": "joy",
    "filter_pipeline": ["length"],
    "length_min_ratio": 0.4,
    "length_max_ratio": 3.0,
    "jaccard_threshold": 0.2,
    "jaccard_min_overlap": 3,
    "minhash_threshold": 0.6,
    "minhash_bands": 10,
    "minhash_rows": 10,
    "minhash_num_hashes": 100,
    "bloom_false_positive_rate": 0.02,
    "max_candidates_per_stage": 500,
    "enable_filter_metrics": False,
}


def test_every_key_of_the_server_is_taken() -> None:
    assert validate_config(EVERY_KEY) == EVERY_KEY
    assert len(EVERY_KEY) == 24


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recall_threshold", 0),
        ("recall_threshold", 1.0),
        ("max_pattern_length", 0),
        ("persistence", 100),
        ("max_predictions", 10_000),
        ("length_max_ratio", 1),
        ("filter_pipeline", []),
    ],
)
def test_the_ends_of_a_range_belong_to_it(key: str, value: object) -> None:
    assert validate_config({key: value}) == {key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recall_threshold", 2.0),
        ("recall_threshold", -0.1),
        ("recall_threshold", "0.3"),
        ("recall_threshold", None),
        ("recall_threshold", True),
        ("recall_threshold", math.nan),
        ("length_max_ratio", math.inf),
        ("length_max_ratio", 0.5),
        ("max_pattern_length", -1),
        ("max_pattern_length", True),
        ("max_pattern_length", 2.5),
        ("max_predictions", 0),
        ("persistence", 101),
        ("process_predictions", "false"),
        ("sort_symbols", 0),
        ("stm_mode", "rolling"),
        ("indexer_type", "ZZ"),
        ("rank_sort_algo", 5),
        ("filter_pipeline", ["bogus"]),
        ("filter_pipeline", "length"),
        ("filter_pipeline", [["length"]]),
        ("affinity_emotive", "\ud800"),
        ("jaccard_threshold", 7),
    ],
)
def test_a_value_that_would_drop_the_config_is_refused(key: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_config({"max_predictions": 5, key: value})
    assert caught.value.subject == f"config.{key}"
    assert caught.value.problem.startswith("is ")


def test_the_refusal_says_what_is_allowed() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_config({"recall_threshold": 2.0})
    sentence = "config.recall_threshold is 2.0; allowed: a number from 0.0 to 1.0."
    assert str(caught.value) == sentence


def test_an_unknown_key_is_refused() -> None:
    """The server would ignore it, and the misspelt setting with it."""
    with pytest.raises(InvalidInput, match="recall_treshold is no config key"):
        validate_config({"recall_treshold": 0.3})


@pytest.mark.parametrize("key", ["session_ttl", "session_auto_extend"])
def test_the_keys_of_the_guide_point_to_ttl(key: str) -> None:
    with pytest.raises(InvalidInput, match="ttl instead"):
        validate_config({key: 300})


def test_a_tuple_becomes_a_list() -> None:
    checked = validate_config({"filter_pipeline": ("minhash", "jaccard")})
    assert checked == {"filter_pipeline": ["minhash", "jaccard"]}


def test_equal_values_of_other_types_are_no_difference() -> None:
    sent: dict[str, Any] = {"length_max_ratio": 1, "filter_pipeline": ["length"]}
    effective: dict[str, Any] = {"length_max_ratio": 1.0, "filter_pipeline": ["length"], "more": 1}
    assert effective_differences(sent, effective) == ()


@pytest.mark.parametrize(
    ("sent", "effective"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": False}, {"a": 0}),
        ({"a": 0.4}, {"a": 0.1}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": ["x"]}, {"a": []}),
    ],
)
def test_a_difference_names_its_key(sent: dict[str, Any], effective: dict[str, Any]) -> None:
    assert effective_differences({**sent, "b": 2}, {**effective, "b": 2}) == ("a",)
