"""Pauses between calls that did not happen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.retry import Backoff
from kato_tasks.settings import Settings

POLICY = Backoff(first=0.5, most=30.0)


@given(st.integers(0, 10**9))
def test_a_pause_doubles_up_to_the_longest_with_at_most_half_of_it_as_jitter(
    attempts: int,
) -> None:
    full = min(30.0, 0.5 * 2 ** min(attempts, 10))
    assert full / 2 <= POLICY.pause(attempts) <= full


def test_pauses_differ_so_that_workers_do_not_march_in_step() -> None:
    assert len({POLICY.pause(3) for _ in range(20)}) > 10


def test_the_policy_comes_from_the_settings() -> None:
    assert Backoff.of(Settings.load(retry_first=1, retry_most=2)) == Backoff(first=1, most=2)
