"""The guide's way, for comparison: one Celery task per observation, on the same worker settings.

The broker, the pool and the transport are configured as those of ``kato_tasks.worker``.
"""

from __future__ import annotations

import threading
from functools import cache

import httpx
from celery import Celery

from kato_tasks import Settings
from kato_tasks.worker import make_app

QUEUE = "guide"
_SAME = (
    "broker_url",
    "broker_transport_options",
    "task_serializer",
    "accept_content",
    "task_ignore_result",
    "task_acks_late",
    "task_reject_on_worker_lost",
    "worker_pool",
    "worker_concurrency",
    "worker_prefetch_multiplier",
    "worker_send_task_events",
    "worker_detect_quorum_queues",
)
_opening = threading.Lock()


def make_guide_app(settings: Settings) -> Celery:
    """Return the guide's app on the broker of some settings."""
    made = Celery("guide_app", set_as_current=False)
    ours = make_app(settings).conf
    made.conf.update({name: ours[name] for name in _SAME}, task_default_queue=QUEUE)
    return made


app = make_guide_app(Settings.load())


@cache
def _shared() -> httpx.Client:
    return httpx.Client()


@app.task(name="guide.observe_new_client")
def observe_new_client(url: str, observation: dict[str, object]) -> None:
    """Post one observation with a client of its own."""
    with httpx.Client() as client:
        client.post(url, json=observation).raise_for_status()


@app.task(name="guide.observe_shared_client")
def observe_shared_client(url: str, observation: dict[str, object]) -> None:
    """Post one observation with the one client of the process."""
    with _opening:
        client = _shared()
    client.post(url, json=observation).raise_for_status()
