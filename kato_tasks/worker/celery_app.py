"""Makes the Celery app of some settings.

Every setting that differs from Celery's default stands here with its reason; the measured facts
behind them are in ``docs/celery.md``.
"""

from __future__ import annotations

from typing import Any, Final

from celery import Celery
from kombu import Queue as KombuQueue

from kato_tasks.schedule import LOOKS, Entry, entries
from kato_tasks.settings import Settings
from kato_tasks.worker.names import QUEUE_OF, Queue
from kato_tasks.worker.pinned import pin

_REDIS: Final = ("redis://", "rediss://", "unix://")
_VISIBILITY: Final = 600
"""Longer than the longest task, in seconds: a task that outlives it is run twice at a time."""
_RESULTS_KEPT: Final = 3600
_SETTINGS: Final = "kato_tasks_settings"


def make_app(settings: Settings | None = None) -> Celery:
    """Return a Celery app; nothing is connected.

    Args:
        settings: What to connect to; those of the environment by default. ``CELERY_*`` variables
            (and so ``celery -b``) do not change it.
    """
    settings = settings or Settings.load()
    app = Celery(
        "kato_tasks",
        include=[
            "kato_tasks.worker.tasks",
            "kato_tasks.worker.migration_tasks",
            "kato_tasks.worker.signals",
        ],
    )
    app.conf.update(_configuration(settings))
    pin(app)
    # Not in app.conf: what is there is shown by ``celery inspect conf`` and by Flower.
    setattr(app, _SETTINGS, settings)
    return app


def settings_of(app: Celery) -> Settings:
    """Return the settings of an app that :func:`make_app` made.

    Raises:
        TypeError: It is another app.
    """
    settings = getattr(app, _SETTINGS, None)
    if not isinstance(settings, Settings):
        raise TypeError(f"{app!r} was not made by kato_tasks.worker.make_app")
    return settings


def queue_name(settings: Settings, queue: Queue) -> str:
    """Return a queue's name at the broker."""
    return settings.queue_prefix + queue.value


def _configuration(settings: Settings) -> dict[str, Any]:
    names = {queue: queue_name(settings, queue) for queue in Queue}
    return {
        "broker_url": ";".join(map(_verified, settings.broker.split(";"))),
        "result_backend": _verified(settings.redis_url),
        **_messages(),
        "task_queues": [KombuQueue(name, routing_key=name) for name in names.values()],
        "task_default_queue": names[Queue.BULK],
        "task_routes": {task: {"queue": names[queue]} for task, queue in QUEUE_OF.items()},
        **_workers(settings),
        **_transport(settings),
        "beat_schedule": {entry.name: _ticks(entry) for entry in entries(settings)},
        "beat_max_loop_interval": settings.beat_lease / LOOKS,
        # By the store: two beats send each tick once, and Celery's file is a pickle that runs what
        # it holds.
        "beat_scheduler": "kato_tasks.worker.beat:LeasedScheduler",
    }


def _ticks(entry: Entry) -> dict[str, Any]:
    return {
        "task": entry.task,
        "schedule": entry.every,
        "options": {
            # A tick that nobody took before the next one is worth nothing.
            "expires": entry.every,
            # Repeated after a lost answer, it might be there twice.
            "retry": False,
            "ignore_result": True,
        },
    }


def _verified(url: str) -> str:
    """Return a URL that says of TLS what the store's own client takes for granted."""
    # Left to themselves, kombu would trust any certificate, and Celery's results refuse to start.
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def _messages() -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "result_expires": _RESULTS_KEPT,
        "task_ignore_result": True,
        "timezone": "UTC",
        "enable_utc": True,
    }


def _workers(settings: Settings) -> dict[str, Any]:
    return {
        # Deliveries wait for HTTP most of their time: threads do it at a tenth of the memory.
        "worker_pool": "threads",
        "worker_concurrency": settings.worker_threads,
        "worker_consumer": "kato_tasks.worker.consumer:Unstoppable",
        "worker_prefetch_multiplier": 1,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # Flower shows what events tell.
        "worker_send_task_events": True,
        "worker_detect_quorum_queues": False,
        "worker_hijack_root_logger": False,
    }


def _transport(settings: Settings) -> dict[str, Any]:
    conf: dict[str, Any] = {
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": settings.store_timeout,
        "redis_socket_timeout": settings.store_timeout,
        "redis_socket_connect_timeout": settings.store_timeout,
        # A wake-up must not hold its producer up: kombu would try for broker_connection_timeout,
        # and sleep 2 and 4 s meanwhile. Workers have a loop of their own and go on trying.
        "broker_transport_options": {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
    }
    if settings.broker.startswith("amqps://"):
        # None stands for the broker's own name, which is then compared with the certificate's.
        conf["broker_use_ssl"] = {"server_hostname": None}
    if settings.broker.startswith(_REDIS):
        conf["broker_transport_options"] |= {
            "visibility_timeout": _VISIBILITY,
            # Look for messages of dead workers every second, not every 100 s.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # A worker killed while it looked must not stop the others for 300 s.
            "unacked_mutex_expire": 10,
            "priority_steps": [0],
            "socket_connect_timeout": settings.store_timeout,
            "socket_keepalive": True,
        }
    return conf
