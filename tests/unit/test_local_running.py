"""Finding the stack that runs, and what a run file that cannot be written does to it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from kato_tasks.local import LocalStack, Plan, find_settings, use_running_stack
from kato_tasks.local import running as local_running
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.stack import (
    Event,
    ProcessSpec,
    RunFile,
    StackError,
    read_run_file,
    write_run_file,
)

SLEEPING = ProcessSpec(name="a", command=["sleep", "60"])


@pytest.fixture
def run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stack is looked for; no variable names one."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    path = tmp_path / "run.json"
    monkeypatch.setenv(f"{PREFIX}RUN_FILE", str(path))
    return path


def write(path: Path, settings: dict[str, str]) -> None:
    run = RunFile(
        pid=os.getpid(),
        started_at="",
        data_dir="",
        redis_url="",
        broker_url="",
        instances={},
        flower_url=None,
        log="",
        pids={},
        settings={PREFIX + name: value for name, value in settings.items()},
    )
    write_run_file(path, run)


def make_stack(folder: Path, told: list[Event]) -> LocalStack:
    plan = Plan(
        settings=Settings(),
        specs=(SLEEPING,),
        data_dir=folder,
        log=folder / "stack.log",
        flower_url=None,
        environment={f"{PREFIX}PREFIX": "mine"},
    )
    return LocalStack(plan, run_file=folder / "run.json", on_event=told.append)


def test_all_settings_of_the_stack_are_found(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that are set win; what another version has written is passed over."""
    write(run_file, {"REDIS_URL": "redis://up/0", "PREFIX": "up", "SHARDS": "3", "FUTURE": "x"})
    monkeypatch.setenv(f"{PREFIX}SHARDS", "5")
    found = find_settings()
    assert (found.redis_url, found.prefix, found.shards) == ("redis://up/0", "up", 5)


def test_a_broker_without_its_store_is_not_used(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The team's broker, set for another store, must not get the messages of this one."""
    write(run_file, {"REDIS_URL": "redis://up/0", "BROKER_URL": "redis://up/0"})
    monkeypatch.setenv(f"{PREFIX}BROKER_URL", "redis://foreign/0")
    assert find_settings().broker == "redis://up/0"


def test_finding_them_leaves_the_environment_alone(run_file: Path) -> None:
    """A web process with KatoTasks() must not stay with a stack that is gone."""
    write(run_file, {"REDIS_URL": "redis://up/0", "PREFIX": "up"})
    before = dict(os.environ)
    assert find_settings().prefix == "up"
    assert dict(os.environ) == before
    run_file.unlink()
    assert find_settings().prefix == "kt"


def test_a_named_store_is_the_only_one(run_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run_file, {"REDIS_URL": "redis://up/0", "PREFIX": "up"})
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", "redis://mine/0")
    found = find_settings()
    assert (found.redis_url, found.prefix) == ("redis://mine/0", "kt")
    assert use_running_stack() is None


def test_a_process_about_to_become_another_takes_them_over(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run_file, {"REDIS_URL": "redis://up/0", "PREFIX": "up", "SHARDS": "3"})
    monkeypatch.setenv(f"{PREFIX}SHARDS", "5")
    for name in ("REDIS_URL", "PREFIX"):
        monkeypatch.setenv(PREFIX + name, "")  # so that it is taken back at the end
        monkeypatch.delenv(PREFIX + name)
    assert use_running_stack() is not None
    assert Settings.load().redis_url == os.environ[f"{PREFIX}REDIS_URL"] == "redis://up/0"
    assert os.environ[f"{PREFIX}SHARDS"] == "5"


def test_the_run_file_has_the_whole_environment(tmp_path: Path) -> None:
    with make_stack(tmp_path, []).running():
        run = read_run_file(tmp_path / "run.json")
        assert run is not None
        assert run.settings == {f"{PREFIX}PREFIX": "mine"}
    assert not (tmp_path / "run.json").exists()


def test_a_run_file_that_cannot_be_rewritten_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk is full while a process dies: it is restarted, supervised and stopped all the same."""

    def full(path: Path, _run: RunFile) -> None:
        raise StackError(f"the run file {path}", "cannot be written (full)")

    told: list[Event] = []
    stack = make_stack(tmp_path, told)
    until = threading.Event()
    with stack.running(), caplog.at_level(logging.WARNING, "kato_tasks"):
        monkeypatch.setattr(local_running, "write_run_file", full)
        run = read_run_file(tmp_path / "run.json")
        assert run is not None
        os.kill(run.pids["a"], signal.SIGKILL)
        monkeypatch.setattr(until, "wait", lambda _s: [e.kind for e in told].count("ready") == 2)
        stack.supervise(until)
    assert [record.getMessage() for record in caplog.records] == ["run file not rewritten"]
    assert told[-1].kind == "stopped"


def test_one_that_cannot_be_removed_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_path: Path, _pid: int) -> None:
        raise PermissionError("read-only")

    told: list[Event] = []
    monkeypatch.setattr(local_running, "remove_run_file", refuse)
    with make_stack(tmp_path, told).running(), caplog.at_level(logging.WARNING, "kato_tasks"):
        pass
    assert told[-1].kind == "stopped"
    assert [record.getMessage() for record in caplog.records] == ["run file not removed"]
