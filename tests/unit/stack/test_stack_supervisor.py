from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from stack_helpers import SLEEP, Stack, Until, child, is_running, python, running, wait_until

from kato_tasks.errors import InvalidInput
from kato_tasks.stack import Event, ProcessSpec, StackError, Supervisor
from kato_tasks.stack.child import exit_in_words
from kato_tasks.stack.supervisor import Backoff

DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); {SLEEP}"
PARENT = """
import subprocess, sys, time
print("grandchild", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
time.sleep(60)
"""


def grandchild_in(stack: Stack) -> int:
    wait_until(lambda: "| grandchild" in stack.log_text())
    return int(stack.log_text().split("| grandchild ")[1].split()[0])


def test_processes_start_in_order_each_when_the_one_before_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    first = child("a", f"open({str(flag)!r}, 'w').close(); {SLEEP}", ready=flag.exists)
    with running(tmp_path, first, child("b")) as stack:
        assert [(e.kind, e.name) for e in stack.events] == [
            ("starting", "a"),
            ("ready", "a"),
            ("starting", "b"),
            ("ready", "b"),
        ]
        pids = stack.supervisor.pids()
        assert list(pids) == ["a", "b"]
        assert [e.pid for e in stack.seen("ready")] == list(pids.values())
        assert stack.supervisor.restarts == {"a": 0, "b": 0}


def test_a_child_is_the_command_itself_out_of_reach_of_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, child("a", f"print('up'); {SLEEP}")) as stack:
        pid = stack.supervisor.pids()["a"]
        wait_until(lambda: "| up" in stack.log_text())
        assert psutil.Process(pid).cmdline() == python(f"print('up'); {SLEEP}")
        assert os.getsid(pid) == os.getpgid(pid) == pid


def test_the_environment_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "k")
    monkeypatch.setenv("CHANGED", "old")
    code = f"import os; print(os.environ['KEPT'] + os.environ['CHANGED']); {SLEEP}"
    with running(tmp_path, child("a", code, env={"CHANGED": "new"})) as stack:
        wait_until(lambda: "| knew" in stack.log_text())


def test_what_is_to_be_dropped_is_not_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the case of its name; what the spec itself sets stays."""
    for name in ("CELERY_BROKER_URL", "celery_loader", "KT_A", "KT_B"):
        monkeypatch.setenv(name, "inherited")
    code = f"""
