"""``kato-tasks up`` in one terminal, everything else in another."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from acceptance_command import (
    USUAL_PORTS,
    Terminal,
    Up,
    background,
    clean_environment,
    processes_of,
    run,
    write_lines,
)

from kato_tasks.settings import PREFIX
from kato_tasks.stack import find_store_binary, free_port, read_run_file, store_command
from kato_tasks.testing import wait_until

SECRET = "hunter2"  # noqa: S105 - that it shows nowhere is the point


def _symbols(server: str, session_id: str) -> list[str]:
    audit = httpx.get(f"{server}/_dev/audit/{session_id}", params={"limit": 10_000}).json()
    return [entry["event"][0] for entry in audit["entries"] if entry["kind"] == "observe"]


def test_taken_ports_are_avoided(up: Up) -> None:
    urls = [up.addresses[name] for name in ("store", "kato default", "flower")]
    ports = [urlsplit(url).port for url in urls]
    assert not set(ports) & set(USUAL_PORTS)
    assert httpx.get(f"{up.server}/health").json()["status"] == "healthy"


def test_a_second_up_says_that_one_runs(up: Up, terminal: Terminal) -> None:
    done = terminal("up", "--json")
    assert done.code == 2
    assert f"up runs already (pid {up.process.pid})" in done.err
    assert done.json["exit_code"] == 2


def test_a_file_is_ingested_and_seen(up: Up, terminal: Terminal) -> None:
    """ingest, then list and show, without a word about where the stack is."""
    events = [{"session": f"seen-{n % 2}", "node_id": "n", "strings": [str(n)]} for n in range(10)]
    file = write_lines(up.folder / "seen.jsonl", events)
    ingested = terminal("ingest", str(file), "--wait", "--json")
    assert ingested.code == 0, ingested.err
    assert (ingested.json["accepted"], ingested.json["sessions"]) == (10, 2)
    listed = {record["key"]: record for record in terminal("sessions", "list", "--json").json}
    assert {"seen-0", "seen-1"} <= set(listed)
    shown = terminal("sessions", "show", "seen-1", "--json").json
    assert (shown["state"], shown["node"], shown["applied"]) == ("active", "n", 5)
    assert _symbols(up.server, shown["session_id"]) == ["1", "3", "5", "7", "9"]


def test_the_tables_for_people_have_the_same(up: Up, terminal: Terminal) -> None:
    file = write_lines(up.folder / "table.jsonl", [{"session": "tabled", "strings": ["a"]}])
    told = terminal("ingest", str(file), "--wait")
    assert "1 observation for 1 session accepted and applied" in told.out
    assert "tabled" in terminal("sessions", "list").out
    assert "active" in terminal("sessions", "show", "tabled").out
    assert "0 predictions for tabled" in terminal("sessions", "predict", "tabled").out


def test_a_session_is_made_asked_and_deleted(terminal: Terminal) -> None:
    made = terminal("sessions", "create", "mine", "--node", "n", "--tag", "t", "--json").json
    assert (made["key"], made["state"], made["tags"]) == ("mine", "active", ["t"])
    predicted = terminal("sessions", "predict", "mine", "--json")
    assert predicted.json == {"predictions": [], "future_potentials": []}
    assert terminal("sessions", "delete", "mine", "--json").json["applied"] is True
    gone = terminal("sessions", "show", "mine", "--json").json
    assert (gone["state"], gone["session_id"]) == ("ended", None)


def test_an_unknown_session_is_said_to_be_unknown(terminal: Terminal) -> None:
    done = terminal("sessions", "show", "nobody", "--json")
    assert (done.code, done.json["exit_code"]) == (1, 1)
    assert "There is no session 'nobody'" in done.err


def test_flower_shows_the_worker_and_its_tasks(up: Up) -> None:
    """Its pages answer, and it has heard of the tasks that beat sends."""
    flower = up.addresses["flower"]
    assert httpx.get(flower, follow_redirects=True).status_code == 200
    assert httpx.get(f"{flower}/tasks").status_code == 200
    wait_until(lambda: "worker-1@" in httpx.get(f"{flower}/workers").text)
    events = 'task="kato_tasks.sweep",type="task-succeeded"'
    wait_until(lambda: events in httpx.get(f"{flower}/metrics").text, timeout=30)


def test_a_killed_worker_is_replaced(up: Up, terminal: Terminal) -> None:
    """Kill -9, and the next file goes through the new one."""

    def worker() -> int:
        found = read_run_file(up.folder / "run.json")
        assert found is not None
        return found.pids.get("worker-1", 0)

    before = worker()
    os.kill(before, signal.SIGKILL)
    file = write_lines(up.folder / "next.jsonl", [{"session": "next", "strings": ["a"]}])
    done = terminal("ingest", str(file), "--wait", "--json", "--timeout", "40")
    assert done.code == 0, done.err
    wait_until(lambda: worker() not in (0, before))
    assert psutil.pid_exists(worker())


def test_ctrl_c_ends_all_and_the_data_stays(tmp_path: Path) -> None:
    """A second ``up`` on the same folder has the session, and its server the events."""
    env = clean_environment(tmp_path)
    arguments = ("up", "--json", "--no-flower", "--data-dir", str(tmp_path / "data"))
    events = [{"session": "kept", "strings": [str(number)]} for number in range(20)]
    file = str(write_lines(tmp_path / "in.jsonl", events))
    with background(*arguments, env=env, folder=tmp_path, name="first") as first:
        first.ready()
        assert run("ingest", file, "--wait", "--json", env=env).code == 0
        assert first.stop(signal.SIGINT) == 0, first.err
        assert "Traceback" not in first.err
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "run.json").exists()

    with background(*arguments, env=env, folder=tmp_path, name="second") as second:
        server = second.ready()["kato default"]
        record = run("sessions", "show", "kept", "--json", env=env).json
        assert (record["state"], record["applied"]) == ("active", 20)
        assert _symbols(server, record["session_id"]) == [str(number) for number in range(20)]
        more = write_lines(tmp_path / "more.jsonl", [{"session": "kept", "strings": ["20"]}])
        assert run("ingest", str(more), "--wait", "--json", env=env).code == 0
        assert len(_symbols(server, record["session_id"])) == 21
        assert second.stop(signal.SIGTERM) == 0, second.err
    assert processes_of(tmp_path) == []


def test_a_named_store_is_waited_for_and_its_password_kept(tmp_path: Path) -> None:
    """It comes after ``up``; a second terminal finds it, password, prefix and all."""
    port, data = free_port(), tmp_path / "data"
    url = f"redis://:{SECRET}@127.0.0.1:{port}/0"
    variables = {f"{PREFIX}REDIS_URL": url, f"{PREFIX}PREFIX": "mine"}
    env = clean_environment(tmp_path, **variables)
    arguments = ("up", "--json", "--data-dir", str(data))
    with background(*arguments, env=env, folder=tmp_path) as up:
        sentence = f"The store at redis://127.0.0.1:{port}/0 does not answer yet; waiting for it."
        wait_until(lambda: sentence in up.err, timeout=30)
        binary = find_store_binary()
        assert binary is not None
        command = store_command(binary, port=port, data_dir=tmp_path)
        with subprocess.Popen([*command, "--requirepass", SECRET], stdout=subprocess.DEVNULL) as it:
            try:
                assert up.ready()["store"] == f"redis://127.0.0.1:{port}/0"
                second = clean_environment(tmp_path)
                file = write_lines(tmp_path / "in.jsonl", [{"session": "a", "strings": ["b"]}])
                done = run("ingest", str(file), "--wait", "--json", env=second)
                assert done.code == 0, done.err
                shown = [done.err, _shown_by_celery("inspect", "conf", "--json", env=env)]
                shown += [_shown_by_celery("report", env=env)]
                assert up.stop() == 0
            finally:
                it.kill()
        log = (data / "kato-tasks.log").read_text()
        assert SECRET not in "".join([up.out, up.err, log, *shown])


def _shown_by_celery(*arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, check=True, timeout=60)
    assert "127.0.0.1" in done.stdout.decode()
    return (done.stdout + done.stderr).decode()


def test_brokers_of_others_are_left_alone(tmp_path: Path) -> None:
    """Variables of the team's own Celery, and a broker for another store, lead nowhere."""
    foreign = f"redis://127.0.0.1:{free_port()}/0"
    names = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", f"{PREFIX}BROKER_URL")
    env = clean_environment(tmp_path, **dict.fromkeys(names, foreign))
    with background("up", "--json", "--no-flower", env=env, folder=tmp_path) as up:
        up.ready()
        file = write_lines(tmp_path / "in.jsonl", [{"session": "a", "strings": ["b"]}])
        done = run("ingest", str(file), "--wait", "--json", env=clean_environment(tmp_path))
        assert done.code == 0, done.err
        assert up.stop() == 0, up.err


def test_the_data_folder_is_private(up: Up) -> None:
    assert stat.S_IMODE((up.folder / "data").stat().st_mode) == stat.S_IRWXU


def test_a_data_folder_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        done = run("up", "--data-dir", str(folder), env=clean_environment(tmp_path))
        assert done.code == 2
        assert done.err.startswith(f"Error: --data-dir {folder} cannot be used: ")
        assert done.err.count("\n") == 1
