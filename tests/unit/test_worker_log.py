"""What a worker's log says of our events."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest
from celery.utils.log import ColorFormatter

from kato_tasks.instrumentation import FactsFormatter
from kato_tasks.worker.signals import show_facts


class Log:
    """Loggers by name, all into one text."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._text = io.StringIO()
        self.root = logging.Logger("root")  # noqa: LOG001 - not the one of this process
        self.root.addHandler(logging.StreamHandler(self._text))
        self.root.handlers[0].setFormatter(formatter)

    def __call__(self, name: str) -> logging.Logger:
        logger = logging.Logger(name)  # noqa: LOG001 - nobody else's
        logger.parent = self.root
        return logger

    @property
    def lines(self) -> list[str]:
        return self._text.getvalue().splitlines()


@pytest.fixture
def log() -> Log:
    """A log that shows level, message and facts."""
    return Log(FactsFormatter(logging.Formatter("%(levelname)s: %(message)s")))


def test_facts_stand_behind_the_message_on_one_line(log: Log) -> None:
    log("kato_tasks").warning("in doubt", extra={"session": "user-7", "attempt": 3, "why": None})
    log("kato_tasks").warning("odd", extra={"reason": "a b\nc", "none": "", "key": 'ä="\ud800'})
    log("kato_tasks").info("%d lanes", 4)
    assert log.lines == [
        "WARNING: in doubt session=user-7 attempt=3 why=None",
        "WARNING: odd reason='a b\\nc' none='' key='ä=\"\\ud800'",
        "INFO: 4 lanes",
    ]


def test_long_facts_are_cut_and_tracebacks_come_after_them(log: Log) -> None:
    try:
        int("boom")
    except ValueError:
        log("kato_tasks.delivery").exception("failed", extra={"reason": "x" * 10_000})
    assert log.lines[0] == f"ERROR: failed reason={'x' * 500}…"
    assert log.lines[1].startswith("Traceback")
    assert log.lines[-1] == "ValueError: invalid literal for int() with base 10: 'boom'"


def test_the_events_of_others_stay_as_they_are(log: Log) -> None:
    log("kato_tasks_of_another").warning("theirs", extra={"data": {"args": "secret"}})
    log("celery.worker").warning("theirs", extra={"data": {"args": "secret"}})
    assert log.lines == ["WARNING: theirs"] * 2


def test_celerys_handlers_get_them_and_a_hosts_own_do_not() -> None:
    ours, theirs = Log(ColorFormatter("%(message)s", use_color=False)), Log(logging.Formatter())
    for log in (ours, theirs):
        show_facts(log.root)
        log("kato_tasks").warning("in doubt", extra={"session": "user-7"})
    assert ours.lines == ["in doubt session=user-7"]
    assert theirs.lines == ["in doubt"]


def test_a_worker_sets_its_log_up_so() -> None:
    """As it is when ``celery worker`` has loaded the app's modules and made its log."""
    code = """
from kato_tasks.instrumentation import logger
from kato_tasks.worker import app
app.loader.import_default_modules()
app.log.setup_logging_subsystem(loglevel="INFO")
logger.warning("in doubt", extra={"session": "user-7"})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stderr.decode().rstrip().endswith("in doubt session=user-7")
