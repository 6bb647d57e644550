"""``kato-tasks doctor``: what it prints and how it exits."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from kato_tasks.cli import main
from kato_tasks.doctor import Context, Finding, Report, Severity

OK = Finding(severity=Severity.OK, subject="a", sentence="answers.")
NOTE = Finding(severity=Severity.NOTE, subject="a", sentence="is noted.", advice="Nothing.")
WARNING = Finding(severity=Severity.WARNING, subject="a", sentence="is full.", advice="Empty it.")


def run(
    monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], *arguments: str, away: str = ""
) -> Result:
    monkeypatch.setenv("KATO_TASKS_REDIS_URL", "redis://127.0.0.1:1/0")

    def examine(_: Context, *, probed: bool) -> Report:
        return Report(findings=findings, unavailable=(away,) if away else (), probed=probed)

    monkeypatch.setattr("kato_tasks.cli.doctor.examine", examine)
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_people_get_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, (OK, WARNING))
    assert "Something is wrong" in result.stdout
    assert "Empty it." in result.stdout


def test_scripts_get_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, (WARNING,), "--json", "--probe")
    assert json.loads(result.stdout) == {
        "sound": False,
        "probed": True,
        "unavailable": [],
        "findings": [
            {
                "severity": "warning",
                "subject": "a",
                "sentence": "is full.",
                "advice": "Empty it.",
            }
        ],
    }


@pytest.mark.parametrize(
    ("findings", "away", "code"),
    [((OK, NOTE), "", 0), ((OK, WARNING), "", 1), ((WARNING,), "a", 3)],
)
def test_the_exit_code_is_the_worst(
    monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], away: str, code: int
) -> None:
    assert run(monkeypatch, findings, away=away).exit_code == code


def test_without_a_store_and_a_server_it_still_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_TASKS_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("KATO_TASKS_INSTANCES", "a=http://127.0.0.1:1")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["unavailable"] == ["a", "store"]
