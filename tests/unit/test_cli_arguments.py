"""What options of several commands mean."""

from __future__ import annotations

import pytest

from kato_tasks.cli.arguments import config_from, instances_from
from kato_tasks.errors import InvalidInput

A, B, C = "http://a:1", "http://b:2", "http://c:3/?x=y"


@pytest.mark.parametrize(
    ("urls", "instances"),
    [
        ([A], {"default": A}),
        ([A, B], {"kato-1": A, "kato-2": B}),
        ([C, A], {"kato-1": C, "kato-2": A}),
        ([f"x={A}", B], {"x": A, "kato-1": B}),
        ([A, f"kato-1={B}", C], {"kato-2": A, "kato-1": B, "kato-3": C}),
        ([f"x={A},y={B}"], {"x": A, "y": B}),
        ([f'{{"x": "{A}", "y": "{B}"}}'], {"x": A, "y": B}),
    ],
)
def test_servers_without_a_name_get_one(urls: list[str], instances: dict[str, str]) -> None:
    assert instances_from(urls) == instances


def test_one_name_for_two_servers_is_refused() -> None:
    with pytest.raises(InvalidInput, match="every name once"):
        instances_from([f"x={A}", f"x={B}"])


@pytest.mark.parametrize("text", ["", "no", "[]", "3", "[" * 100_000])
def test_a_config_is_a_json_object(text: str) -> None:
    assert config_from(None) is None
    assert config_from('{"a": 1}') == {"a": 1}
    with pytest.raises(InvalidInput, match="allowed: a JSON object"):
        config_from(text)
