"""What is not JSON is not executed, and no message stops a worker."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.exceptions import SecurityError
from kombu.exceptions import DecodeError, EncodeError
from security_broker import AMQP_URL, HEADERS, MakesFolder, Receiver, receiving, unjson
from security_processes import Site
from security_store import HOST
from security_store import store as running_store

from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until
from kato_tasks.worker import make_app, names

GOOD = b'[["a", {"strings": ["x"]}], {}, {}]'
BODIES = {
    "a number": b"5",
    "null": b"null",
    "a text": b'"x"',
    "an empty list": b"[]",
    "two parts": b"[1, 2]",
    "four parts": b"[1, 2, 3, 4]",
    "arguments of other types": b"[{}, [], 5]",
    "callbacks that are none": b'[[], {}, {"callbacks": 5, "chain": 5, "chord": 5}]',
    "half an object": b"{",
    "nothing": b"",
    "no text": b"\xff\xfe",
    "lists in lists": b"[" * 100_000,
    "a number of 5,000 digits": b"[[" + b"9" * 5_000 + b"], {}, {}]",
    "a lone surrogate": b'[["\\ud800", {}], {"\\ud800": 1}, {}]',
}
OTHERS: dict[str, Mapping[str, object]] = {
    "no headers": {},
    "no id": {"task": names.OBSERVE},
    "an id of a number": {**HEADERS, "id": 5},
    "an id of an object": {**HEADERS, "id": {"a": 1}},
    "a task of a number": {**HEADERS, "task": 5},
    "a task of a list": {**HEADERS, "task": [1]},
    "an unknown task": {**HEADERS, "task": "os.system"},
    "an end that is no time": {**HEADERS, "expires": "soon"},
    "a start that is no time": {**HEADERS, "eta": {"a": 1}},
    "retries of a text": {**HEADERS, "retries": "x"},
    "a time limit of a number": {**HEADERS, "timelimit": 5},
    "stamps of a number": {**HEADERS, "stamps": 5, "stamped_headers": 5},
}
OLD = {
    "a task of a number": {"task": 5},
    "a task of a list": {"task": [], "id": "x", "args": [], "kwargs": {}},
    "no arguments": {"task": names.OBSERVE, "id": "x"},
    "arguments of a number": {"task": names.OBSERVE, "id": "x", "args": 5, "kwargs": 5},
}


@pytest.fixture(scope="module", params=["valkey", "rabbitmq"])
def receiver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    """A worker for all tests of this module, at either broker."""
    if request.param == "rabbitmq" and not AMQP_URL:
        pytest.skip("KATO_TASKS_TEST_AMQP_URL names no RabbitMQ")
    folder = tmp_path_factory.mktemp("messages")
    with Site(folder) as site, running_store(folder) as port:
        url = f"redis://{HOST}:{port}/0"
        broker = AMQP_URL if request.param == "rabbitmq" else url
        prefix = f"messages-{secrets.token_hex(4)}."
        with receiving(site, redis_url=url, broker_url=broker, queue_prefix=prefix) as opened:
            yield opened


@pytest.mark.parametrize("queue", names.Queue)
def test_what_is_not_json_is_not_executed(
    receiver: Receiver, queue: names.Queue, tmp_path: Path
) -> None:
    """A pickle, YAML and msgpack, called what they are, and called something else."""
    folder, before = tmp_path / "executed", receiver.refused()
    messages = unjson(folder)
    for content_type, body in messages.items():
        receiver.publish(body, queue=queue, content_type=content_type)
    wait_until(lambda: receiver.refused() == before + len(messages))
    assert receiver.still_works()
    assert not folder.exists()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_of_a_task_stops_nobody(receiver: Receiver, body: bytes) -> None:
    receiver.publish(body)
    assert receiver.still_works()


@pytest.mark.parametrize("headers", OTHERS.values(), ids=OTHERS)
def test_headers_that_are_none_of_a_task_stop_nobody(
    receiver: Receiver, headers: Mapping[str, object]
) -> None:
    receiver.publish(GOOD, headers=headers)
    assert receiver.still_works()


@pytest.mark.parametrize("body", OLD.values(), ids=OLD)
def test_messages_of_celerys_first_protocol_stop_nobody(
    receiver: Receiver, body: dict[str, object]
) -> None:
    receiver.publish(json.dumps(body).encode(), headers={})
    assert receiver.still_works()


def test_a_pickled_remote_control_command_is_not_executed(
    receiver: Receiver, tmp_path: Path
) -> None:
    folder = tmp_path / "executed"
    control: Any = receiver.app.control
    with receiver.app.connection_for_write() as connection:
        control.mailbox(connection)._publish(  # noqa: SLF001 - no public way sends what is not allowed
            "ping", {"x": MakesFolder(folder)}, serializer="pickle"
        )
    assert receiver.still_works()
    assert control.ping(["worker@test"], timeout=60)
    assert not folder.exists()


def test_nothing_but_json_is_written_or_read() -> None:
    conf = make_app(Settings()).conf
    assert (conf.task_serializer, conf.result_serializer, conf.event_serializer) == ("json",) * 3
    assert (conf.accept_content, conf.result_accept_content) == (["json"], ["json"])


def test_results_that_are_not_json_are_neither_written_nor_executed(
    settings: Settings, store: redis.Redis, tmp_path: Path
) -> None:
    folder, app = tmp_path / "executed", make_app(settings)
    backend: Any = app.backend
    with pytest.raises(EncodeError):
        backend.encode({"result": object()})
    for body in unjson(folder).values():
        store.set(backend.get_key_for_task("an-id"), body, ex=60)
        with pytest.raises(DecodeError):
            backend.get_task_meta("an-id")
    assert not folder.exists()
    app.close()


def test_a_failure_that_names_a_function_for_its_class_calls_none(
    settings: Settings, store: redis.Redis, tmp_path: Path
) -> None:
    folder, app = tmp_path / "executed", make_app(settings)
    backend: Any = app.backend
    failure = {"exc_type": "mkdir", "exc_module": "os", "exc_message": [str(folder)]}
    stored = {"status": "FAILURE", "result": failure, "task_id": "an-id", "traceback": ""}
    store.set(backend.get_key_for_task("an-id"), json.dumps(stored), ex=60)
    with pytest.raises(SecurityError):
        backend.get_task_meta("an-id")
    assert not folder.exists()
    app.close()
