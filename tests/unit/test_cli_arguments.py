"""What options of several commands mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from kato_tasks.cli.arguments import config_from, instances_from, keys_from
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


def test_a_file_has_a_key_on_each_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbfa\r\n\n  b c \na\n\xc3\xbc")
    assert keys_from(file) == ("a", "b c", "\u00fc")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no key"),
        (b"\n \n", "has no key"),
        (b"a\n\xff\n", "line 2 of --file .* is b'.*UTF-8"),
        (b"k" * 10_000_000, "line 1 of --file .* is 'kkk.*…; allowed: a session key of up to 512"),
    ],
)
def test_another_file_is_refused_in_a_few_words(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as refused:
        keys_from(file)
    assert len(str(refused.value)) < 500
