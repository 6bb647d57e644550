"""Every line of a file but blank ones becomes an event, or a problem that says where and why."""

from __future__ import annotations

import errno
import gzip
import io
import json
from typing import Any, Final

import pytest
from fuzz_budget import cases
from fuzz_values import (
    any_text,
    decoded,
    good_observations,
    is_sentence,
    json_values,
    meant,
    same,
)
from fuzz_world import MakeWorld
from hypothesis import example, given
from hypothesis import strategies as st

from kato_tasks.errors import InvalidInput
from kato_tasks.ingest import Event, Loader, Problem, Totals, open_source, read_events

MAX_BYTES: Final = 1_000
LONGEST: Final = MAX_BYTES + 65_536
GOOD: Final = {"session": "a", "strings": ["x"]}


class Line(bytes):
    """A line that is shown cut."""

    __slots__ = ()

    def __repr__(self) -> str:
        return bytes.__repr__(self[:100])


field_names = st.sampled_from(
    [
        "session",
        "node_id",
        "command_id",
        "config",
        "ttl",
        "tags",
        "timestamp",
        "strings",
        "emotives",
    ]
)
objects = st.dictionaries(field_names | any_text, json_values, max_size=4)
almost_good = st.builds(
    lambda good, odd: {"session": "a", **good, **odd},
    good_observations,
    st.dictionaries(field_names, json_values, max_size=1),
)
lines_of_json = (st.just(GOOD) | almost_good | objects | json_values).map(
    lambda value: json.dumps(value).encode()
)
"""Surrogates are escaped; NaN and Infinity stand as they are."""

odd_lines: Final = st.sampled_from(
    [
        b"",
        b" \t\r",
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        b"\xef\xbb\xbf",
        json.dumps(GOOD).encode() + b"\r",
        json.dumps(GOOD).encode()[:-1],
        b'{"session": "\xed\xa0\x80"}',
        b'{"session": "a\0", "strings": ["\0"]}',
        b'{"session": "a", "session": "b", "strings": ["x"], "strings": ["y"]}',
        b'{"session": "a", "metadata": {"k": 1, "k": 2}}',
        b'{"session": "a", "ttl": ' + b"9" * 5_000 + b"}",
        b'{"session": "a", "emotives": {"joy": 1e999}}',
        b"[" * 50_000,
        b'{"session":' * 5_000,
        b"\xff\xfe{\0}\0",
        b" " * LONGEST + b" ",
        b" " * LONGEST + json.dumps(GOOD).encode(),
        b'{"session": "' + b"x" * LONGEST + b'"}',
    ]
)
binary_lines = st.binary(max_size=20).filter(lambda line: b"\n" not in line)
lines = (lines_of_json | odd_lines | binary_lines).map(Line)


def read(data: bytes) -> list[Event | Problem]:
    file = io.BufferedReader(io.BytesIO(data))
    return list(read_events(file, "file", max_observation_bytes=MAX_BYTES))


def check(found: Event | Problem) -> None:
    """See that an event holds what a line may say, and that a problem can be read."""
    if isinstance(found, Problem):
        assert found.source == "file"
        assert is_sentence(str(found)), repr(str(found))
    else:
        assert found.session.encode()
        assert decoded(found.payload)


@cases(100)
@given(lines=st.lists(lines, max_size=6), ended=st.booleans())
def test_each_line_is_an_event_or_a_problem_at_its_place(lines: list[bytes], ended: bool) -> None:  # noqa: FBT001
    """Whatever stands beside it, and whether or not the last one is ended."""
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    found = read(data)
    wanted = [
        number
        for number, line in enumerate(data.split(b"\n"), start=1)
        if line.strip() or len(line) > LONGEST
    ]
    assert [one.line for one in found] == wanted
    for one in found:
        check(one)


@cases(100)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-16")))
@example(data=b"")
@example(data=b"\n")
def test_any_bytes_can_be_read(data: bytes) -> None:
    found = read(data)
    assert len({one.line for one in found}) == len(found)
    for one in found:
        check(one)


@cases(60)
@given(observation=good_observations)
def test_a_good_line_says_what_was_written(observation: dict[str, Any]) -> None:
    [event] = read(json.dumps({"session": "a", **observation}).encode())
    assert isinstance(event, Event), event
    assert same(decoded(event.payload), meant(observation))


@cases(100)
@given(data=st.data())
def test_broken_gzip_ends_in_a_problem_after_the_lines_before(data: st.DataObject) -> None:
    """Cut, or with bytes that are not its own: nothing that cannot be trusted is an event."""
    packed = gzip.compress(json.dumps(GOOD).encode() + b"\n", mtime=0)
    cut = data.draw(st.integers(2, len(packed) - 1))
    broken = packed[:cut] + data.draw(st.binary(max_size=8))
    found = read(broken)
    assert all(isinstance(one, Problem) for one in found[-1:])
    assert [one.line for one in found] == list(range(1, len(found) + 1))
    for one in found:
        check(one)


@cases(60)
@given(lines=st.lists(lines, max_size=8))
def test_what_is_loaded_and_what_is_refused_is_all_there_was(
    make_world: MakeWorld, lines: list[bytes]
) -> None:
    """And the lanes hold what was loaded, each once."""
    world, found = make_world(), read(b"\n".join(lines))
    events = [one for one in found if isinstance(one, Event)]
    loader = Loader(world.sessions, "file")
    totals = Totals()
    for totals in loader.load(found, waits=False):
        assert all(is_sentence(str(problem)) for problem in totals.problems)
    assert totals.read == totals.accepted + totals.refused == len(found)
    standing = sum(len(world.lane(key)) for key in {event.session for event in events})
    assert standing == totals.accepted - totals.repeated


def test_a_name_that_is_given_twice_is_a_problem() -> None:
    """JSON readers take the last one: the others would be lost without a word."""
    lines = (
        b'{"session": "a", "strings": ["x"], "strings": ["y"]}',
        b'{"session": "a", "metadata": {"k": 1, "k": 2}}',
    )
    found = [str(one) for one in read(b"\n".join(lines))]
    assert found == [
        "file:1: line has the name 'strings' twice; allowed: every name once.",
        "file:2: line has the name 'k' twice; allowed: every name once.",
    ]


def test_a_line_that_begins_with_more_blanks_than_a_line_may_have_is_a_problem() -> None:
    [problem] = read(b" " * (LONGEST + 1) + json.dumps(GOOD).encode())
    assert str(problem) == f"file:1: line has more than {LONGEST} bytes; allowed: shorter lines."


class Failing(io.BytesIO):
    """A file on a disk that fails after its first line."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().readline(size)


def test_a_disk_that_fails_is_a_problem_at_the_line_it_broke_off() -> None:
    file = Failing(json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode())
    event, problem = read_events(file, "file", max_observation_bytes=MAX_BYTES)
    assert isinstance(event, Event)
    assert str(problem) == (
        "file:2: the file cannot be read on from here (Input/output error); "
        "what comes after is not read."
    )


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be read"), open_source("a\0b"):
        pass
