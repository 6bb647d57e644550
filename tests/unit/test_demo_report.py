"""What a report calls sound, and what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from kato_tasks.cli.demo import print_report
from kato_tasks.demo import Difference, Report

SOUND: Final = Report(
    sessions=1,
    observations=2,
    applied=2,
    refused=0,
    difference=Difference(),
    seconds=1.0,
    http_calls=2,
    observe_calls=1,
    latency_p50_ms=1.0,
    latency_p99_ms=2.0,
    audited=True,
)


@pytest.mark.parametrize(
    "report",
    [
        replace(SOUND, observations=0, applied=0, sessions=0),
        replace(SOUND, applied=1),
        replace(SOUND, difference=Difference(lost=1)),
        replace(SOUND, unread=1),
    ],
)
def test_what_is_not_proven_is_not_sound(report: Report) -> None:
    """Above all nothing: a file of garbage proves nothing."""
    assert not report.sound
    assert report.verdict.startswith("NOT SOUND")
    assert report.as_json()["sound"] is False


def test_refused_lines_are_shown_and_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(SOUND, refused=3, problems=("f:1: [/no] json",), notes=("A note.",))
    assert report.sound
    print_report(report)
    captured = capsys.readouterr()
    assert "LINES REFUSED" in captured.out
    assert captured.err == "f:1: [/no] json\n… and 2 more lines refused\nA note.\n"


def test_the_verdict_says_what_was_compared() -> None:
    assert SOUND.verdict.startswith("Sound: nothing is lost")
    assert "symbols, vectors, emotives and metadata" in SOUND.verdict
    real = replace(SOUND, audited=False).verdict
    assert "the last 1,000 events of each session" in real
    assert "not earlier events, nor vectors, emotives and metadata" in real