import os
print({{n: v for n, v in os.environ.items() if n.upper().startswith(('CELERY_', 'KT_'))}})
{SLEEP}"""
    spec = child("a", code, env={"KT_A": "set"}, drop=("CELERY_", "KT_"))
    with running(tmp_path, spec) as stack:
        wait_until(lambda: "| {'KT_A': 'set'}" in stack.log_text())


def test_broken_pipes_end_a_child_as_in_a_shell(tmp_path: Path) -> None:
    """The interpreter of the launcher ignores SIGPIPE; the command must not inherit that."""
    command = ["sh", "-c", "yes | head -n 1; echo done; exec sleep 60"]
    with running(tmp_path, ProcessSpec(name="a", command=command)) as stack:
        wait_until(lambda: "| done" in stack.log_text())
        assert "roken pipe" not in stack.log_text()


def test_a_killed_child_is_noticed_and_restarted(tmp_path: Path) -> None:
    with running(tmp_path, child("a"), child("b")) as stack:
        before = stack.supervisor.pids()
        os.kill(before["a"], signal.SIGKILL)
        stack.run_until(lambda: len(stack.seen("ready", "a")) == 2)
        after = stack.supervisor.pids()
        assert is_running(after["a"])
        assert after["a"] != before["a"]
        assert after["b"] == before["b"]
        assert stack.supervisor.restarts == {"a": 1, "b": 0}
        assert stack.seen("died") == [
            Event(
                kind="died",
                name="a",
                pid=before["a"],
                exit_code=-9,
                message="killed by signal 9 (SIGKILL); restart in 0.05 s",
            )
        ]
        assert "a died: killed by signal 9 (SIGKILL)" in stack.log_text()


def test_a_death_is_noticed_within_a_third_of_a_second(tmp_path: Path) -> None:
    delays = []
    with running(tmp_path, child("a")) as stack:
        for deaths in (1, 2, 3):
            stack.run_until(lambda: "a" in stack.supervisor.pids())
            os.kill(stack.supervisor.pids()["a"], signal.SIGKILL)
            killed = time.monotonic()
            stack.run_until(lambda: len(stack.seen("died")) == deaths)  # noqa: B023 - called here
            delays.append(time.monotonic() - killed)
    assert min(delays) < 0.3  # the best of three: the machine may be busy


def test_a_child_that_keeps_dying_is_restarted_ever_more_slowly(tmp_path: Path) -> None:
    backoff = Backoff(first=0.01, longest=0.04)
    with running(tmp_path, child("a", "raise SystemExit(3)"), backoff=backoff) as stack:
        stack.run_until(lambda: len(stack.seen("died")) == 4)
        assert [e.message for e in stack.seen("died")] == [
            f"exit code 3; restart in {delay} s" for delay in ("0.01", "0.02", "0.04", "0.04")
        ]


def test_the_backoff_begins_anew_after_a_long_life(tmp_path: Path) -> None:
    backoff = Backoff(first=0.01, longest=1, reset_after=0)
    with running(tmp_path, child("a", "raise SystemExit(3)"), backoff=backoff) as stack:
        stack.run_until(lambda: len(stack.seen("died")) == 3)
        assert {e.message for e in stack.seen("died")} == {"exit code 3; restart in 0.01 s"}


def test_the_default_backoff() -> None:
    delays = [Backoff().delay(failures) for failures in (0, 1, 2, 3, 4, 5, 10_000)]
    assert delays == [0.5, 1, 2, 4, 8, 10, 10]
    assert Backoff().reset_after == 30


def test_what_a_dead_child_had_started_is_gone_before_its_restart(tmp_path: Path) -> None:
    with running(tmp_path, child("a", PARENT)) as stack:
        grandchild = grandchild_in(stack)
        os.kill(stack.supervisor.pids()["a"], signal.SIGKILL)
        stack.run_until(lambda: bool(stack.seen("died")))
        wait_until(lambda: not is_running(grandchild))


def test_a_restart_that_the_system_refuses_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, child("a")) as stack:
        os.kill(stack.supervisor.pids()["a"], signal.SIGKILL)
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", str(tmp_path / "missing"))
            stack.run_until(lambda: len(stack.seen("died")) == 2)
        assert "could not be started" in stack.seen("died")[1].message
        stack.run_until(lambda: bool(stack.supervisor.pids()))


def test_stop_is_in_reverse_order_and_leaves_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path, child("a"), child("b"), child("c"))
    stack.supervisor.start()
    pids = stack.supervisor.pids()
    stack.supervisor.stop()
    ends = [(e.kind, e.name) for e in stack.events[-6:]]
    assert ends == [(kind, name) for name in ("c", "b", "a") for kind in ("stopping", "stopped")]
    assert [e.exit_code for e in stack.seen("stopped")] == [-15] * 3
    assert not any(is_running(pid) for pid in pids.values())
    assert stack.supervisor.pids() == {}
    count = len(stack.events)
    stack.supervisor.stop()
    assert len(stack.events) == count


def test_a_stopped_stack_can_be_started_again_but_not_twice(tmp_path: Path) -> None:
    with running(tmp_path, child("a")) as stack:
        with pytest.raises(StackError, match="running already"):
            stack.supervisor.start()
        stack.supervisor.stop()
        stack.supervisor.start()
        assert is_running(stack.supervisor.pids()["a"])


def test_the_stop_signal_of_the_spec_is_sent(tmp_path: Path) -> None:
    code = f"""
