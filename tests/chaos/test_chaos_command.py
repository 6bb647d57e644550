"""``kato-tasks chaos``: the whole stack under faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from kato_tasks.chaos.plan import KILLS, SERVER_FAULTS, STOPS
from kato_tasks.settings import PREFIX
from kato_tasks.testing import wait_until

COMMAND = (str(Path(sys.executable).with_name("kato-tasks")), "chaos")
SECONDS = 60
SEED = 20_261
MIGRATING = 25


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, "TMPDIR": str(folder)}


def processes_of(folder: Path) -> list[list[str]]:
    """Return the command lines of all processes that know a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(folder) in text for text in known):
            found.append(process.cmdline())
    return found


@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    """Ten thousand observations over a hundred sessions, while all that can break breaks."""
    done = subprocess.run(
        [*COMMAND, "--seconds", str(SECONDS), "--seed", str(SEED), "--json"],
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=390,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    problems = "\n".join(report["problems"])
    assert (report["lost"], report["duplicated"], report["reordered"]) == (0, 0, 0), problems
    assert report["stuck"] == 0, problems
    assert report["observations"] > 8_000
    assert report["sessions"] == 100
    assert report["dead_lettered"] > 0
    assert set(report["faults"]) & set(SERVER_FAULTS)
    assert set(report["faults"]) >= {*KILLS, *STOPS}
    assert report["faults_total"] > 25
    assert done.returncode == 0, done.stderr.decode()
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.timeout(400)
def test_sessions_that_move_meanwhile_are_on_one_server_each(tmp_path: Path) -> None:
    """There and back, while workers, store and both servers are struck."""
    done = subprocess.run(
        [*COMMAND, "--migrate", "--seconds", str(MIGRATING), "--seed", str(SEED), "--json"],
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=390,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    problems = "\n".join(report["problems"])
    assert (report["lost"], report["duplicated"], report["reordered"]) == (0, 0, 0), problems
    assert (report["stuck"], report["astray"]) == (0, 0), problems
    assert (report["ledger_mismatches"], report["unfinished"]) == (0, 0), problems
    assert report["observations"] > 3_000
    assert report["migrations"] > 1
    assert report["moved"] > 20
    assert report["faults_total"] > 10
    assert done.returncode == 0, done.stderr.decode()
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Neither processes, stopped ones too, nor its temporary folder."""
    command = [*COMMAND, "--seconds", "60", "--seed", "3"]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        log = "kato-tasks-chaos-*/kato-tasks.log"
        wait_until(lambda: _died(tmp_path, log) or run.poll() is not None, timeout=60)
        run.send_signal(number)
        _, errors = run.communicate(timeout=60)
        assert run.returncode != 0
        assert b"Traceback" not in errors
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def _died(folder: Path, log: str) -> bool:
    """Tell whether the first fault has struck a process."""
    return any(" died: " in path.read_text(encoding="utf-8") for path in folder.glob(log))


def test_a_folder_to_keep_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    done = subprocess.run(
        [*COMMAND, "--keep", str(tmp_path)],
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert b"is not empty; allowed: an empty folder" in done.stderr
