"""Latency buckets, log events, and what is told of progress."""

from __future__ import annotations

import copy
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

logger: Final = logging.getLogger("kato_tasks")
"""Every event is a constant message with its facts in ``extra``; nothing prints."""

Told = Callable[[str, int, int], None]
"""Told of progress: the step in words, how much of it is done, how much there is."""

_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_LONGEST_FACT: Final = 500
_USERINFO: Final = re.compile(r"(?<=://)\S*@")
"""Up to the last ``@`` of a word: a password may hold ``/`` and ``@`` where nobody quoted them."""

_PER_DOUBLING: Final = 8
_HIGHEST: Final = 20 * _PER_DOUBLING


def hide_password(url: str) -> str:
    """Return a URL as it may be shown: without what stands before its host."""
    # By hand: a parser finds no password where it holds a "/" or where the scheme is missing.
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0]


class FactsFormatter(logging.Formatter):
    """Appends the facts of our own events to their message, as ``name=value``, on one line.

    In every line, those of others too, what stands before the host of a URL is hidden: the HTTP
    client logs each call with the whole URL.

    Args:
        inner: Formats the result.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """See :meth:`logging.Formatter.format`."""
        facts = [
            f"{name}={_in_a_word(value)}"
            for name, value in vars(record).items()
            if name not in _STANDARD
        ]
        if facts and (record.name == logger.name or record.name.startswith(f"{logger.name}.")):
            # A copy: other handlers get the record too.
            record = copy.copy(record)
            record.msg, record.args = " ".join([record.getMessage(), *facts]), None
        return _USERINFO.sub("***@", self._inner.format(record))


def _in_a_word(value: object) -> str:
    text = str(value)
    text = text if len(text) <= _LONGEST_FACT else f"{text[:_LONGEST_FACT]}…"
    plain = text.isprintable() and text and not set(text) & set(" =\"'")
    return text if plain else repr(text)


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
