"""What a key, a node, a tag, a command id and an instance may be called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.naming import (
    check_command_id,
    check_instance_name,
    check_key,
    check_node,
    check_tags,
    fold_node,
)

TEXTS = pytest.mark.parametrize(
    ("check", "limit"), [(check_key, 512), (check_node, 512), (check_command_id, 200)]
)


@TEXTS
def test_text_up_to_its_limit_in_bytes_is_taken_as_it_is(
    check: Callable[[object], str], limit: int
) -> None:
    for text in ("x", "ü" * (limit // 2), "user 7:cart/{1}"):
        assert check(text) == text


@TEXTS
def test_empty_long_and_broken_text_is_refused_with_what_is_allowed(
    check: Callable[[object], str], limit: int
) -> None:
    for wrong, problem in (
        ("", "is empty"),
        ("ü" * (limit // 2) + "x", f"has {limit + 1} bytes"),
        ("ab\ud800", "has a lone surrogate at position 2"),
        (b"x", "is of type bytes"),
        (None, "is of type NoneType"),
    ):
        with pytest.raises(InvalidInput, match=f"{problem}; allowed: text of 1 to {limit} bytes"):
            check(wrong)


@pytest.mark.parametrize("node", ["test_", "test-x", "test x", "test.é", "test_a" * 20])
def test_a_node_whose_patterns_the_server_would_delete_is_refused(node: str) -> None:
    with pytest.raises(InvalidInput, match="KATO deletes those"):
        check_node(node)


@pytest.mark.parametrize("node", ["test", "testing", "Test-x", "my-test-x", "tést-x"])
def test_other_names_with_test_in_them_are_taken(node: str) -> None:
    assert check_node(node) == node


@pytest.mark.parametrize("command_id", ["a\nb", "a\0b", "a\u2028b", "\x7f"])
def test_a_command_id_is_printable(command_id: str) -> None:
    with pytest.raises(InvalidInput, match="printable text"):
        check_command_id(command_id)


@pytest.mark.parametrize("name", ["a", "eu-1.b_c", "7", "x" * 63])
def test_instance_names(name: str) -> None:
    assert check_instance_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 64, "-a", "a b", "a=b", "a/b", "é", "a\n", 7, None])
def test_other_instance_names_are_refused(name: object) -> None:
    with pytest.raises(InvalidInput, match="1 to 63 letters, digits"):
        check_instance_name(name)


def test_tags_are_sorted_and_counted_once() -> None:
    assert check_tags(["b", "a", "b"]) == ("a", "b")
    assert check_tags({"x"}) == ("x",)
    assert check_tags(["same"] * 40) == ("same",)


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("abc", "is of type str"),
        (b"abc", "is of type bytes"),
        (7, "is of type int"),
        ({"a": 1}, "is of type dict"),
        ([1], "is of type int"),
        ([""], "is empty"),
        (["x" * 129], "has 129 bytes"),
        (["\udc00"], "has a lone surrogate"),
        ([str(number) for number in range(33)], "has 33 entries"),
    ],
)
def test_other_tags_are_refused(tags: object, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"tags {problem}"):
        check_tags(tags)


def test_nodes_fold_as_the_server_files_them() -> None:
    assert fold_node("a-b.c d") == fold_node("a_b_c_d") == "a_b_c_d"
    assert fold_node("é") == "_"
    long = "x" * 61
    assert len(fold_node(long)) <= 60
    assert fold_node(long + "a") != fold_node(long + "b")
    assert fold_node(long + "-") == fold_node(long + ".")
