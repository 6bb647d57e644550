"""What tasks take: strictly what JSON says."""

from __future__ import annotations

from typing import Any

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.models import PredictionMode
from kato_tasks.observations import Observation
from kato_tasks.worker.arguments import (
    CommandArguments,
    FanOutArguments,
    ObserveArguments,
    PredictArguments,
    SessionArguments,
    read,
)


@pytest.mark.parametrize(
    ("model", "values", "named"),
    [
        (SessionArguments, {"key": 5}, "key"),
        (SessionArguments, {"key": "a", "ttl": True}, "ttl"),
        (SessionArguments, {"key": "a", "ttl": "60"}, "ttl"),
        (SessionArguments, {"key": "a", "ttl": 60.0}, "ttl"),
        (SessionArguments, {"key": "a", "tags": [1]}, "tags"),
        (SessionArguments, {"key": "a", "predictions": "sometimes"}, "predictions"),
        (CommandArguments, {"key": "a", "command_id": 7}, "command_id"),
        (FanOutArguments, {"observation": {}, "keys": [1]}, "keys"),
        (FanOutArguments, {"pairs": [[1, {}]]}, "pairs"),
        (FanOutArguments, {"pairs": [["a"]]}, "pairs"),
        (PredictArguments, {"key": "a", "after": "3"}, "after"),
        (PredictArguments, {"key": "a", "timeout": True}, "timeout"),
    ],
)
def test_another_type_is_refused_with_its_name(
    model: type[SessionArguments], values: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(model, values)
    assert named in refused.value.subject


def test_what_json_has_no_type_for_comes_as_lists_and_texts() -> None:
    pairs = read(FanOutArguments, {"pairs": [["a", {"strings": ["x"]}]]}).all_pairs()
    assert pairs == [("a", Observation(strings=["x"]))]
    arguments = read(
        ObserveArguments, {"key": "a", "observation": {"emotives": {"joy": 1}}, "predictions": None}
    )
    assert arguments.observation.emotives == {"joy": 1}
    mode = PredictionMode.ON_DEMAND
    assert read(SessionArguments, {"key": "a", "predictions": mode.value}).predictions is mode
    assert read(PredictArguments, {"key": "a", "timeout": 3}).timeout == 3
