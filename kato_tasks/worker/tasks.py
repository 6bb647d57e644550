"""The tasks: parse, one call into the core, plain data back.

Tasks that carry a payload derive their ``command_id`` from the task id, so that a redelivered
message, or a retry, adds nothing.
"""

from __future__ import annotations

import time
from typing import Any

from celery import Task, shared_task

from kato_tasks.delivery import deliver_until, ensure_session
from kato_tasks.errors import LaneFull, StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.lives import Index
from kato_tasks.models import Append, Kind, Turn
from kato_tasks.observations import encode_observation
from kato_tasks.services import Services
from kato_tasks.sessions import Receipt, Session, encode_config, group_commands
from kato_tasks.worker import names, process
from kato_tasks.worker.arguments import (
    CommandArguments,
    ConfigureArguments,
    DeliverArguments,
    FanOutArguments,
    LookArguments,
    ObserveArguments,
    PredictArguments,
    SessionArguments,
    read,
)

_PAYLOAD: dict[str, Any] = {
    "bind": True,
    "ignore_result": False,
    "autoretry_for": (StoreUnavailable, LaneFull),
    "retry_backoff": 1,
    "retry_backoff_max": 30,
    "max_retries": 10,
}
_CREATE_TIMEOUT = 60.0
_LEAST_TIMEOUT = 1.0


