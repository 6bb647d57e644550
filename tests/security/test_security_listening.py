"""Nothing listens further than it was told to, and nothing opens to others unguarded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import httpx
import psutil
import pytest
from click.testing import CliRunner, Result
from security_processes import CLI, Running, Site, variables
from security_store import HOST, store

from kato_tasks.cli import main
from kato_tasks.devserver.__main__ import main as serve_devserver
from kato_tasks.scripts import open_redis
from kato_tasks.settings import PREFIX
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until

pytestmark = pytest.mark.timeout(300)  # processes take long to start where others work too

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - that it is refused is the point


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command up to the point at which it would become Flower."""

    def become(_: str, command: list[str]) -> NoReturn:
        raise SystemExit(f"runs {command}")

    monkeypatch.setattr("os.execv", become)
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", f"redis://{HOST}:1/0")
    return lambda *arguments, env: CliRunner(env=env).invoke(main, ["flower", *arguments])


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("--address", EVERYWHERE), {}),
        (("--address=::",), {}),
        (("--address=",), {}),
        ((), {"FLOWER_ADDRESS": EVERYWHERE}),
        (("--", f"--address={EVERYWHERE}"), {}),
        (("--", f"-address={EVERYWHERE}"), {}),
        (("--address", EVERYWHERE, "--oauth2_key=k", "--oauth2-secret=s"), {}),
        (("--address", EVERYWHERE), {"FLOWER_OAUTH2_KEY": "k"}),
        (("--address", EVERYWHERE, "--basic-auth="), {}),
        (("--address", EVERYWHERE, "--basic-auth="), {"FLOWER_BASIC_AUTH": "u:p"}),
        (("--address", EVERYWHERE), {"FLOWER_BASIC_AUTH": ""}),
    ],
)
def test_flower_opens_to_others_only_with_authentication(
    arguments: tuple[str, ...], env: dict[str, str], flower: Callable[..., Result]
) -> None:
    """However the address is given, and whatever looks like authentication and is none."""
    done = flower(*arguments, env=env)
    assert done.exit_code == 2, done.output
    assert "where everybody could read and stop your tasks" in done.output


def test_a_word_behind_which_flower_reads_nothing_is_refused(
    flower: Callable[..., Result],
) -> None:
    done = flower("--address", EVERYWHERE, "debug", "--basic-auth=u:p", env={})
    assert done.exit_code == 2
    assert "argument 'debug' is no option; allowed: --name=value of Flower." in done.output


def test_with_authentication_flower_asks_who_is_there(site: Site, tmp_path: Path) -> None:
    port = free_port()
    with store(tmp_path) as behind:
        named = variables(redis_url=f"redis://{HOST}:{behind}/0")
        own = {**named, "FLOWER_ADDRESS": EVERYWHERE, "FLOWER_BASIC_AUTH": "me:s3cret"}
        flower = site.start("flower", *CLI, "flower", f"--port={port}", env=own)
        wait_until(lambda: addresses(flower) == {EVERYWHERE}, 90, flower.output)
        url = f"http://{HOST}:{port}/api/workers"
        assert httpx.get(url, timeout=30).status_code == 401
        assert httpx.get(url, auth=("me", "wrong"), timeout=30).status_code == 401
        assert httpx.get(url, auth=("me", "s3cret"), timeout=30).status_code == 200
        assert flower.stop() == 0


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "", "::ffff:0.0.0.0", "8.8.8.8", "example.org"])
def test_the_devserver_opens_to_others_only_when_told_to(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve_devserver(["--port", "0", f"--host={host}"]) == 2
    assert "--allow-remote opens it to others" in capsys.readouterr().err


@pytest.fixture
def up(site: Site, tmp_path: Path) -> Iterator[tuple[Running, dict[str, str]]]:
    """A whole stack, in an environment that would have Flower listen everywhere."""
    own = {
        **variables(),
        "TMPDIR": str(tmp_path),
        "FLOWER_ADDRESS": EVERYWHERE,
        f"{PREFIX}RUN_FILE": str(tmp_path / "run.json"),
    }
    running = site.start("up", *CLI, "up", "--json", env=own)
    running.says('"flower"')
    yield running, json.loads(running.output.splitlines()[0])
    running.stop()


def test_nothing_of_up_can_be_reached_from_elsewhere(
    up: tuple[Running, dict[str, str]],
) -> None:
    """Store, devserver and Flower listen, on loopback; the store refuses others by itself too."""
    running, told = up
    assert addresses(running) == {HOST}
    assert len(ports(running)) == 3
    with open_redis(told["store"], timeout=5) as client:
        assert client.config_get("protected-mode") == {"protected-mode": "yes"}
        assert client.config_get("bind") == {"bind": HOST}


def ports(running: Running) -> set[int]:
    """Return the ports on which a process and its children listen."""
    return {port for _, port in _listening(running)}


def addresses(running: Running) -> set[str]:
    """Return the addresses on which a process and its children listen."""
    return {address for address, _ in _listening(running)}


def _listening(running: Running) -> set[tuple[str, int]]:
    process = psutil.Process(running.pid)
    family = [process, *process.children(recursive=True)]
    connections = [one for member in family for one in member.net_connections("inet")]
    return {
        (one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN
    }
