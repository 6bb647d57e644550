"""The Celery app: whose broker it uses, and what it shows of its settings."""

from __future__ import annotations

import subprocess
import sys

import pytest
from celery import Celery

from kato_tasks.schedule import entries
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.worker import make_app
from kato_tasks.worker.celery_app import settings_of
from kato_tasks.worker.names import QUEUE_OF

SECRET = "hunter2"  # noqa: S105 - that it shows nowhere is the point
STORE = f"redis://:{SECRET}@127.0.0.1:1/0"
BROKER = f"redis://me:{SECRET}@127.0.0.1:2/0"


@pytest.mark.parametrize("name", ["BROKER_URL", "BROKER_READ_URL", "BROKER_WRITE_URL"])
def test_the_broker_of_the_settings_wins_over_celerys_variables(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CELERY_{name}", "redis://foreign:3/0")
    app = make_app(Settings(redis_url=STORE, broker_url=BROKER))
    assert app.conf.broker_url == app.conf.broker_read_url == app.conf.broker_write_url == BROKER
    for connection in (app.connection_for_read(), app.connection_for_write()):
        assert (connection.hostname, connection.port) == ("127.0.0.1", 2)


def test_so_does_the_store_for_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://foreign:3/0")
    app = make_app(Settings(redis_url=STORE))
    assert app.conf.result_backend == STORE
    assert app.backend.as_uri() == "redis://:**@127.0.0.1:1/0"


def test_no_variable_leaves_the_settings_as_celery_reads_them() -> None:
    """Defaults and what follows from other settings are still Celery's."""
    app = make_app(Settings(queue_prefix="mine."))
    assert app.conf.task_default_exchange == app.conf.task_default_queue == "mine.bulk"
    assert app.conf.task_track_started is False
    assert app.conf.beat_schedule["sweep"]["task"] == "kato_tasks.sweep"


@pytest.mark.parametrize("store", [STORE, f"redis://127.0.0.1:1/0?password={SECRET}"])
def test_nothing_that_is_shown_has_a_password(store: str) -> None:
    """What ``celery inspect conf``, Flower and ``celery report`` show."""
    settings = Settings(redis_url=store, broker_url=BROKER)
    conf = make_app(settings).conf
    shown = [conf.humanize(with_defaults=False), conf.humanize(with_defaults=True), repr(settings)]
    assert not any(SECRET in text for text in shown)
    assert conf.table()["broker_url"] == "redis://127.0.0.1:2/0"
    assert "kato_tasks" not in conf.table(with_defaults=True)


def test_the_report_command_shows_none_either() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "report"],
        env={f"{PREFIX}REDIS_URL": STORE, f"{PREFIX}BROKER_URL": BROKER},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"127.0.0.1:2" in done.stdout
    assert SECRET.encode() not in done.stdout + done.stderr


def test_an_app_knows_its_settings_and_another_one_is_refused() -> None:
    settings = Settings(prefix="mine")
    assert settings_of(make_app(settings)) is settings
    with pytest.raises(TypeError, match="was not made by"):
        settings_of(Celery("other", set_as_current=False))


def test_beat_keeps_its_schedule_in_the_store() -> None:
    """Celery's default is a pickle in the current folder."""
    assert make_app(Settings()).conf.beat_scheduler == "kato_tasks.worker.beat:LeasedScheduler"


def test_beat_sends_what_the_schedule_says_and_it_expires_with_the_next_tick() -> None:
    settings = Settings(beat_sweep_interval=7)
    found = make_app(settings).conf.beat_schedule
    assert {name: (one["task"], one["schedule"]) for name, one in found.items()} == {
        entry.name: (entry.task, entry.every) for entry in entries(settings)
    }
    assert all(one["options"]["expires"] == one["schedule"] for one in found.values())


def test_every_entry_of_the_schedule_has_a_name_of_its_own_and_a_task_with_a_queue() -> None:
    found = entries(Settings())
    assert len({entry.name for entry in found}) == len(found)
    assert {entry.task for entry in found} <= QUEUE_OF.keys()
