"""The leased scheduler, with the twin of the store and a broker in memory."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.beat import SchedulingError

from kato_tasks.errors import StoreUnavailable
from kato_tasks.schedule import Entry, ScheduleView, entries
from kato_tasks.settings import Settings
from kato_tasks.stack import free_port
from kato_tasks.testing import MemorySchedule, MemoryStore
from kato_tasks.worker import make_app
from kato_tasks.worker.beat import LeasedScheduler
from kato_tasks.worker.celery_app import queue_name
from kato_tasks.worker.names import Queue

EVERY = 10.0


class Store:
    """A store's schedule that can be away; its clock is the scheduler's too."""

    def __init__(self, settings: Settings) -> None:
        self.memory = MemoryStore()
        self.away: Exception | None = None
        self._schedule = MemorySchedule(self.memory, settings)

    def hold(self, token: str, holder: str, seconds: float) -> bool:
        self._fail()
        return self._schedule.hold(token, holder, seconds)

    def release(self, token: str) -> bool:
        self._fail()
        return self._schedule.release(token)

    def fire(self, token: str, name: str, every: float) -> float | None:
        self._fail()
        return self._schedule.fire(token, name, every)

    def view(self) -> ScheduleView:
        return self._schedule.view()

    def _fail(self) -> None:
        if self.away is not None:
            raise self.away


@pytest.fixture
def settings() -> Settings:
    name = f"{secrets.token_hex(6)}."
    return Settings(broker_url="memory://", queue_prefix=name, beat_sweep_interval=EVERY)


@pytest.fixture
def store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store(settings)
    monkeypatch.setattr("time.monotonic", lambda: made.memory.now_ms / 1000)
    return made


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An app whose beat sends the sweep alone."""
    [sweep, *_] = entries(settings)
    for module in ("celery_app", "beat"):
        monkeypatch.setattr(f"kato_tasks.worker.{module}.entries", lambda _: (sweep,))
    with make_app(settings) as made:
        yield made


def scheduler(app: Celery, store: Store) -> LeasedScheduler:
    return LeasedScheduler(app, schedule_store=store)


def sent(app: Celery, settings: Settings) -> list[Any]:
    """Take the messages that wait."""
    messages: list[Any] = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(queue_name(settings, Queue.MAINTENANCE))
        while queue.qsize():
            messages.append(queue.get(block=False))
            messages[-1].ack()
        queue.close()
    return messages


def test_what_is_due_is_sent_once_and_expires(
    app: Celery, settings: Settings, store: Store
) -> None:
    one, other = scheduler(app, store), scheduler(app, store)
    assert all(0 < each.tick() <= settings.beat_lease / 10 for each in (one, other, one, other))
    [message] = sent(app, settings)
    assert message.headers["task"] == "kato_tasks.sweep"
    assert message.headers["expires"] is not None
    store.memory.advance(EVERY)
    for each in (other, one, other):
        each.tick()
    assert len(sent(app, settings)) == 1


def test_it_is_back_in_time_for_the_next_tick(
    app: Celery, settings: Settings, store: Store
) -> None:
    """And not a moment later than that."""
    beat = scheduler(app, store)
    beat.tick()
    store.memory.advance(EVERY - 0.25)
    assert beat.tick() == pytest.approx(0.25)
    store.memory.advance(0.25)
    beat.tick()
    assert len(sent(app, settings)) == 2


def test_after_a_long_pause_one_tick_is_sent(app: Celery, settings: Settings, store: Store) -> None:
    beat = scheduler(app, store)
    beat.tick()
    store.memory.advance(EVERY * 100)
    for _ in range(5):
        beat.tick()
    assert len(sent(app, settings)) == 2


def test_another_goes_on_when_the_lease_of_one_has_ended(
    app: Celery, settings: Settings, store: Store
) -> None:
    killed, other = scheduler(app, store), scheduler(app, store)
    killed.tick()
    store.memory.advance(settings.beat_lease - 0.1)
    other.tick()
    store.memory.advance(0.1 + other.tick())
    other.tick()
    assert len(sent(app, settings)) == 2
    killed.tick()  # it was only frozen
    assert sent(app, settings) == []


