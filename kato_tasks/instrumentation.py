"""Latency buckets and log events."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

logger: Final = logging.getLogger("kato_tasks")
"""Every event is a constant message with its facts in ``extra``; nothing prints."""

_PER_DOUBLING: Final = 8
_HIGHEST: Final = 20 * _PER_DOUBLING


def bucket_of(milliseconds: float) -> int:
    """Return the bucket of a duration: bounds grow by 2^(1/8), about 9 %, from 1 ms to 17 min."""
    if milliseconds <= 1:
        return 0
    return min(_HIGHEST, math.ceil(math.log2(milliseconds) * _PER_DOUBLING))


def upper_bound(bucket: int) -> float:
    """Return the longest duration of a bucket in milliseconds."""
    return float(2 ** (bucket / _PER_DOUBLING))


def buckets(durations_ms: Iterable[float]) -> Counter[int]:
    """Return how many durations fall into which bucket."""
    return Counter(map(bucket_of, durations_ms))


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the duration that ``share`` of all did not exceed, in milliseconds.

    Args:
        histogram: Counts by bucket.
        share: From 0 to 1.

    Returns:
        The upper bound of the bucket, at most 9 % too high; None without data.
    """
    total = sum(histogram.values())
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= share * total:
            return upper_bound(bucket)
    return None
