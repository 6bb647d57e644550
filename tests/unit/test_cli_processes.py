"""What is said of a process before it is run."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest
from click.testing import CliRunner

from kato_tasks.cli import main
from kato_tasks.cli.processes import about_to_run
from kato_tasks.settings import Settings


def test_what_is_about_to_run_is_told_without_secrets() -> None:
    """In options of both shapes, in URLs and in the settings."""
    settings = Settings.load(
        redis_url="redis://:hidden@store:1/0", instances={"k": "http://u:hidden@kato"}
    )
    command = [
        *("python", "-m", "celery", "flower", "--port=1", "--basic-auth=u:hidden"),
        *("--oauth2_secret", "hidden", "-b", "redis://:hidden@b/0", "--broker=redis://:hidden@c"),
    ]
    told = about_to_run(command, settings)
    assert "hidden" not in str(told)
    assert told["command"] == [
        *("python", "-m", "celery", "flower", "--port=1", "--basic-auth=***"),
        *("--oauth2_secret", "***", "-b", "redis://b/0", "--broker=redis://c"),
    ]
    assert told["queues"] == ["kato_tasks.deliver", "kato_tasks.bulk", "kato_tasks.maintenance"]
    assert told["store"] == told["broker"] == "redis://store:1/0"


@pytest.mark.parametrize("name", ["worker", "beat", "flower"])
def test_json_says_what_is_run_before_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object on one line; without the option there is none. Other options go to Celery."""
    run: list[list[str]] = []
    monkeypatch.setenv("KATO_TASKS_REDIS_URL", "redis://store:1/0")

    def become(_: str, command: list[str]) -> NoReturn:
        run.append(command)
        raise SystemExit(0)

    monkeypatch.setattr("os.execv", become)
    told = CliRunner().invoke(main, [name, "--json", "--loglevel=DEBUG"])
    silent = CliRunner().invoke(main, [name, "--loglevel=DEBUG"])
    assert (told.exit_code, silent.exit_code, silent.output) == (0, 0, "")
    assert json.loads(told.output)["command"] == run[0] == run[1]
    assert run[0][-1] == "--loglevel=DEBUG"
