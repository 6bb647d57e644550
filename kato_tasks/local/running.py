"""Runs a planned stack, and finds one that runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kato_tasks.instrumentation import logger
from kato_tasks.local.plan import Plan
from kato_tasks.local.variables import as_overrides, set_variables
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.stack import (
    Backoff,
    Event,
    RunFile,
    StackError,
    Supervisor,
    default_run_file,
    read_run_file,
    remove_run_file,
    write_run_file,
)

_BACKOFF: Final = Backoff()


class LocalStack:
    """A stack on this machine. Use it from the main thread only.

    Args:
        plan: What runs.
        run_file: Where others find it; None to tell nobody.
        on_event: Told of every start, death, restart and stop.
        backoff: How long what dies is left before it is restarted.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_file: Path | None = None,
        on_event: Callable[[Event], None] | None = None,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        self.plan = plan
        self._run_file = run_file
        self._told = on_event
        self._supervisor = Supervisor(
            plan.specs, log=plan.log, on_event=self._on_event, backoff=backoff
        )
        self._started = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, wait until it is ready, and stop it at the end of the block.

        Raises:
            StackError: A process does not become ready; the sentence has its last words.
        """
        self._supervisor.start()
        self._started = True
        try:
            self._write_run_file()
            yield
        finally:
            self._started = False
            try:
                self._remove_run_file()
            finally:
                self._supervisor.stop()

    def supervise(self, until: threading.Event) -> None:
        """Restart what dies, until ``until`` is set."""
        self._supervisor.run(until)

    def look_after(self) -> None:
        """Restart what has died, once, without waiting."""
        self._supervisor.look_after()

    def send_signal(self, name: str, number: signal.Signals) -> bool:
        """Send a process of the stack a signal; False if it does not run now.

        Raises:
            InvalidInput: The stack has no process of that name.
        """
        return self._supervisor.send_signal(name, number)

    def _on_event(self, event: Event) -> None:
        if event.kind == "ready" and self._started:
            self._rewrite_run_file()
        if self._told is not None:
            self._told(event)

    def _rewrite_run_file(self) -> None:
        try:
            self._write_run_file()
        except StackError as error:
            # Only the pids in it are old now; the stack works, and a full disk may have an end.
            logger.warning("run file not rewritten", extra={"reason": str(error)})

    def _remove_run_file(self) -> None:
        if self._run_file is None:
            return
        try:
            remove_run_file(self._run_file, os.getpid())
        except OSError as error:
            # Its pid is soon that of no process, so it misleads nobody.
            logger.warning("run file not removed", extra={"reason": str(error)})

    def _write_run_file(self) -> None:
        if self._run_file is None:
            return
        plan = self.plan
        run = RunFile(
            pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            data_dir=str(plan.data_dir),
            redis_url=plan.settings.redis_url,
            broker_url=plan.settings.broker,
            instances=dict(plan.settings.instances),
            flower_url=plan.flower_url,
            log=str(plan.log),
            pids=self._supervisor.pids(),
            settings=dict(plan.environment),
        )
        write_run_file(self._run_file, run)


def find_settings() -> Settings:
    """Return the settings of the environment or, if it names no store, of the running stack.

    Variables that are set win over those of the stack, but for a broker, which belongs to a
    store. The environment stays as it is.

    Raises:
        InvalidInput: A variable is out of its range.
    """
    run = _running_stack()
    return Settings.load(**as_overrides(_missing(run))) if run is not None else Settings.load()


def use_running_stack() -> RunFile | None:
    """Make the stack that ``kato-tasks up`` runs known to this process and its children.

    Changes ``os.environ``, so it is for a process that is our own and about to become another.
    Variables that are set already stay, as in :func:`find_settings`; if one of them names a
    store, nothing is changed.

    Returns:
        What runs; None if nothing does, or the environment names a store.
    """
    run = _running_stack()
    if run is not None:
        os.environ.update(_missing(run))
    return run


def _running_stack() -> RunFile | None:
    if f"{PREFIX}REDIS_URL" in set_variables(os.environ):
        return None
    return read_run_file(default_run_file())


def _missing(run: RunFile) -> dict[str, str]:
    # A broker belongs to its store, and the store is the one of the stack.
    present = set_variables(os.environ).keys() - {f"{PREFIX}BROKER_URL"}
    found = set_variables(run.settings)
    return {name: value for name, value in found.items() if name not in present}
