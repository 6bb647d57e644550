"""What commands print does nothing to a terminal, whatever a session is called."""

from __future__ import annotations

import json

import pytest

from kato_tasks.cli.output import complain, counted, print_json, print_table, say

NASTY = "a[/a]b[bold]c\x1b[31md\x9be"
SHOWN = "a[/a]b[bold]c\ufffd[31md\ufffde"


def test_nothing_in_a_table_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A key such as ``[/a]`` is no error, and ``[bold]`` is not swallowed."""
    print_table(f"session {NASTY}", ("key",), [(NASTY,)])
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 2
    assert "\x1b" not in out


def test_nothing_in_a_sentence_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)
    complain(NASTY)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{SHOWN}\n", f"{SHOWN}\n")


def test_json_escapes_what_terminals_obey(capsys: pytest.CaptureFixture[str]) -> None:
    """And what no terminal can be sent, a lone surrogate; the value stays the same."""
    value = {"key": NASTY + "\x7f\ud800é"}
    print_json(value)
    out = capsys.readouterr().out
    assert out.strip().isprintable()
    assert "é" in out
    assert json.loads(out) == value


def test_one_is_singular() -> None:
    assert [counted(n, "line") for n in (0, 1, 2_000)] == ["0 lines", "1 line", "2,000 lines"]
