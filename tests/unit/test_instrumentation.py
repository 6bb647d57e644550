"""Latency buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.instrumentation import bucket_of, buckets, quantile, upper_bound


@given(st.floats(1.0, 1_000_000.0))
def test_a_bucket_is_at_most_9_1_percent_too_high(milliseconds: float) -> None:
    bound = upper_bound(bucket_of(milliseconds))
    assert milliseconds * (1 - 1e-9) <= bound <= milliseconds * 1.091


@pytest.mark.parametrize("milliseconds", [-5.0, 0.0, 0.3, 1.0])
def test_what_is_shorter_than_a_millisecond_is_in_the_first_bucket(milliseconds: float) -> None:
    assert bucket_of(milliseconds) == 0
    assert upper_bound(0) == 1.0


def test_what_is_longer_than_17_minutes_is_in_the_last_bucket() -> None:
    assert bucket_of(1e12) == bucket_of(2.0**20) == 160


def test_durations_are_counted_by_bucket() -> None:
    assert buckets([0.5, 1, 2, 2, 4]) == {0: 2, 8: 2, 16: 1}


def test_a_quantile_is_what_a_share_of_all_did_not_exceed() -> None:
    histogram = {8: 50, 0: 49, 80: 1}
    assert quantile(histogram, 0.49) == 1.0
    assert quantile(histogram, 0.5) == 2.0
    assert quantile(histogram, 0.99) == 2.0
    assert quantile(histogram, 1.0) == 1024.0
    assert quantile({}, 0.5) is None
