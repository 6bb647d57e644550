"""What happens when a worker process starts and stops."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

from celery import signals
from celery.utils.log import ColorFormatter

from kato_tasks.instrumentation import FactsFormatter
from kato_tasks.worker import process
from kato_tasks.worker.sweeper import Sweeper

_TEND_INTERVAL: Final = 3.0
"""Seconds between two looks for migrations that lost their hands."""
_running: list[Sweeper] = []


@signals.after_setup_logger.connect
def show_facts(logger: logging.Logger, **_: object) -> None:
    """Have Celery's own handlers show the facts of our events; those of others stay theirs."""
    for handler in logger.handlers:
        if isinstance(handler.formatter, ColorFormatter):
            handler.setFormatter(FactsFormatter(handler.formatter))


@signals.worker_ready.connect
def start_sweeper(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
    """Start to sweep, and say that the worker is ready, once it consumes."""
    opened = process.services(sender.app)
    if opened.settings.ready_file:
        Path(opened.settings.ready_file).touch()
    for sweep, interval in (
        (opened.sweep, opened.settings.sweep_interval),
        (opened.tend, _TEND_INTERVAL),
    ):
        sweeper = Sweeper(sweep, interval)
        sweeper.start()
        _running.append(sweeper)


@signals.worker_shutting_down.connect
def finish_calls(**_: object) -> None:
    """Have every delivery settle its call and give its lease back, so that the worker can end.

    A thread cannot be ended from outside, so a call ends with its own time-out at the latest. Who
    waits less kills, and whoever claims the lane next looks what became of the call.
    """
    process.stop()


@signals.worker_shutdown.connect
def stop_sweeper(**_: object) -> None:
    """Stop to sweep and close all connections, after the last task has ended."""
    while _running:
        _running.pop().stop()
    process.close()


@signals.worker_process_shutdown.connect
def close_child(**_: object) -> None:
    """Close the connections of a pool's child process."""
    process.close()