def test_who_ends_gives_the_lease_back(app: Celery, store: Store) -> None:
    one, other = scheduler(app, store), scheduler(app, store)
    one.tick()
    holder = store.view().holder
    other.close()
    assert store.view().holder == holder
    one.close()
    one.close()
    assert store.view().holder is None
    other.tick()
    assert store.view().holder is not None


def test_who_cannot_give_it_back_says_so_and_ends(
    app: Celery, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    made = scheduler(app, store)
    made.tick()
    store.away = StoreUnavailable("redis://a", "gone")
    made.close()
    assert "lease of the schedule not given back" in caplog.text


def test_a_signal_in_the_middle_of_a_call_waits_for_its_end(
    app: Celery, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery's handler closes the scheduler, then ends its loop, which closes it once more."""
    beat = scheduler(app, store)
    hold = store.hold

    def interrupted(*arguments: Any) -> bool:  # noqa: ANN401 - the store's
        hold(*arguments)
        beat.close()
        raise SystemExit

    monkeypatch.setattr(store, "hold", interrupted)
    with pytest.raises(SystemExit):
        beat.tick()
    assert store.view().holder is not None
    beat.close()
    assert store.view().holder is None


def test_a_store_that_is_away_is_waited_for(
    app: Celery, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once when it goes and once when it is back, without a traceback."""
    beat = scheduler(app, store)
    store.away = StoreUnavailable("redis://a", "gone")
    with caplog.at_level(logging.WARNING, "kato_tasks"):
        pauses = {beat.tick() for _ in range(5)}
        store.away = None
        beat.tick()
    assert pauses == {settings.beat_lease / 10}
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert len(sent(app, settings)) == 1


def test_no_failure_ends_it(
    app: Celery, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody thought of has its traceback in the log, once each time it comes."""
    beat = scheduler(app, store)
    with caplog.at_level(logging.WARNING, "kato_tasks"):
        for times in (1, 2):
            store.away = ValueError("nobody thought of it")
            for _ in range(5):
                beat.tick()
            assert caplog.text.count("Traceback") == times
            store.away = None
            beat.tick()
    assert len(sent(app, settings)) == 1


def test_a_broker_that_is_away_loses_no_tick(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not written down as run before there is a connection to send it over."""
    away = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"})
    with make_app(away) as cut_off, caplog.at_level(logging.WARNING, "kato_tasks"):
        beat = scheduler(cut_off, store)
        for _ in range(3):
            assert beat.tick() == settings.beat_lease / 10
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert store.view().runs[0].last is None
    assert store.view().holder is not None


def test_a_tick_that_cannot_be_sent_is_made_up_by_the_next(
    app: Celery, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been sent, if only the answer was lost: so it is not sent again."""
    made = scheduler(app, store)
    with monkeypatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise SchedulingError

        patch.setattr(made, "apply_async", fail)
        made.tick()
    made.tick()
    assert sent(app, settings) == []
    store.memory.advance(EVERY)
    made.tick()
    assert len(sent(app, settings)) == 1


def test_several_entries_have_times_of_their_own(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def several(_: Settings) -> tuple[Entry, ...]:
        names = {"a": 2.0, "b": 3.0}
        return tuple(Entry(name=n, task="kato_tasks.sweep", every=e) for n, e in names.items())

    for module in ("kato_tasks.worker.beat", "kato_tasks.worker.celery_app"):
        monkeypatch.setattr(f"{module}.entries", several)
    with make_app(settings) as app:
        made = scheduler(app, store)
        made.tick()
        for _ in range(12):
            store.memory.advance(0.5)
            made.tick()
        assert len(sent(app, settings)) == 2 + 3 + 2


def test_a_longer_loop_interval_does_not_cost_the_lease(app: Celery, store: Store) -> None:
    """As by ``celery beat --max-interval 300``."""
    assert LeasedScheduler(app, schedule_store=store, max_interval=300).tick() <= 1.0
    assert LeasedScheduler(app, schedule_store=store, max_interval=0.2).tick() <= 0.2


def test_one_that_is_made_to_be_shown_connects_nothing(app: Celery) -> None:
    """Celery's banner makes one, and says of the other how it is."""
    LeasedScheduler(app, lazy=True).close()
