"""Many items of a migration, and nothing of the moves: what planning and publishing them takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psutil
from celery import Celery
from pair import BLUE, GREEN, Pair, running_pair

from kato_tasks import Settings
from kato_tasks.keys import Keys
from kato_tasks.migration import Request
from kato_tasks.models import Append, SessionSpec
from kato_tasks.scripts import Runner, calls, open_redis
from kato_tasks.services import Services
from kato_tasks.worker import CeleryHire, CeleryWake, make_app
from kato_tasks.worker.hire import ChordHire

HANDS: Final = 64
"""The most that a migration may have: the most messages."""
_STEP: Final = 1_000
_SAMPLED: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """What some items took.

    Attributes:
        items: How many.
        plan: Seconds to plan.
        create: Seconds to write them into the ledger.
        publish: Seconds to send for a worker, and then for as many hands as there may be.
        store: Bytes that the store grew by with those messages.
        ledger: Bytes of the ledger's files.
        resident: Most bytes that this process had beyond those before the plan.
        whole: Most bytes that it had.
    """

    items: int
    plan: float
    create: float
    publish: float
    store: int
    ledger: int
    resident: int
    whole: int


@dataclass(slots=True)
class _Hire:
    """Sends for hands as a producer does, then has a process do it as a worker does; measured."""

    app: Celery
    settings: Settings
    store: Any
    began: float = 0.0
    seconds: float = 0.0
    grown: int = 0

    def __call__(self, migration: str, hands: int) -> None:
        before, self.began = self._used(), time.perf_counter()
        CeleryHire(self.app)(migration, hands)
        self.seconds = time.perf_counter() - self.began
        # A process of its own: who has sent a chord subscribes to its results, and looks for their
        # store when that is gone.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as worker:
            self.seconds += worker.submit(_as_a_worker, self.settings, migration, hands).result()
        self.grown = self._used() - before

    def _used(self) -> int:
        return int(self.store.info("memory")["used_memory"])


def _as_a_worker(settings: Settings, migration: str, hands: int) -> float:
    with make_app(settings) as app:
        began = time.perf_counter()
        ChordHire(app)(migration, hands)
        return time.perf_counter() - began


@dataclass(slots=True)
class _Resident:
    """Watches the memory of this process."""

    most: int = 0
    _process: psutil.Process = field(default_factory=psutil.Process)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def read(self) -> int:
        found = int(self._process.memory_info().rss)
        self.most = max(self.most, found)
        return found

    def _run(self) -> None:
        while not self._stopped.wait(_SAMPLED):
            self.read()

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="resident")
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()


def weigh(items: int) -> Weight:
    """Begin a migration of so many sessions that no server has, on a store of its own."""
    with running_pair("v3") as pair:
        store = open_redis(pair.settings.redis_url, timeout=pair.settings.store_timeout)
        _register(pair, items)
        app, resident = make_app(pair.settings), _Resident()
        hire = _Hire(app, pair.settings, store)
        with app, Services(pair.settings, CeleryWake(app, pair.settings), hire) as services:
            # What a process opens once is open before the first reading.
            services.ledger.upgrade()
            app.control.ping(timeout=0.1)
            before = resident.read()
            with resident.watching():
                began = time.perf_counter()
                plan = services.migrations.plan(Request(source=BLUE, target=GREEN, parallel=HANDS))
                planned = time.perf_counter()
                begun = services.migrations.start(plan)
        store.close()
        if begun.total != items:
            raise RuntimeError(f"{begun.total} items of {items}")
        return Weight(
            items=items,
            plan=planned - began,
            create=hire.began - planned,
            publish=hire.seconds,
            store=hire.grown,
            ledger=_size(pair.folder),
            resident=resident.most - before,
            whole=resident.most,
        )


def _register(pair: Pair, items: int) -> None:
    """Register sessions as an append does; no worker is told."""
    settings = pair.settings
    names = Keys(prefix=settings.prefix, shards=settings.shards)
    client = open_redis(settings.redis_url, timeout=settings.store_timeout)
    runner = Runner(client, settings.redis_url)
    for start in range(0, items, _STEP):
        appends = [_append(number) for number in range(start, min(start + _STEP, items))]
        runner.run_all([calls.append(names.session(one.key), one, settings) for one in appends])
    client.close()


def _append(number: int) -> Append:
    spec = SessionSpec(node=f"node{number % 50}", instance=BLUE)
    return Append(key=f"session{number:06d}", spec=spec, groups=(), bind=False)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("ledger.db*"))
