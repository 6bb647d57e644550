"""Reading JSON Lines: each line is judged by itself."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from kato_tasks.ingest import Event, Problem, makes_wait, open_source, read_events

GOOD = {"session": "a", "strings": ["x"]}


def read(*lines: object) -> list[Event | Problem]:
    """The events of a file of these lines."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return list(read_events(io.BytesIO(text.encode()), "file", max_observation_bytes=1_000))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"command_id": ""}, "command_id is empty; allowed: text of 1 to 200 bytes"),
        ({"command_id": "a\nb"}, "command_id is 'a\\nb'; allowed: printable text"),
        ({"config": {"recall_threshold": 7}}, "config.recall_threshold is 7; allowed: a number"),
        ({"config": {"colour": 1}}, "config.colour is no config key of the server"),
        ({"tags": [""]}, "tags is empty; allowed: text of 1 to 128 bytes"),
        ({"tags": [str(n) for n in range(33)]}, "tags has 33 entries; allowed: at most 32"),
        ({"node_id": "test_x"}, "node is 'test_x'"),
        ({"session": "test_x"}, "node is 'test_x'"),
        ({"session": "k" * 513}, "session key has 513 bytes"),
        ({"ttl": 0}, "ttl is 0; allowed: whole seconds, at least 1"),
        ({"ttl": "9"}, "ttl is '9'; allowed: whole seconds, at least 1"),
        ({"ttl": True}, "ttl is True; allowed: whole seconds"),
        ({"ttl": 10**12}, "ttl is 1000000000000; allowed: whole seconds from 1 to 250000000000"),
    ],
)
def test_a_bad_line_is_refused_wherever_it_stands(fields: dict[str, object], reason: str) -> None:
    """First, in the middle and last; the lines around it are not touched."""
    bad = {**GOOD, **fields}
    events = read(bad, GOOD, bad, GOOD, bad)
    assert [isinstance(event, Problem) for event in events] == [True, False, True, False, True]
    assert all(reason in str(events[place]) for place in (0, 2, 4)), str(events[0])


def test_a_good_line_keeps_its_options() -> None:
    options = {"config": {"recall_threshold": 0.5}, "ttl": 9, "tags": ["b", "a"], "node_id": "n"}
    [event] = read({**GOOD, **options, "session": "test_x", "command_id": "c"})
    assert isinstance(event, Event)
    assert (event.config, event.ttl, event.tags) == (options["config"], 9, ("a", "b"))
    assert (event.session, event.node, event.command_id) == ("test_x", "n", "c")


def test_absent_options_may_be_null() -> None:
    [event] = read({**GOOD, "config": None, "ttl": None, "node_id": None, "command_id": None})
    assert isinstance(event, Event)
    assert (event.config, event.ttl, event.node, event.command_id) == (None, None, None, None)


def test_only_regular_files_make_nobody_wait(tmp_path: Path) -> None:
    """A FIFO, a pipe and what is no file of the system's trickle: each event goes on at once."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        with open_source(str(tmp_path / name)) as file:
            assert not makes_wait(file)
    read_end, write_end = os.pipe()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        assert makes_wait(pipe)
    assert makes_wait(io.BytesIO())
