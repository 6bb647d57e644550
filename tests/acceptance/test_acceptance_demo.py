"""``kato-tasks demo``: the main job, with proof."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest
from acceptance_command import (
    Done,
    background,
    clean_environment,
    processes_of,
    run,
    write_lines,
)

from kato_tasks.testing import wait_until

FIGURES = [
    "sessions",
    "observations",
    "applied",
    "lost",
    "duplicated",
    "reordered",
    "seconds",
    "observations_per_second",
    "http_calls",
    "latency_p50_ms",
    "latency_p99_ms",
]


def _assert_sound(done: Done) -> dict[str, float]:
    assert done.code == 0, done.err
    report: dict[str, float] = done.json
    assert (report["lost"], report["duplicated"], report["reordered"]) == (0, 0, 0)
    assert report["applied"] == report["observations"]
    return report


def test_the_demo_proves_itself_and_leaves_nothing(tmp_path: Path) -> None:
    """Its figures are complete, its processes and its temporary folder are gone."""
    done = run(
        *("demo", "--sessions", "20", "--observations", "500", "--json"),
        env=clean_environment(tmp_path),
    )
    report = _assert_sound(done)
    assert set(FIGURES) <= set(report)
    assert (report["sessions"], report["observations"]) == (20, 500)
    assert 0 < report["http_calls"] < 500
    assert 0 < report["latency_p50_ms"] <= report["latency_p99_ms"]
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_demo_on_a_file_and_a_real_server(tmp_path: Path) -> None:
    """Bad lines are counted and the rest is sound; with ``--kato`` it deletes its sessions."""
    good = [{"session": f"s{n % 3}", "strings": ["z", str(n)]} for n in range(30)]
    bad = [b"no json", {"session": ""}, {"session": "s0", "node_id": "other", "strings": ["a"]}]
    file = write_lines(tmp_path / "in.jsonl", [*good, *bad, {"session": "s1", "strings": []}])
    env = clean_environment(tmp_path)
    with background("devserver", "--port", "0", "--json", env=env, folder=tmp_path) as server:
        url = server.ready()["url"]
        report = _assert_sound(run("demo", "--input", str(file), "--kato", url, "--json", env=env))
        sessions = httpx.get(f"{url}/_dev/sessions", params={"limit": 1000}).json()["sessions"]
    assert (report["sessions"], report["observations"], report["refused"]) == (3, 31, 3)
    assert not report["audited"]
    assert len(sessions) >= 3
    assert not any(session["alive"] for session in sessions)


def test_a_demo_of_nothing_is_not_sound(tmp_path: Path) -> None:
    """Garbage is named, and proves nothing."""
    file = write_lines(tmp_path / "in.jsonl", [b"no json"])
    env = clean_environment(tmp_path)
    done = run("demo", "--input", str(file), env=env)
    assert done.code == 1
    assert "NOT SOUND: nothing was sent" in done.out
    assert f"{file}:1: line is no JSON" in done.err


def test_a_file_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    """It is said at once, before any process is started."""
    done = run("demo", "--input", str(tmp_path / "no"), env=clean_environment(tmp_path), timeout=10)
    assert done.code == 2
    assert "cannot be read (No such file" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    env = clean_environment(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    with background("demo", env=env, folder=folder) as demo:
        started = "kato-tasks-demo-*/devserver"
        wait_until(lambda: any(tmp_path.glob(started)), timeout=30, message=demo.err)
        assert demo.stop(number) != 0
        assert "Traceback" not in demo.err
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == [folder]


def _real_data() -> Path:
    named = os.environ.get("KATO_TASKS_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    return folder / "permit-receipt.jsonl.gz"


@pytest.mark.skipif(
    not _real_data().exists(),
    reason="no permit-receipt.jsonl.gz in KATO_TASKS_TEST_DATA, nor in ../shared/data",
)
def test_real_events_arrive_in_order(tmp_path: Path) -> None:
    """8,577 events of 1,434 cases of a Dutch municipality."""
    report = _assert_sound(
        run("demo", "--input", str(_real_data()), "--json", env=clean_environment(tmp_path))
    )
    assert (report["sessions"], report["observations"]) == (1_434, 8_577)


def test_the_life_cycle_proves_itself_and_leaves_nothing(tmp_path: Path) -> None:
    """Sessions are kept alive, end, sleep and wake, and nothing that was accepted is missing."""
    done = run("demo", "--lifecycle", "--json", env=clean_environment(tmp_path))
    assert done.code == 0, (done.err, done.out)
    report = done.json
    wanted = report["wanted"]
    assert min(wanted.values()) > 0
    assert report["kept_alive"] == wanted["kept"]
    assert report["ended"] == report["started_empty"] == wanted["ending"]
    assert report["hibernated"] == report["woken"] == wanted["sleeping"]
    assert report["stm_equal"] == report["woken"]
    assert report["percept_equal"] == report["cognition_equal"] == report["woken"]
    assert report["forgotten"] == report["restored"] == wanted["left"]
    assert (report["lost"], report["duplicated"], report["reordered"]) == (0, 0, 0)
    assert report["lives"] >= 5
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
