"""How many cases are tried: the same ones in every run, or more and other ones when asked for.

``KATO_TASKS_TEST_FUZZ=20 pytest tests/fuzz --timeout 0`` tries twenty times as many, at random.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

VARIABLE: Final = "KATO_TASKS_TEST_FUZZ"


def cases(count: int) -> settings:
    """Return a profile for ``count`` cases, or a multiple of it if the variable says so."""
    factor = int(os.environ.get(VARIABLE, "0"))
    return settings(
        max_examples=count * max(1, factor),
        derandomize=not factor,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            # The fixtures of this folder are made for it: each case has a store of its own.
            HealthCheck.function_scoped_fixture,
        ],
    )
