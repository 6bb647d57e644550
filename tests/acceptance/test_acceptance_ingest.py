"""``kato-tasks ingest``: good lines go in, bad ones are named, one by one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from secrets import token_hex

from acceptance_command import Terminal, write_lines

DEEP = b"[" * 300 + b"]" * 300
BAD: list[tuple[bytes, str]] = [
    (b"nonsense", "line is no JSON (Expecting value at column 1)"),
    (b"[1, 2]", "line is a JSON list; allowed: one JSON object a line"),
    (b"{}", "session is missing"),
    (b'{"session": 3}', "session is 3; allowed: text"),
    (b'{"session": "a", "strings": "b"}', "strings is 'b'; allowed: a list"),
    (b'{"session": "a", "strings": [1]}', "strings[0] is 1; allowed: text"),
    (b'{"session": "a", "strings": null}', "strings is None; allowed: a list"),
    (b'{"session": "a", "emotives": {"joy": NaN}}', "emotives.joy is nan; allowed: a finite"),
    (b'{"session": "a", "emotives": {"joy": Infinity}}', "emotives.joy is inf"),
    (b'{"session": "a", "emotives": {"joy": 1e999}}', "emotives.joy is inf"),
    (b'{"session": "a", "metadata": {"m": NaN}}', "allowed: a finite number"),
    (b'{"session": "a", "strings": ["\\ud800"]}', "has a lone surrogate"),
    (b'{"session": "\\ud800", "strings": ["a"]}', "session key has a lone surrogate"),
    (b'{"session": "a", "vectors": [[1], [1, 2]]}', "vectors have different lengths (1, 2)"),
    (b'{"session": ""}', "session key is empty; allowed: text of 1 to 512 bytes"),
    (b'{"session": "' + b"k" * 513 + b'"}', "session key has 513 bytes"),
    (b'{"session": "a", "node_id": "test_x"}', "does not begin with test_"),
    (b'{"session": "a", "node_id": ""}', "node is empty"),
    (b'{"session": "a", "strings": ["' + b"x" * 65_536 + b'"]}', "allowed: at most 65536"),
    (b'{"session": "a", "strings": ["' + b"x" * 200_000 + b'"]}', "line has more than 131072"),
    (b'{"session": "a", "colour": 1}', "colour is 1; allowed: only the documented fields"),
    (b'{"session": "a", "config": {"colour": 1}}', "colour is no config key of the server"),
    (b'{"session": "a", "config": {"max_predictions": 0}}', "max_predictions"),
    (b'{"session": "a", "ttl": 0}', "ttl is 0"),
    (b'{"session": "a", "ttl": true}', "ttl is True"),
    (b'{"session": "a", "tags": "t"}', "tags is 't'; allowed: a list"),
    (b'{"session": "a", "command_id": ""}', "command_id is empty"),
    (b'{"session": "a", "strings": ["\xff"]}', "line is no UTF-8 at byte 30"),
    (b'{"session": "a", "metadata": {"m": ' + DEEP + b"}}", "nested"),
]


def test_every_bad_line_is_named_with_its_reason(terminal: Terminal, tmp_path: Path) -> None:
    """Each with file, line and what is allowed; the good lines around them are applied."""
    good = f"good-{token_hex(4)}"
    lines: list[object] = []
    for number, (line, _) in enumerate(BAD):
        lines += [{"session": good, "strings": [str(number)]}, line]
    # A run names its first 20 problems and counts the rest.
    for start in range(0, len(BAD), 20):
        file = write_lines(tmp_path / "bad.jsonl", lines[2 * start : 2 * start + 40])
        done = terminal("ingest", str(file), "--wait", "--json")
        expected = BAD[start : start + 20]
        assert done.code == 1
        assert (done.json["accepted"], done.json["refused"]) == (len(expected), len(expected))
        for number, (problem, (_, reason)) in enumerate(
            zip(done.json["problems"], expected, strict=True), start=1
        ):
            assert problem.startswith(f"{file}:{2 * number}: "), problem
            assert reason in problem
            assert len(problem) < 1_000
    assert terminal("sessions", "show", good, "--json").json["applied"] == len(BAD)


def test_a_person_reads_the_reasons_too(terminal: Terminal, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "bad.jsonl", [b"nonsense", {"session": "person"}, b"[]"])
    done = terminal("ingest", str(file))
    assert done.code == 1
    assert f"{file}:1: line is no JSON" in done.err
    assert f"{file}:3: line is a JSON list" in done.err
    assert "1 observations for 1 sessions accepted" in done.out
    assert "2 lines refused" in done.out


def test_a_line_with_another_node_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    key = f"conflict-{token_hex(4)}"
    events = [{"session": key, "node_id": node, "strings": [node]} for node in ("n1", "n2", "n1")]
    file = write_lines(tmp_path / "in.jsonl", events)
    done = terminal("ingest", str(file), "--json")
    assert (done.code, done.json["accepted"], done.json["refused"]) == (1, 2, 1)
    assert done.json["problems"][0].startswith(f"{file}:2: Session '{key}' already has the node")


def test_standard_input_and_gzip(terminal: Terminal, tmp_path: Path) -> None:
    """Both are told by what they hold, also a compressed standard input."""
    line = json.dumps({"session": f"stdin-{token_hex(4)}", "strings": ["a"]}).encode() + b"\n"
    assert terminal("ingest", "-", "--json", stdin=line * 3).json["accepted"] == 3
    packed = gzip.compress(line * 4)
    assert terminal("ingest", "-", "--json", stdin=packed).json["accepted"] == 4
    (tmp_path / "in.jsonl.gz").write_bytes(packed)
    assert terminal("ingest", str(tmp_path / "in.jsonl.gz"), "--json").json["accepted"] == 4


def test_what_is_left_of_a_truncated_gzip_is_taken(terminal: Terminal, tmp_path: Path) -> None:
    key = f"cut-{token_hex(4)}"
    lines = [json.dumps({"session": key, "strings": [token_hex(40)]}) for _ in range(2_000)]
    packed = gzip.compress("\n".join(lines).encode())
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(packed[: len(packed) // 2])
    done = terminal("ingest", str(file), "--json")
    assert done.code == 1
    assert 0 < done.json["accepted"] < 2_000
    assert "the gzip data ends or breaks here" in done.json["problems"][-1]


def test_a_file_sent_twice_adds_nothing(terminal: Terminal, tmp_path: Path) -> None:
    """If its lines have command_ids; they are counted as repeated."""
    key = f"twice-{token_hex(4)}"
    events = [{"session": key, "strings": [str(n)], "command_id": f"{key}:{n}"} for n in range(100)]
    file = str(write_lines(tmp_path / "in.jsonl", events))
    first, second = (terminal("ingest", file, "--wait", "--json").json for _ in range(2))
    assert (first["accepted"], first["repeated"]) == (100, 0)
    assert (second["accepted"], second["repeated"]) == (100, 100)
    assert terminal("sessions", "show", key, "--json").json["applied"] == 100


def test_a_file_that_is_not_there(terminal: Terminal, tmp_path: Path) -> None:
    for name, reason in ((tmp_path / "no.jsonl", "No such file"), (tmp_path, "Is a directory")):
        done = terminal("ingest", str(name), "--json")
        assert (done.code, done.json["exit_code"]) == (2, 2)
        assert f"file '{name}' cannot be read ({reason}" in done.err


def test_an_empty_file_is_no_mistake(terminal: Terminal) -> None:
    done = terminal("ingest", "-", "--json", stdin=b"\n\n")
    assert (done.code, done.json["read"]) == (0, 0)
