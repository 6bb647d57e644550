"""A worker at a broker, and messages that no producer of ours would send."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from celery import Celery
from security_processes import Running, Site, variables

from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until
from kato_tasks.worker import make_app, names
from kato_tasks.worker.celery_app import queue_name

AMQP_URL: Final = os.environ.get("KATO_TASKS_TEST_AMQP_URL")
HEADERS: Final[dict[str, object]] = {"task": names.OBSERVE, "id": "an-id", "lang": "py"}


class MakesFolder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self._folder),)


def unjson(folder: Path) -> Mapping[str, bytes]:
    """Return messages that make a folder, if they are executed, by their content type."""
    call = f"!!python/object/apply:os.mkdir [{folder}]"
    return {
        "application/x-python-serialize": pickle.dumps(([MakesFolder(folder)], {}, {})),
        "application/x-yaml": call.encode(),
        "application/x-msgpack": b"\x93\x91\xa1a\x80\x80",
        "application/json": pickle.dumps(([MakesFolder(folder)], {}, {})),
        "application/data": pickle.dumps(([MakesFolder(folder)], {}, {})),
        "text/plain": call.encode(),
    }


class Receiver:
    """A worker, and an app of the same settings.

    Args:
        worker: The worker.
        settings: Its settings.
    """

    def __init__(self, worker: Running, settings: Settings) -> None:
        self.worker = worker
        self.app: Celery = make_app(settings)
        self._settings = settings
        self._sent = 0

    def publish(
        self,
        body: bytes,
        *,
        queue: names.Queue = names.Queue.BULK,
        content_type: str = "application/json",
        headers: Mapping[str, object] = HEADERS,
    ) -> None:
        """Send a message as it is."""
        with self.app.connection_for_write() as connection, connection.Producer() as producer:
            producer.publish(
                body,
                exchange="",
                routing_key=queue_name(self._settings, queue),
                content_type=content_type,
                content_encoding="binary" if "x-" in content_type else "utf-8",
                headers=dict(headers),
            )

    def still_works(self) -> bool:
        """Tell whether the worker goes on with what comes after, and is the same one."""
        self._sent += 1
        key = f"after-{self._sent}"
        sent = self.app.send_task(names.OBSERVE, args=[key, {"strings": ["x"]}])
        # Asked for again and again: waited for, it is now and then missed for half a minute.
        wait_until(sent.ready, timeout=60)
        result: Any = sent.result
        return bool(result["seq"] == 1 and self.worker.running)

    def refused(self) -> int:
        """Return how many messages the worker has thrown away, by its own word."""
        said = self.worker.output
        return said.count("discarded") + said.count("Can't decode message body")

    def close(self) -> None:
        """Remove what was made at RabbitMQ, and close the app."""
        self.worker.kill()
        if not self._settings.broker.startswith("redis"):
            self._forget_queues()
        self.app.close()

    def _forget_queues(self) -> None:
        with self.app.connection_for_write() as connection:
            channel: Any = connection.channel()
            for queue in names.Queue:
                channel.queue_delete(queue_name(self._settings, queue))
            # Celery names the exchange of its default queue like the queue.
            channel.exchange_delete(queue_name(self._settings, names.Queue.BULK))


@contextmanager
def receiving(site: Site, **settings: object) -> Iterator[Receiver]:
    """Run a worker that receives."""
    receiver = Receiver(site.worker(variables(**settings)), Settings.load(**settings))
    try:
        yield receiver
    finally:
        receiver.close()