import signal, sys
signal.signal(signal.SIGQUIT, lambda *_: sys.exit(5))
print("up")
{SLEEP}"""
    with running(tmp_path, child("a", code, stop_signal=signal.SIGQUIT)) as stack:
        wait_until(lambda: "| up" in stack.log_text())
    assert stack.seen("stopped")[0].exit_code == 5


def test_what_does_not_stop_in_time_is_killed_with_its_group(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{PARENT}"
    with running(tmp_path, child("a", code, stop_timeout=0.2)) as stack:
        grandchild = grandchild_in(stack)
        started = time.monotonic()
    assert 0.2 <= time.monotonic() - started < 2
    (killed,) = stack.seen("killed")
    assert (killed.exit_code, killed.message) == (
        -9,
        "still there 0.2 s after SIGTERM, so killed",
    )
    assert stack.seen("stopped") == []
    wait_until(lambda: not is_running(grandchild))


def test_an_interrupted_stop_kills_the_rest_at_once(tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.kind == "stopping":
            raise KeyboardInterrupt

    specs = [child("a", DEAF), child("b", DEAF)]
    supervisor = Supervisor(specs, log=tmp_path / "stack.log", on_event=interrupt)
    supervisor.start()
    pids = supervisor.pids()
    with pytest.raises(KeyboardInterrupt):
        supervisor.stop()
    assert not any(is_running(pid) for pid in pids.values())
    supervisor.stop()


def test_a_process_that_waits_for_its_restart_is_not_restarted_by_stop(tmp_path: Path) -> None:
    slow = Backoff(first=0.3)
    with running(tmp_path, child("a", "raise SystemExit(1)"), backoff=slow) as stack:
        stack.run_until(lambda: bool(stack.seen("died")))
        assert stack.supervisor.pids() == {}
    due = time.monotonic() + slow.first
    stack.run_until(lambda: time.monotonic() > due + 0.2)
    assert stack.supervisor.restarts == {"a": 0}
    assert stack.seen("stopping") == []


def test_not_ready_in_time_shows_the_last_lines_and_stops_what_was_started(
    tmp_path: Path,
) -> None:
    code = f"for n in range(30): print('line', n)\n{SLEEP}"

    def never() -> bool:
        wait_until(lambda: "| line 29" in stack.log_text())
        return False

    late = child("b", code, ready=never, ready_timeout=0.1)
    stack = Stack(tmp_path, child("a"), late, child("c"))
    with pytest.raises(StackError, match=r"^b was not ready within 0\.1 s; ") as failed:
        stack.supervisor.start()
    assert failed.value.last_lines == tuple(f"line {n}" for n in range(10, 30))
    assert "\n    line 29" in str(failed.value)
    assert [e.name for e in stack.seen("stopped")] == ["b", "a"]
    assert stack.seen("starting", "c") == []
    assert stack.supervisor.pids() == {}


def test_a_death_before_ready_fails_at_once_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no such table')"
    stack = Stack(tmp_path, child("a", code, ready=lambda: False))
    with pytest.raises(StackError, match=r"ended while the stack started \(exit code 1\)") as e:
        stack.supervisor.start()
    assert e.value.last_lines == ("no such table",)


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    spec = ProcessSpec(name="a", command=["no-such-program"], ready=lambda: False)
    with pytest.raises(StackError, match="cannot run no-such-program: No such file"):
        Stack(tmp_path, spec).supervisor.start()


def test_an_interpreter_that_does_not_exist_is_a_stack_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(StackError, match="a could not be started"):
        Stack(tmp_path, child("a")).supervisor.start()


def test_a_closed_terminal_stops_nobody(tmp_path: Path) -> None:
    def closed(_event: Event) -> None:
        raise BrokenPipeError

    log = tmp_path / "stack.log"
    supervisor = Supervisor([child("a")], log=log, on_event=closed)
    supervisor.start()
    supervisor.run(Until(lambda: True))
    supervisor.stop()
    assert supervisor.pids() == {}
    assert "the event could not be shown" in log.read_text()


@pytest.mark.parametrize(
    ("specs", "problem"),
    [
        ([child("a"), child("a")], "'a' is given twice"),
        ([ProcessSpec(name="a", command="sleep 60")], "is 'sleep 60'"),
        ([ProcessSpec(name="a", command=[])], r"is \[\]"),
    ],
)
def test_specs_that_cannot_work_are_refused(
    tmp_path: Path, specs: list[ProcessSpec], problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        Supervisor(specs, log=tmp_path / "stack.log")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (2, "exit code 2"),
        (-9, "killed by signal 9 (SIGKILL)"),
        (-99, "killed by signal 99 (no name)"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert exit_in_words(code) == words


SUPERVISOR = """
import sys, threading
from pathlib import Path
from kato_tasks.stack.supervisor import ProcessSpec, Supervisor
spec = ProcessSpec(name="a", command=[sys.executable, "-c", "import time; time.sleep(60)"])
supervisor = Supervisor([spec], log=Path(sys.argv[1]))
supervisor.start()
print(supervisor.pids()["a"], flush=True)
supervisor.run(threading.Event())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a death signal is Linux's own")
def test_a_killed_supervisor_leaves_no_child_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "stack.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        # The command itself: a launcher that finds its parent gone would end anyway.
        wait_until(lambda: psutil.Process(pid).cmdline()[1:2] == ["-c"])
        supervisor.kill()
    wait_until(lambda: not is_running(pid))


def test_a_launcher_whose_parent_is_gone_starts_nothing() -> None:
    launcher = Path(sys.modules[ProcessSpec.__module__].__file__ or "").with_name("launch.py")
    command = [sys.executable, "-I", "-S", str(launcher), "1", *python("print('started')")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")


def test_a_signal_reaches_the_process_of_that_name_only(tmp_path: Path) -> None:
    """And what has died of it is restarted by a look, as by `run`."""
    with running(tmp_path, child("a"), child("b")) as stack:
        before = stack.supervisor.pids()
        assert stack.supervisor.send_signal("a", signal.SIGKILL)
        wait_until(lambda: not is_running(before["a"]))
        assert not stack.supervisor.send_signal("a", signal.SIGKILL)
        wait_until(lambda: _looked(stack) and stack.supervisor.restarts["a"] == 1)
        assert stack.supervisor.pids()["b"] == before["b"]
        assert [event.name for event in stack.seen("died")] == ["a"]


def _looked(stack: Stack) -> bool:
    stack.supervisor.look_after()
    return True


def test_a_signal_to_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with (
        running(tmp_path, child("a")) as stack,
        pytest.raises(InvalidInput, match="'c'; allowed: one of a"),
    ):
        stack.supervisor.send_signal("c", signal.SIGTERM)
