"""Which sessions are to become ours, and how a file says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kato_tasks.adoption import Named, make_request, read_names
from kato_tasks.errors import InvalidInput, UnknownInstance
from kato_tasks.settings import Settings

ONE = Settings.load(instances={"one": "http://one"})
TWO = Settings.load(instances={"one": "http://one", "two": "http://two"})
A = Named(key="a", session_id="session-1")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"session-1\n", Named(key="session-1", session_id="session-1")),
        (b"  session-1 \r\n", Named(key="session-1", session_id="session-1")),
        (b"a,session-1", A),
        (b"a\tsession-1", A),
        (b"a , session-1", A),
        (b"user,7\tsession-1", Named(key="user,7", session_id="session-1")),
        (b"user,7,session-1", Named(key="user,7", session_id="session-1")),
        ("blå\tsession-1".encode(), Named(key="blå", session_id="session-1")),
    ],
)
def test_a_line_names_a_session_and_maybe_its_key(line: bytes, named: Named) -> None:
    assert read_names([b"\n", line, b"  \n"], "f") == (named,)


@pytest.mark.parametrize(
    "line", [b"a,", b",session-1", b"a\t", b"\tsession-1", b"a\tb\tc", b"a\xff,session-1"]
)
def test_a_line_that_is_neither_is_refused_with_its_number(line: bytes) -> None:
    with pytest.raises(InvalidInput, match="line 2 of 'f'"):
        read_names([b"ok", line], "f")


def test_a_file_that_names_nothing_or_breaks_off_is_refused() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a\n"
        raise OSError(5, "Input/output error")

    with pytest.raises(InvalidInput, match="names no session"):
        read_names([b"\n"], "f")
    with pytest.raises(InvalidInput, match="Input/output error"):
        read_names(broken(), "f")


def test_the_only_instance_needs_no_name_and_of_several_one_does() -> None:
    assert make_request(ONE, [A]).instance == "one"
    assert make_request(TWO, [A], instance="two").instance == "two"
    with pytest.raises(InvalidInput, match="there are several; allowed: one of one, two"):
        make_request(TWO, [A])
    with pytest.raises(UnknownInstance):
        make_request(TWO, [A], instance="three")


def test_a_key_or_a_session_that_is_named_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="key 'a' is named twice"):
        make_request(ONE, [A, Named(key="a", session_id="session-2")])
    with pytest.raises(InvalidInput, match="session 'session-1' is named twice"):
        make_request(ONE, [A, Named(key="b", session_id="session-1")])


def test_all_or_some_are_asked_for() -> None:
    assert make_request(ONE, [], every=True).sessions == ()
    for sessions, every in (([], False), ([A], True)):
        with pytest.raises(InvalidInput, match="session ids, a file of them, or all"):
            make_request(ONE, sessions, every=every)
