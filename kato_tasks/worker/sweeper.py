"""Runs the sweep inside every worker, so that recovery needs no beat."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from kato_tasks.errors import LedgerOutdated, LedgerUnavailable, StoreUnavailable
from kato_tasks.instrumentation import logger


class Sweeper:
    """A thread that sweeps every ``interval`` seconds, with some jitter, until it is stopped.

    Args:
        sweep: Sweeps once.
        interval: Seconds between two sweeps.
    """

    def __init__(self, sweep: Callable[[], int], interval: float) -> None:
        self._sweep = sweep
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval * random.uniform(0.8, 1.2)):  # noqa: S311
            try:
                self._sweep()
            except (StoreUnavailable, LedgerUnavailable, LedgerOutdated) as error:
                logger.warning("sweep failed", extra={"reason": str(error)})
            except Exception:  # noqa: BLE001 - without this thread nothing would be recovered
                logger.exception("sweep failed")
