from __future__ import annotations

import io
import pickle
import re
import stat
from pathlib import Path

import pytest
from stack_helpers import child, running, wait_until

from kato_tasks.stack import StackError
from kato_tasks.stack.output import LogFile, read_lines


def test_long_lines_are_cut_and_the_next_is_whole() -> None:
    pipe = io.BytesIO("é".encode() * 4_000 + b"\n" + b"x" * 50_000 + b"\nnext\r\nlast")
    whole, cut, following, last = read_lines(pipe)
    assert whole == "é" * 4_000
    assert cut == "x" * 4_000 + " [cut]"
    assert (following, last) == ("next", "last")


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert list(read_lines(io.BytesIO(b"a\xffb\n\n"))) == ["a\ufffdb", ""]


def test_a_log_is_appended_to_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "stack.log"
    path.write_text("old\n")
    path.chmod(0o644)
    log = LogFile(path)
    log.write("a", "before it is open")
    log.open()
    log.write("a", "text")
    log.close()
    log.close()
    log.write("a", "after it was closed")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old, new = path.read_text().splitlines()
    assert old == "old"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z a +\| text", new)


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be opened"):
        LogFile(tmp_path / "missing" / "stack.log").open()


def test_both_outputs_of_all_processes_go_to_one_log(tmp_path: Path) -> None:
    code = "import sys, time; print('out of', sys.argv); sys.stderr.write('err\\n'); time.sleep(60)"
    with running(tmp_path, child("one", code), child("two", code)) as stack:
        wait_until(lambda: stack.log_text().count("| err") == 2)
        assert stack.log_text().count("| out of") == 2
        assert {"one", "two", "stack"} == {
            line.split()[1] for line in stack.log_text().splitlines()
        }


def test_the_error_keeps_its_facts_when_pickled() -> None:
    error = StackError("worker", "was not ready within 1 s", ("first", "last"))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(copy) == str(error)
    assert str(error).splitlines() == [
        "worker was not ready within 1 s; its last lines:",
        "    first",
        "    last",
    ]
