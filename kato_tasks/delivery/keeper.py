"""Renews leases while calls are under way: one thread for all lanes of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import logger


class LeaseKeeper:
    """Renews what is kept, every ``interval`` seconds, until it is let go or lost.

    Args:
        interval: Seconds between renewals; a third of the lease.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._kept: dict[object, Callable[[], bool]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, renew: Callable[[], bool]) -> Iterator[None]:
        """Keep one lease for the length of a block; a lost one is no error here.

        Args:
            renew: Renews it; answers False once it is lost.
        """
        name = object()
        with self._lock:
            self._kept[name] = renew
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._kept.pop(name, None)

    def close(self) -> None:
        """Stop the thread; what is still kept runs out."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            with self._lock:
                kept = list(self._kept.items())
            for name, renew in kept:
                if not self._renew(renew):
                    with self._lock:
                        self._kept.pop(name, None)

    def _renew(self, renew: Callable[[], bool]) -> bool:
        try:
            return renew()
        except StoreUnavailable as error:
            logger.warning("lease not renewed", extra={"reason": str(error)})
            return True
        except Exception:  # noqa: BLE001 - see below
            # The other leases of this process depend on this thread.
            logger.exception("lease not renewed")
            return True
