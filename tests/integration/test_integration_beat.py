"""Two beats on a store of their own: each tick once, whatever dies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from integration_site import HOST, Processes

from kato_tasks import Settings
from kato_tasks.schedule import RedisSchedule, ScheduleView
from kato_tasks.scripts import Runner, open_redis
from kato_tasks.stack import free_port
from kato_tasks.stack.child import Child
from kato_tasks.testing import wait_until
from kato_tasks.worker.celery_app import queue_name
from kato_tasks.worker.names import Queue

EVERY = 0.2
LEASE = 2.0
JITTER = 1.0
"""How much later than it was due the first of some ticks may be sent; a double would show."""
SLACK = 5.0
"""How late anything may be on a machine where others work too, in seconds."""


class Beats:
    """A store, two beats on it, and what they send: nobody takes it.

    Args:
        processes: Starts them.
        folder: Where the store keeps its data.
    """

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._port = free_port()
        self.store = processes.store(folder, self._port)
        self.settings = Settings.load(
            redis_url=f"redis://{HOST}:{self._port}/0",
            beat_sweep_interval=EVERY,
            beat_lease=LEASE,
        )
        self.client = open_redis(self.settings.redis_url, timeout=5)
        self.beats = [processes.beat(self.settings) for _ in range(2)]

    def restart_store(self) -> None:
        self.store.kill()
        self.store = self._processes.store(self._folder, self._port)

    def view(self) -> ScheduleView:
        return RedisSchedule(Runner(self.client, ""), self.settings).view()

    def holder_and_other(self) -> tuple[Child, Child]:
        pid = int((self.view().holder or ":0").rpartition(":")[2])
        [holder] = [beat for beat in self.beats if beat.pid == pid]
        [other] = [beat for beat in self.beats if beat.pid != pid]
        return holder, other

    def sent(self) -> list[tuple[float, int]]:
        """When each message was sent, and by which process, in order."""
        queue = queue_name(self.settings, Queue.MAINTENANCE)
        messages = [json.loads(text)["headers"] for text in self.client.lrange(queue, 0, -1)]
        return sorted(
            (
                datetime.fromisoformat(headers["expires"]).timestamp() - EVERY,
                int(headers["origin"].partition("@")[0].removeprefix("gen")),
            )
            for headers in messages
        )

    def wait_for_ticks(self, count: int) -> None:
        until = len(self.sent()) + count
        wait_until(lambda: len(self.sent()) >= until, timeout=30, message="no tick came")

    def has_sent(self, beat: Child) -> bool:
        return any(pid == beat.pid for _, pid in self.sent())

    def check_each_tick_once(self, pid: int | None) -> None:
        """None of what a process has sent came sooner than an interval after the one before.

        The store's clock says when a tick is due, the beat's own when it was sent: so what is
        compared is how many there are.
        """
        times = [at for at, sender in self.sent() if sender == pid]
        assert (len(times) - 1) * EVERY <= times[-1] - times[0] + JITTER


@pytest.fixture
def beats(processes: Processes, tmp_path: Path) -> Iterator[Beats]:
    folder = tmp_path / "store"
    folder.mkdir()
    made = Beats(processes, folder)
    wait_until(lambda: "sends the ticks" in processes.output, timeout=60)
    wait_until(lambda: "beat waits: another" in processes.output, timeout=60)
    yield made
    made.client.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_each_tick_is_sent_once_and_the_other_goes_on_when_one_is_killed(beats: Beats) -> None:
    beats.wait_for_ticks(12)
    holder, other = beats.holder_and_other()
    killed = holder.pid
    assert {pid for _, pid in beats.sent()} == {killed}
    holder.kill()
    with within(LEASE * 1.1 + EVERY + SLACK):
        wait_until(lambda: beats.has_sent(other), timeout=30)
    beats.wait_for_ticks(12)
    beats.check_each_tick_once(killed)
    beats.check_each_tick_once(other.pid)
    assert beats.holder_and_other()[0] is other


def test_a_restart_of_the_store_ends_neither_and_a_clean_end_is_no_pause(
    beats: Beats, processes: Processes
) -> None:
    beats.wait_for_ticks(2)
    beats.restart_store()
    beats.wait_for_ticks(3)
    assert [beat.collect() for beat in beats.beats] == [None, None]
    assert "Traceback" not in processes.output
    assert processes.output.count("beat waits for=store") <= 2
    holder, other = beats.holder_and_other()
    name = beats.view().holder
    assert holder.ask_to_stop() == 0
    assert beats.view().holder != name  # given back, not run out
    wait_until(lambda: beats.has_sent(other), timeout=LEASE + SLACK)
