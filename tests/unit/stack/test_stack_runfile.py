from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from types import MappingProxyType

import pytest
from stack_helpers import python

from kato_tasks.stack import (
    RunFile,
    StackError,
    default_run_file,
    read_run_file,
    remove_run_file,
    write_run_file,
)

RUN = RunFile(
    pid=os.getpid(),
    started_at="2026-01-02T03:04:05Z",
    data_dir="data",
    redis_url="redis://127.0.0.1:6400/0",
    broker_url="redis://127.0.0.1:6400/1",
    instances={"default": "http://127.0.0.1:8000"},
    flower_url=None,
    log="stack.log",
    pids={"store": 7},
    settings={"KATO_TASKS_REDIS_URL": "redis://127.0.0.1:6400/0"},
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with its own folder for temporary files and nothing else set."""
    monkeypatch.delenv("KATO_TASKS_RUN_FILE", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def dead_pid() -> int:
    with subprocess.Popen(python("")) as process:
        pass
    return process.pid


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    write_run_file(path, RUN)
    assert read_run_file(path) == RUN
    other = dataclasses.replace(RUN, flower_url="http://127.0.0.1:5555")
    write_run_file(path, dataclasses.replace(other, pids=MappingProxyType({"store": 7})))
    assert read_run_file(path) == other


def test_the_file_and_its_folder_are_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    write_run_file(path, RUN)
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    assert [p.name for p in path.parent.iterdir()] == ["run.json"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(StackError, match="cannot be written"):
        write_run_file(tmp_path / "run.json", RUN)
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_no_file_no_run(tmp_path: Path) -> None:
    assert read_run_file(tmp_path / "run.json") is None


@pytest.mark.parametrize("pid", [None, 0, -1, 2**40])
def test_a_stale_file_is_no_run(tmp_path: Path, pid: int | None) -> None:
    path = tmp_path / "run.json"
    write_run_file(path, dataclasses.replace(RUN, pid=dead_pid() if pid is None else pid))
    assert read_run_file(path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "1"},
        {"redis_url": None},
        {"flower_url": 5},
        {"instances": []},
        {"pids": {"store": "7"}},
        {"settings": {"KATO_TASKS_X": 1}},
    ],
)
def test_a_file_with_a_wrong_value_is_no_run(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(vars(RUN) | change))
    assert read_run_file(path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe"])
def test_a_corrupt_file_is_no_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert read_run_file(path) is None


def test_only_our_own_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run_file(path, RUN)
    remove_run_file(path, RUN.pid + 1)
    assert path.exists()
    remove_run_file(path, RUN.pid)
    assert not path.exists()
    remove_run_file(path, RUN.pid)


def test_the_named_run_file_comes_first(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_TASKS_RUN_FILE", str(places / "x" / "named.json"))
    assert default_run_file() == places / "x" / "named.json"
    assert not (places / "x").exists()


def test_then_the_runtime_folder(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = places / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert default_run_file() == runtime / "kato-tasks" / "run.json"
    assert mode_of(runtime / "kato-tasks") == 0o700


@pytest.mark.parametrize("runtime", ["", "relative", "/no/such/folder"])
def test_else_the_folder_for_temporary_files(
    places: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    folder = places / f"kato-tasks-{os.geteuid()}"
    assert default_run_file() == folder / "run.json"
    assert mode_of(folder) == 0o700


def test_a_folder_open_to_others_is_closed(places: Path) -> None:
    folder = places / f"kato-tasks-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    default_run_file()
    assert mode_of(folder) == 0o700


def test_a_link_in_place_of_the_folder_is_refused(places: Path) -> None:
    (places / "elsewhere").mkdir()
    (places / f"kato-tasks-{os.geteuid()}").symlink_to(places / "elsewhere")
    with pytest.raises(StackError, match="is not our own"):
        default_run_file()


def test_a_folder_of_somebody_else_is_refused(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    (places / f"kato-tasks-{stranger}").mkdir()
    with pytest.raises(StackError, match="is not our own"):
        default_run_file()


def test_a_file_in_place_of_the_folder_is_refused(places: Path) -> None:
    (places / f"kato-tasks-{os.geteuid()}").touch()
    with pytest.raises(StackError, match="cannot be made"):
        default_run_file()
