"""The processes of a stack one by one, and the help of every command."""

from __future__ import annotations

import signal
from importlib.metadata import entry_points, version
from pathlib import Path

import httpx
import pytest
from acceptance_command import Terminal, background, clean_environment, run
from click.testing import CliRunner

from kato_tasks.cli import main

COMMANDS = (
    "",
    "up",
    "demo",
    "ingest",
    "instances",
    "schedule",
    "schedule show",
    "sessions",
    "sessions list",
    "sessions show",
    "sessions create",
    "sessions delete",
    "sessions predict",
    "lanes",
    "lanes list",
    "lanes show",
    "lanes unpark",
    "dead-letters",
    "dead-letters list",
    "dead-letters show",
    "dead-letters replay",
    "dead-letters discard",
    "devserver",
    "worker",
    "beat",
    "flower",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """In this process, to be quick; the next tests run the real one."""
    done = CliRunner().invoke(main, [*command.split(), "--help"], prog_name="kato-tasks")
    assert done.exit_code == 0, done.output
    assert f"usage: kato-tasks {command}".rstrip() in done.output.lower()


def test_the_command_is_installed(alone: Terminal) -> None:
    assert alone("--version").out == f"kato-tasks, version {version('kato-tasks')}\n"
    [entry] = entry_points(group="console_scripts", name="kato-tasks")
    assert entry.load() is main


def test_an_unknown_command_is_bad_input(alone: Terminal) -> None:
    done = alone("dance")
    assert done.code == 2
    assert "No such command 'dance'" in done.err


def test_the_devserver_takes_a_free_port(tmp_path: Path) -> None:
    """It says where it listens, answers there, and ends cleanly."""
    env = clean_environment(tmp_path)
    with background("devserver", "--port", "0", "--json", env=env, folder=tmp_path) as server:
        url = server.ready()["url"]
        assert httpx.get(f"{url}/health").json()["status"] == "healthy"
        assert server.stop(signal.SIGINT) == 0, server.err


def test_the_devserver_refuses_other_machines(alone: Terminal) -> None:
    done = alone("devserver", "--port", "0", "--host", "0.0.0.0")  # noqa: S104 - the point
    assert done.code == 2
    assert "listens on loopback only, not on 0.0.0.0" in done.err


def test_a_taken_port_is_named(tmp_path: Path, alone: Terminal) -> None:
    env = clean_environment(tmp_path)
    with background("devserver", "--port", "0", "--json", env=env, folder=tmp_path) as server:
        port = server.ready()["url"].rpartition(":")[2]
        done = alone("devserver", "--port", port)
    assert done.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.err


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104 - the point
def test_flower_beyond_loopback_needs_authentication(address: str, alone: Terminal) -> None:
    done = alone("flower", "--address", address)
    assert done.code == 2
    assert f"address is {address}, where everybody could read and stop your tasks" in done.err
    assert "--basic-auth" in done.err


def test_bad_settings_are_one_sentence(tmp_path: Path) -> None:
    env = clean_environment(tmp_path, KATO_TASKS_SHARDS="0")
    for command in (("sessions", "list"), ("worker",)):
        done = run(*command, env=env)
        assert done.code == 2
        assert "shards is '0'; allowed: greater than or equal to 1" in done.err
        assert "Traceback" not in done.err
