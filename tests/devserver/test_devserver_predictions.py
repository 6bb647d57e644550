"""Predictions in the recorded numbers (kato-api 3 and 8).

One node knows four sequences; what is asked of it and answered was recorded.
"""

from collections.abc import Callable
from typing import Any

import pytest
from devserver_api import Api

ABC = "b98534b32c1d7489d4ce1a48724aa65aeecbdba9"
ABDE = "9c0e67bf229e3325a38516adc0c7f333cbcc877a"
BA10ZZ = "a89e9b3e8f6ddc17e57ddde6f614a261143dcedf"
ABE = "dce3a663490c8d7bd2fe62c957894549eb337d1b"

KNOWN: list[tuple[int, list[dict[str, Any]]]] = [
    (3, [{"strings": ["a"]}, {"strings": ["b"]}, {"strings": ["c"]}]),
    (7, [{"strings": ["a"]}, {"strings": ["b"]}, {"strings": ["d", "e"]}]),
    (2, [{"strings": ["B", "a"]}, {"strings": ["zz", "10"]}]),
    (1, [{"strings": ["a"]}, {"strings": ["b"]}, {"strings": ["é日本"]}]),
]


@pytest.fixture
def node(api: Api) -> Api:
    session = api.session()
    for times, observations in KNOWN:
        for _ in range(times):
            body = {"observations": observations, "learn_at_end": True}
            api.post(f"{session}/observe-sequence", body)
    return api


def _predicted(api: Api, *events: list[str], **config: object) -> Any:  # noqa: ANN401
    session = api.session(config=config)
    observations = [{"strings": event} for event in events]
    api.post(f"{session}/observe-sequence", {"observations": observations})
    return api.get(f"{session}/predictions")


def _figures(answer: Any, *names: str) -> dict[str, tuple[float, ...]]:  # noqa: ANN401
    return {entry["name"]: tuple(entry[name] for name in names) for entry in answer["predictions"]}


def test_a_prefix_of_several_patterns(node: Api) -> None:
    answer = _predicted(node, ["a"], ["b"])
    names = ("similarity", "potential", "itfdf_similarity", "predictive_information")
    assert _figures(answer, *names) == {
        ABE: pytest.approx((0.8, 3.6666666666666665, 1.0, 0.6564102564102564), abs=1e-12),
        ABC: pytest.approx((0.8, 3.6666666666666665, 1.0, 0.6564102564102563), abs=1e-12),
        ABDE: pytest.approx((0.6666666666666665, 3.5, 1.0, 0.6564102564102563), abs=1e-12),
        BA10ZZ: pytest.approx(
            (0.33333333333333326, 2.215556000017887, 0.965556000017887, 0.6564102564102564),
            abs=1e-12,
        ),
    }
    futures = [
        (entry["future"], round(entry["total_weighted_frequency"], 9))
        for entry in answer["future_potentials"]
    ]
    assert futures == [
        ([["d", "e"]], 4.666666667),
        ([["c"]], 2.4),
        ([["é日本"]], 0.8),
        ([["10", "zz"]], 0.666666667),
    ]


def test_a_match_with_a_gap(node: Api) -> None:
    answer = _predicted(node, ["a"], ["x"], ["d", "e"])
    best = answer["predictions"][0]
    assert (best["name"], best["matches"], best["future"]) == (ABDE, ["a", "d", "e"], [])
    assert best["missing"] == [[], ["b"], []]
    assert best["extras"] == [[], ["x"], []]
    names = ("potential", "snr", "confluence", "global_normalized_entropy", "tfidf_score")
    assert _figures(answer, *names)[ABDE] == pytest.approx(
        (
            2.4726190380819624,
            0.7142857142857143,
            1.66796875,
            0.41366219196432175,
            0.5259398437049277,
        )
    )
    second = ("potential", "snr", "bayesian_posterior", "itfdf_similarity")
    assert _figures(answer, *second)[BA10ZZ] == pytest.approx(
        (1.836870633963084, -0.2, 0.07253886010362695, 0.9868706339630842)
    )


def test_part_of_an_event(node: Api) -> None:
    answer = _predicted(node, ["a", "B"])
    assert [entry["name"] for entry in answer["predictions"]] == [BA10ZZ, ABE, ABC, ABDE]
    assert _figures(answer, "potential")[ABDE] == pytest.approx((2.400589551360307,))


def test_one_symbol_asks_for_the_patterns_it_begins(node: Api) -> None:
    answer = _predicted(node, ["a"])
    assert _figures(answer, "potential", "similarity") == {
        ABC: pytest.approx((2.333333333333333, 0.5)),
        ABE: pytest.approx((2.333333333333333, 0.5)),
        ABDE: pytest.approx((2.25, 0.4)),
    }
    assert answer["predictions"][-1]["future"] == ["b", "d", "e"]
    assert {entry["fragmentation"] for entry in answer["predictions"]} == {0}


def test_futures_are_answered_again_where_nothing_new_is_predicted(node: Api) -> None:
    last = _predicted(node, ["a"], ["b"])["future_potentials"]
    assert _predicted(node)["future_potentials"] == last
    assert _predicted(node, ["a"])["future_potentials"] == last
    assert _predicted(node, ["unknown", "symbols"])["future_potentials"] == []


def test_a_small_limit_prunes_before_it_measures(node: Api) -> None:
    answer = _predicted(node, ["a"], ["b"], max_predictions=1)
    [best] = answer["predictions"]
    assert best["_pre_potential"] == pytest.approx(2.6666666666666665)
    assert best["pattern_probability"] == pytest.approx(0.09090909090909091)
    assert best["predictive_information"] == pytest.approx(0.7151515151515152)
    assert len(answer["future_potentials"]) == 3


def test_emotives_of_a_pattern_are_predicted_as_their_mean(api: Api) -> None:
    session = api.session()
    for joy in (1.0, 2.0):
        api.post(f"{session}/clear-stm")
        item = {"strings": ["a", "b"], "emotives": {"joy": joy}}
        api.post(f"{session}/observe-sequence", {"observations": [item], "learn_at_end": True})
    [entry] = _predicted(api, ["a", "b"])["predictions"]
    assert entry["emotives"] == {"joy": 1.5}


@pytest.mark.parametrize("ranking", ["similarity", "frequency", "weighted_snr", "evidence"])
def test_any_figure_can_rank(make_api: Callable[..., Api], ranking: str) -> None:
    api = make_api(defaults={"rank_sort_algo": ranking})
    session = api.session()
    for events in ("abc", "ab"):
        api.sequence(session, *events, learn_at_end=True)
    entries = _predicted(api, ["a"], ["b"])["predictions"]
    figures = [entry[ranking] or 0.0 for entry in entries]
    assert figures == sorted(figures, reverse=True)