@shared_task(name=names.CREATE_SESSION, **_PAYLOAD)
def create_session(self: Task[Any, Any], key: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Register a session and make it at its server.

    Args:
        self: The task.
        key: The session key.
        options: Those of :class:`SessionArguments`.

    Returns:
        ``key``, ``session_id``, ``node``, ``instance``.
    """
    arguments = read(SessionArguments, {"key": key, **options})
    services = process.services(self.app)
    _session(services, arguments).create()
    record = ensure_session(services.deliverer, services.registry, key, timeout=_CREATE_TIMEOUT)
    return {
        "key": key,
        "session_id": record.session_id,
        "node": record.spec.node,
        "instance": record.spec.instance,
    }


@shared_task(name=names.DELETE_SESSION, **_PAYLOAD)
def delete_session(self: Task[Any, Any], key: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Accept the end of a session, after everything accepted before; answers the receipt."""
    return _command(self, Kind.DELETE, key, options)


@shared_task(name=names.OBSERVE, **_PAYLOAD)
def observe(
    self: Task[Any, Any],
    key: str,
    observation: dict[str, Any],
    **options: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Accept one observation; answers the receipt.

    Args:
        self: The task.
        key: The session key.
        observation: ``strings``, ``vectors``, ``emotives``, ``metadata``.
        options: Those of :class:`ObserveArguments`, such as ``command_id`` and ``node``.

    Returns:
        ``key``, ``command_id``, ``first``, ``seq``, ``repeated``.
    """
    arguments = read(ObserveArguments, {"key": key, "observation": observation, **options})
    services = process.services(self.app)
    payload = encode_observation(
        arguments.observation, max_bytes=services.settings.max_observation_bytes
    )
    return _accept(self, services, arguments, Kind.OBSERVE, payload)


@shared_task(name=names.FAN_OUT, **_PAYLOAD)
def fan_out(self: Task[Any, Any], **arguments: Any) -> dict[str, int]:  # noqa: ANN401
    """Accept one observation for many sessions, or many pairs, in one round trip.

    Args:
        self: The task.
        arguments: Those of :class:`FanOutArguments`: ``observation`` and ``keys``, or ``pairs``.

    Returns:
        ``accepted`` and, of those, ``repeated``: how many had been accepted before.
    """
    checked = read(FanOutArguments, arguments)
    services = process.services(self.app)
    limit = services.settings.max_observation_bytes
    requests: list[Append] = []
    payload, encoded = b"", None
    for index, (key, observation) in enumerate(checked.all_pairs()):
        session = services.sessions.session(
            key, node=checked.node, instance=checked.instance, tags=checked.tags
        )
        if observation is not encoded:
            payload = encode_observation(observation, max_bytes=limit, subject=f"pair {index}:")
            encoded = observation
        groups = group_commands(Kind.OBSERVE, (payload,), f"{_task_id(self)}:{index}")
        requests.append(session.request(groups))
    receipts = services.sessions.intake.accept(requests)
    return {"accepted": len(receipts), "repeated": sum(one.repeated for one in receipts)}


@shared_task(name=names.LEARN, **_PAYLOAD)
def learn(self: Task[Any, Any], key: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Accept a learn; answers the receipt."""
    return _command(self, Kind.LEARN, key, options)


@shared_task(name=names.CLEAR_STM, **_PAYLOAD)
def clear_stm(self: Task[Any, Any], key: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Accept a clear of the short-term memory; answers the receipt."""
    return _command(self, Kind.CLEAR_STM, key, options)


@shared_task(name=names.CONFIGURE, **_PAYLOAD)
def configure(
    self: Task[Any, Any],
    key: str,
    change: dict[str, Any],
    **options: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Accept a change of a session's config; answers the receipt.

    Args:
        self: The task.
        key: The session key.
        change: Config keys and their new values; the others stay.
        options: Those of :class:`ConfigureArguments`, such as ``command_id`` and ``node``.
    """
    arguments = read(ConfigureArguments, {"key": key, "change": change, **options})
    payload = encode_config(arguments.change)
    return _accept(self, process.services(self.app), arguments, Kind.CONFIGURE, payload)


@shared_task(name=names.PREDICT, **_PAYLOAD)
def predict(self: Task[Any, Any], key: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Deliver a session's lane up to ``after``, then ask its server for predictions.

    Args:
        self: The task.
        key: The session key.
        options: ``after`` (a receipt's ``seq``; all that is accepted by default), ``timeout``.

    Returns:
        ``predictions`` and ``future_potentials``, as the server gives them.
    """
    arguments = read(PredictArguments, {"key": key, **options})
    until = time.monotonic() + arguments.timeout
    services = process.services(self.app)
    progress = services.registry.progress(key)
    goal = arguments.after if arguments.after is not None else (progress and progress.appended)
    if goal:
        deliver_until(
            services.deliverer, services.registry, key, seq=goal, timeout=arguments.timeout
        )
    left = max(_LEAST_TIMEOUT, until - time.monotonic())
    found = services.sessions.oracle.predictions(
        key, after=goal or 0, timeout=left, revive=services.deliverer.deliver
    )
    return {
        "predictions": list(found.predictions),
        "future_potentials": list(found.future_potentials),
    }


@shared_task(name=names.DELIVER, bind=True)
def deliver(self: Task[Any, Any], keys: list[str]) -> None:
    """Deliver some lanes, one turn each; those with work left are called again.

    The message is a hint: lost, doubled or late, it does no harm.
    """
    keys = read(DeliverArguments, {"keys": keys}).keys
    services = process.services(self.app)
    began, unfinished = time.monotonic(), []
    for position, key in enumerate(keys):
        if time.monotonic() - began > services.settings.turn:
            # One lane on a slow server must not keep the others of this message waiting.
            unfinished += keys[position:]
            break
        if _deliver_one(services, key) is Turn.MORE:
            unfinished.append(key)
    if unfinished:
        services.wake(unfinished)


def _deliver_one(services: Services, key: str) -> Turn | None:
    """Deliver one lane; what goes wrong with it must not cost the others their turns."""
    try:
        return services.deliverer.deliver(key)
    except StoreUnavailable as error:
        logger.warning("delivery broken off", extra={"session": key, "reason": str(error)})
    except Exception:  # noqa: BLE001 - logged whole; the sweep calls again
        logger.exception("delivery failed", extra={"session": key})
    return None


@shared_task(name=names.SWEEP, bind=True)
def sweep(self: Task[Any, Any]) -> int:
    """Call workers to lanes with work that nobody works on; answers how many.

    On the way the index of sessions loses those whose record has run out.
    """
    services = process.services(self.app)
    services.lanes.forget()
    return services.sweep()


@shared_task(name=names.REFRESH_TTLS, bind=True, ignore_result=False)
def refresh_ttls(self: Task[Any, Any], keys: list[str] | None = None) -> dict[str, int]:
    """Have servers keep the sessions that are kept alive and due.

    Args:
        self: The task.
        keys: These sessions; without, those that are due are found, and each shard's are given to
            a task of their own.

    Returns:
        How many there were of each outcome; or, without keys, ``due``.
    """
    return _look_after(self, Index.REFRESH, keys)


@shared_task(name=names.CLEANUP_IDLE, bind=True, ignore_result=False)
def cleanup_idle(self: Task[Any, Any], keys: list[str] | None = None) -> dict[str, int]:
    """Put sessions to sleep that nobody uses, or end them; end those whose time is over.

    Args:
        self: The task.
        keys: These sessions; without, those that are due are found, and each shard's are given to
            a task of their own.

    Returns:
        How many there were of each outcome; or, without keys, ``due``.
    """
    return _look_after(self, Index.IDLE, keys)


def _look_after(task: Task[Any, Any], index: Index, keys: list[str] | None) -> dict[str, int]:
    wanted = read(LookArguments, {"keys": keys}).keys
    services = process.services(task.app)
    if wanted is not None:
        return dict(services.look_after(index, wanted))
    found = services.find_due(index)
    for due in found:
        # A look that nobody took before the next round is worth nothing.
        expires = services.settings.refresh_interval
        task.apply_async(args=(list(due),), expires=expires, ignore_result=True)
    return {"due": sum(map(len, found))}


def _session(services: Services, arguments: SessionArguments) -> Session:
    return services.sessions.session(arguments.key, **arguments.options())


def _command(task: Task[Any, Any], kind: Kind, key: str, options: dict[str, Any]) -> dict[str, Any]:
    arguments = read(CommandArguments, {"key": key, **options})
    return _accept(task, process.services(task.app), arguments, kind, b"")


def _accept(
    task: Task[Any, Any],
    services: Services,
    arguments: CommandArguments,
    kind: Kind,
    payload: bytes,
) -> dict[str, Any]:
    session = _session(services, arguments)
    command_id = _task_id(task) if arguments.command_id is None else arguments.command_id
    groups = group_commands(kind, (payload,), command_id)
    return _plain(services.sessions.intake.accept([session.request(groups)])[0])


def _task_id(task: Task[Any, Any]) -> str:
    return f"task:{task.request.id}"


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {
        "key": receipt.key,
        "command_id": receipt.command_id,
        "first": receipt.first,
        "seq": receipt.seq,
        "repeated": receipt.repeated,
    }
