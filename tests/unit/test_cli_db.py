"""``kato-tasks db``: what it prints, and what it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kato_tasks.cli import main
from kato_tasks.settings import PREFIX


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", "redis://127.0.0.1:1/0")  # no store is needed
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    return CliRunner()


def test_a_file_needs_nobody_and_is_not_made_by_looking(run: CliRunner, tmp_path: Path) -> None:
    done = run.invoke(main, ["db", "current"])
    assert done.exit_code == 0
    assert "no tables yet and needs" in done.stdout
    assert "its first use sees to that" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_says_what_was_and_what_is(run: CliRunner) -> None:
    first = json.loads(run.invoke(main, ["db", "upgrade", "--json"]).stdout)
    assert (first["before"], first["up_to_date"]) == (None, True)
    assert first["current"] == first["newest"]
    assert "already" in run.invoke(main, ["db", "upgrade"]).stdout
    found = json.loads(run.invoke(main, ["db", "current", "--json"]).stdout)
    assert set(found) == {"ledger", "current", "newest", "up_to_date"}
    assert "the newest" in run.invoke(main, ["db", "current"]).stdout


def test_a_server_that_is_not_upgraded_is_found_wrong(
    run: CliRunner, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", postgres_url)
    found = run.invoke(main, ["db", "current"])
    assert found.exit_code == 1
    assert "run kato-tasks db upgrade" in found.stdout
    assert "now has the revision" in run.invoke(main, ["db", "upgrade"]).stdout
    assert run.invoke(main, ["db", "current", "--json"]).exit_code == 0


def test_a_server_that_is_away_is_a_sentence_without_its_password(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/d")
    done = run.invoke(main, ["db", "upgrade"])
    assert done.exit_code == 3
    assert "The ledger at postgresql+psycopg://127.0.0.1:1/d is not available" in done.stderr
    assert "hush" not in done.output
