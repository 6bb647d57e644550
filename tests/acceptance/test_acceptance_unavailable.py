"""When the store is not there: one clear sentence, soon, and never the password."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from acceptance_command import (
    background,
    clean_environment,
    run,
    write_lines,
)

from kato_tasks.settings import PREFIX
from kato_tasks.stack import find_store_binary, free_port, store_command
from kato_tasks.testing import wait_until

SECRET = "hunter2"  # noqa: S105 - that it shows nowhere is the point
COMMANDS = [
    ("ingest", "FILE"),
    ("instances",),
    ("sessions", "list"),
    ("sessions", "show", "a"),
    ("sessions", "create", "a"),
    ("sessions", "delete", "a"),
    ("sessions", "predict", "a"),
    ("lanes", "list"),
    ("lanes", "list", "--state", "ready"),
    ("lanes", "show", "a"),
    ("lanes", "unpark", "a"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "0:1-1"),
    ("dead-letters", "replay", "0:1-1"),
    ("dead-letters", "discard", "--all"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_says_so_in_one_sentence(arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = write_lines(tmp_path / "in.jsonl", [{"session": "a", "strings": ["b"]}])
    port = free_port()
    url = f"redis://me:{SECRET}@127.0.0.1:{port}/0"
    env = clean_environment(tmp_path, **{f"{PREFIX}REDIS_URL": url})
    given = [str(file) if part == "FILE" else part for part in arguments]
    began = time.monotonic()
    done = run(*given, "--json", env=env)
    assert time.monotonic() - began < 15
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert f"The store at redis://127.0.0.1:{port}/0 is not available" in done.err
    assert done.json["exit_code"] == 3
    assert SECRET not in done.out + done.err


def test_a_store_url_that_is_none_hides_its_password_too(tmp_path: Path) -> None:
    for url in (f"http://me:{SECRET}@host", f"redis://me:{SECRET}/x@host:nan/0"):
        env = clean_environment(tmp_path, **{f"{PREFIX}REDIS_URL": url})
        done = run("sessions", "list", "--json", env=env)
        assert done.code == 2
        assert "redis_url is" in done.err
        assert SECRET not in done.out + done.err


def test_up_with_a_store_that_is_not_there_shows_no_password(tmp_path: Path) -> None:
    """The store was named, so none is started; ``up`` waits for it, and stops when told to."""
    url = f"redis://me:{SECRET}@127.0.0.1:{free_port()}/0"
    env = clean_environment(tmp_path, **{f"{PREFIX}REDIS_URL": url})
    arguments = ("up", "--no-flower", "--data-dir", str(tmp_path / "data"))
    with background(*arguments, env=env, folder=tmp_path) as up:
        log = tmp_path / "data" / "kato-tasks.log"
        wait_until(lambda: log.exists() and "Cannot connect" in log.read_text(), timeout=30)
        assert up.running
        assert up.stop() in (0, 1)
        assert "Traceback" not in up.err
        assert SECRET not in up.out + up.err + log.read_text()


def test_a_worker_waits_for_its_store(tmp_path: Path) -> None:
    """It is started first, and works once the store has come."""
    port, ready = free_port(), tmp_path / "ready"
    url = f"redis://127.0.0.1:{port}/0"
    with (
        background(
            "devserver", "--json", "--port", "0", env=clean_environment(tmp_path), folder=tmp_path
        ) as server,
        ExitStack() as later,
    ):
        variables = {
            f"{PREFIX}REDIS_URL": url,
            f"{PREFIX}INSTANCES": server.ready()["url"],
            f"{PREFIX}READY_FILE": str(ready),
        }
        env = clean_environment(tmp_path, **variables)
        worker = later.enter_context(background("worker", env=env, folder=tmp_path))
        wait_until(lambda: "Cannot connect to redis" in worker.out + worker.err, timeout=30)
        later.enter_context(_store(port, tmp_path))
        wait_until(ready.exists, timeout=40)
        file = write_lines(tmp_path / "in.jsonl", [{"session": "a", "strings": ["b"]}])
        assert run("ingest", str(file), "--wait", "--json", env=env).code == 0
        assert worker.stop(signal.SIGTERM) == 0


@contextmanager
def _store(port: int, folder: Path) -> Iterator[None]:
    binary = find_store_binary()
    assert binary is not None
    command = store_command(binary, port=port, data_dir=folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()
