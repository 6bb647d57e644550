"""Has the workers look after sessions, every so often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kato_tasks.instrumentation import logger
from kato_tasks.settings import Settings
from kato_tasks.worker import make_app, names

_END: Final = 10.0


@contextmanager
def rounds(settings: Settings) -> Iterator[None]:
    """Send the rounds of care for the length of a block, as beat would.

    Beat's schedule has no rounds of care yet. Once it has, this goes: two senders do no harm, but
    one of them is for nothing.
    """
    stop = threading.Event()
    every = {
        names.REFRESH_TTLS: settings.refresh_interval,
        names.CLEANUP_IDLE: settings.cleanup_interval,
    }
    threads = [
        threading.Thread(target=_send, args=(settings, name, seconds, stop), daemon=True)
        for name, seconds in every.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_END)


def _send(settings: Settings, name: str, seconds: float, stop: threading.Event) -> None:
    with make_app(settings) as app:
        while not stop.wait(seconds):
            try:
                app.send_task(name, expires=seconds, ignore_result=True, retry=False)
            except Exception:  # noqa: BLE001 - logged whole; the next round is sent all the same
                logger.exception("round not sent", extra={"task": name})
