"""The Celery side as Celery's own tools see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration_site import Processes, Site, environment, numbered

from kato_tasks.testing import wait_until
from kato_tasks.worker import names
from kato_tasks.worker.celery_app import queue_name

AMQP_URL = os.environ.get("KATO_TASKS_TEST_AMQP_URL")


def test_celerys_own_command_reaches_a_worker(site: Site) -> None:
    """``celery -A kato_tasks.worker inspect ping`` answers."""
    nodename = site.workers[0].nodename
    command = [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", "inspect", "ping"]
    answered = subprocess.run(
        [*command, "--destination", nodename, "--timeout", "5", "--json"],
        env={**os.environ, **environment(site.settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout) == {nodename: {"ok": "pong"}}


def test_a_worker_has_all_tasks_and_three_queues(site: Site) -> None:
    nodename = site.workers[0].nodename
    inspect = site.app.control.inspect(destination=[nodename], timeout=5)
    assert sorted((inspect.registered() or {})[nodename]) == [
        "kato_tasks.cleanup_idle",
        "kato_tasks.clear_stm",
        "kato_tasks.configure",
        "kato_tasks.create_session",
        "kato_tasks.delete_session",
        "kato_tasks.deliver",
        "kato_tasks.fan_out",
        "kato_tasks.learn",
        "kato_tasks.migrate_all",
        "kato_tasks.migrate_finish",
        "kato_tasks.migrate_hand",
        "kato_tasks.migrate_hire",
        "kato_tasks.migrate_session",
        "kato_tasks.observe",
        "kato_tasks.predict",
        "kato_tasks.refresh_ttls",
        "kato_tasks.sweep",
    ]
    assert {queue["name"] for queue in (inspect.active_queues() or {})[nodename]} == {
        f"{site.settings.queue_prefix}{name}" for name in ("deliver", "bulk", "maintenance")
    }


def test_a_pickled_message_is_refused(site: Site, key: str) -> None:
    """It is thrown away unread, and the worker goes on."""
    for serializer, symbol in (("pickle", "a"), ("json", "b")):
        site.app.send_task(names.OBSERVE, args=[key, {"strings": [symbol]}], serializer=serializer)
    wait_until(lambda: site.kato.session(key).info() is not None)
    site.kato.session(key).observe(["c"]).wait()
    assert site.symbols(key) == ["b", "c"]


@pytest.fixture
def make_rabbit_site(make_site: Callable[..., Site]) -> Iterator[Callable[..., Site]]:
    """Makes sites with RabbitMQ as their broker; what they made there is deleted in the end."""
    if not AMQP_URL:
        pytest.skip("KATO_TASKS_TEST_AMQP_URL names no RabbitMQ")
    made: list[Site] = []

    def make(**options: Any) -> Site:  # noqa: ANN401 - settings
        made.append(make_site(broker_url=AMQP_URL, **options))
        return made[-1]

    yield make
    for site in made:
        _tidy(site)


def _tidy(site: Site) -> None:
    for worker in site.workers:
        worker.terminate()
    with site.app.connection_for_write() as connection:
        channel: Any = connection.channel()
        for queue in names.Queue:
            channel.queue_delete(queue_name(site.settings, queue))
        # Celery names the exchange of its default queue like the queue.
        channel.exchange_delete(queue_name(site.settings, names.Queue.BULK))


def test_rabbitmq_can_be_the_broker(make_rabbit_site: Callable[..., Site], key: str) -> None:
    """Wake-ups and tasks go through it; no sweep helps here."""
    rabbit_site = make_rabbit_site(workers=1, sweep_interval=3600)
    rabbit_site.kato.session(key).observe_many(numbered(50)).wait()
    seq = rabbit_site.send(names.OBSERVE, key, {"strings": ["50"]})["seq"]
    wait_until(lambda: rabbit_site.record(key).applied == seq)
    assert rabbit_site.symbols(key) == [str(number) for number in range(51)]


def test_over_rabbitmq_a_killed_worker_costs_time_only(
    make_rabbit_site: Callable[..., Site], processes: Processes, key: str
) -> None:
    """It is killed in the middle of its calls; another one looks what became of the last."""
    slow = processes.devserver("--cost-ms", "10", "--cost-per-observation-ms", "5")
    site = make_rabbit_site(server=slow, batch_commands=20, lease=1.0)
    first = site.start_worker()
    receipt = site.kato.session(key).observe_many(numbered(200))
    wait_until(lambda: site.record(key).applied > 0)
    first.child.kill()
    site.start_worker()
    receipt.wait()
    assert site.stm(key) == [[str(number)] for number in range(200)]
    assert site.record(key).applied == 200
    slow.close()
