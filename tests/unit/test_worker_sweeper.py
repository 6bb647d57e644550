"""The sweeping thread lives as long as its process."""

from __future__ import annotations

import logging

import pytest

from kato_tasks.errors import StoreUnavailable
from kato_tasks.testing import wait_until
from kato_tasks.worker.sweeper import Sweeper


def test_no_failure_ends_it_and_each_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody thought of has its traceback in the log."""
    failures = [StoreUnavailable("redis://a", "gone"), ValueError("nobody thought of it")]
    swept: list[int] = []

    def sweep() -> int:
        if failures:
            raise failures.pop(0)
        swept.append(1)
        return 1

    sweeper = Sweeper(sweep, 0.001)
    with caplog.at_level(logging.WARNING, "kato_tasks"):
        sweeper.start()
        wait_until(lambda: bool(swept))
        sweeper.stop()
    known, unknown = caplog.records
    assert (known.levelname, known.exc_info) == ("WARNING", None)
    assert (unknown.levelname, unknown.getMessage()) == ("ERROR", "sweep failed")
    assert "nobody thought of it" in caplog.text
