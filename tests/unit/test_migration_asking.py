"""What can be asked of a migration."""

from __future__ import annotations

from typing import Any

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.migration.asking import Request, check_request
from kato_tasks.settings import Settings

TWO = {"blue": "http://blue", "green": "http://green"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parallel": 10**400}, "parallel is too large; allowed: from 1 to 64"),
        ({"parallel": -1}, "parallel is -1"),
        ({"rate": float("nan")}, "limit_rate is nan"),
        ({"rate": float("inf")}, "limit_rate is inf"),
        ({"keep_for": -0.5}, "keep_for is -0.5"),
        ({"most_failures": float("nan")}, "most_failures is nan"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    request = Request(source="blue", target="green", **options)
    with pytest.raises(InvalidInput, match=words):
        check_request(Settings.load(instances=TWO), request)
