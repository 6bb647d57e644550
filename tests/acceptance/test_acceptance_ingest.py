"""``kato-tasks ingest``: good lines go in, bad ones are named, one by one."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from secrets import token_hex

from acceptance_command import Terminal, Up, background, write_lines

from kato_tasks.testing import wait_until

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
    (b'{"session": "a", "ttl": 0}', "ttl is 0; allowed: whole seconds, at least 1"),
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
    file = write_lines(tmp_path / "bad.jsonl", lines)
    done = terminal("ingest", str(file), "--wait", "--json")
    assert done.code == 1
    assert (done.json["accepted"], done.json["refused"]) == (len(BAD), len(BAD))
    for number, (problem, (_, reason)) in enumerate(
        zip(done.json["problems"], BAD, strict=True), start=1
    ):
        assert problem.startswith(f"{file}:{2 * number}: "), problem
        assert reason in problem
        assert len(problem) < 1_000
    assert (done.json["refused_by_kato"], done.json["problems_cut"]) == (0, False)
    assert terminal("sessions", "show", good, "--json").json["applied"] == len(BAD)


def test_a_person_reads_the_reasons_too(terminal: Terminal, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "bad.jsonl", [b"nonsense", {"session": "person"}, b"[]"])
    done = terminal("ingest", str(file))
    assert done.code == 1
    assert f"{file}:1: line is no JSON" in done.err
    assert f"{file}:3: line is a JSON list" in done.err
    assert "1 observation for 1 session accepted" in done.out
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


def test_a_fifo_is_read_as_it_comes(terminal: Terminal, up: Up, tmp_path: Path) -> None:
    """Its first event is applied while its writer still holds it open."""
    key, fifo = f"fifo-{token_hex(4)}", tmp_path / "fifo"
    os.mkfifo(fifo)
    with background("ingest", str(fifo), env=up.env, folder=tmp_path) as command:
        with fifo.open("wb", buffering=0) as writer:
            writer.write(json.dumps({"session": key, "strings": ["a"]}).encode() + b"\n")
            wait_until(lambda: terminal("sessions", "show", key).code == 0, timeout=30)
            assert command.running
        wait_until(lambda: not command.running, timeout=30)
    assert "1 observation for 1 session accepted" in command.out


def test_tags_find_sessions(terminal: Terminal, tmp_path: Path) -> None:
    """Those of a file and those of the command, with a key that looks like markup."""
    tag, key = f"tag-{token_hex(4)}", f"[/a]{token_hex(4)}"
    file = write_lines(tmp_path / "in.jsonl", [{"session": key, "strings": ["a"], "tags": [tag]}])
    assert terminal("ingest", str(file), "--wait").code == 0
    options = ("--config", '{"recall_threshold": 0.3}', "--predictions", "always", "--tag", tag)
    made = terminal("sessions", "create", f"{key}-made", *options, "--json")
    assert (made.code, made.json["predictions"]) == (0, "always")
    assert made.json["config"] == {"recall_threshold": 0.3}
    found = terminal("sessions", "list", "--tag", tag, "--json").json
    assert {one["key"] for one in found} == {key, f"{key}-made"}
    assert terminal("sessions", "list", "--tag", tag, "--node", key, "--json").json[0]["key"] == key
    shown = terminal("sessions", "show", key)
    assert (shown.code, shown.out.count(key) > 1) == (0, True)


def test_a_file_that_is_not_there(terminal: Terminal, tmp_path: Path) -> None:
    for name, reason in ((tmp_path / "no.jsonl", "No such file"), (tmp_path, "Is a directory")):
        done = terminal("ingest", str(name), "--json")
        assert (done.code, done.json["exit_code"]) == (2, 2)
        assert f"file '{name}' cannot be read ({reason}" in done.err


def test_an_empty_file_is_no_mistake(terminal: Terminal) -> None:
    done = terminal("ingest", "-", "--json", stdin=b"\n\n")
    assert (done.code, done.json["read"]) == (0, 0)
