"""``kato-tasks schedule show``: what it prints."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kato_tasks.cli import main
from kato_tasks.schedule import RedisSchedule
from kato_tasks.scripts import Runner
from kato_tasks.settings import PREFIX, Settings


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in ("redis_url", "prefix"):
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", getattr(settings, name))
    return CliRunner()


def test_the_entries_and_who_holds_the_lease_are_shown(
    run: CliRunner, runner: Runner, settings: Settings
) -> None:
    schedule = RedisSchedule(runner, settings)
    schedule.hold("token", "host:7", 60)
    schedule.fire("token", "sweep", settings.beat_sweep_interval)
    found = json.loads(run.invoke(main, ["schedule", "show", "--json"]).stdout)
    [sweep, refresh, cleanup] = found["entries"]
    assert (refresh["task"], cleanup["task"]) == (
        "kato_tasks.refresh_ttls",
        "kato_tasks.cleanup_idle",
    )
    assert (sweep["entry"], sweep["task"], sweep["every"]) == ("sweep", "kato_tasks.sweep", 10.0)
    assert sweep["last_run"] < sweep["next_run"] < found["until"]
    assert found["holder"] == "host:7"
    shown = run.invoke(main, ["schedule", "show"]).stdout
    assert "kato_tasks.sweep" in shown
    assert "host:7 holds the lease, until" in shown


def test_a_schedule_that_nobody_runs_says_so(run: CliRunner) -> None:
    done = run.invoke(main, ["schedule", "show"])
    assert done.exit_code == 0
    assert "No beat holds the lease" in done.stdout
