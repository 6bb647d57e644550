"""How long to wait before a call that did not happen is tried again: a policy as data."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from kato_tasks.settings import Settings

_LONGEST_CHAIN: Final = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Pauses that double, with jitter.

    Attributes:
        first: Seconds after the first failure.
        most: Longest pause in seconds.
    """

    first: float
    most: float

    @classmethod
    def of(cls, settings: Settings) -> Backoff:
        """Return the policy of the settings."""
        return cls(first=settings.retry_first, most=settings.retry_most)

    def pause(self, attempts: int) -> float:
        """Return the seconds to wait after ``attempts`` earlier failures: 50 to 100 % of them."""
        full = min(self.most, self.first * 2.0 ** min(attempts, _LONGEST_CHAIN))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
