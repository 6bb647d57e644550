"""``kato-tasks sessions``: look at sessions, make and delete them, ask for predictions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from kato_tasks.cli.output import console, print_json, print_table
from kato_tasks.delivery import deliver_until
from kato_tasks.errors import KatoTasksError, WaitTimeout
from kato_tasks.models import SessionRecord
from kato_tasks.producer import KatoTasks

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.argument("key")


@click.group()
def sessions() -> None:
    """Look at sessions, make and delete them, ask for predictions."""


@sessions.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0))
@_JSON
def list_(*, limit: int, offset: int, as_json: bool) -> None:
    """List sessions, the latest used first."""
    with KatoTasks() as kato:
        records = kato.services.registry.recent(limit=limit, offset=offset)
        total = kato.services.registry.stats().sessions
    if as_json:
        print_json([as_fields(record) for record in records])
        return
    rows = [
        (one.key, one.state.value, one.spec.node, one.spec.instance, one.applied, one.waiting)
        for one in records
    ]
    columns = ("session", "state", "node", "instance", "applied", "waiting")
    print_table(f"{len(rows)} of {total} sessions", columns, rows)


@sessions.command()
@_KEY
@_JSON
def show(*, key: str, as_json: bool) -> None:
    """Show what is known of one session."""
    with KatoTasks() as kato:
        record = _find(kato, key)
    fields = as_fields(record)
    if as_json:
        print_json(fields)
    else:
        print_table(f"session {key}", ("field", "value"), list(fields.items()))


@sessions.command()
@_KEY
@click.option("--node", help="The node it learns under; the key by default.")
@click.option("--instance", help="The server it lives on; chosen by its node by default.")
@click.option("--ttl", type=int, help="Seconds without a write until the server forgets it.")
@click.option("--tag", "tags", multiple=True, help="A name to find it by; may be repeated.")
@click.option("--timeout", default=30.0, show_default=True)
@_JSON
def create(  # noqa: PLR0913 - the options of a session
    *,
    key: str,
    node: str | None,
    instance: str | None,
    ttl: int | None,
    tags: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Make a session at its server, if it is not there yet. Works without a worker."""
    with KatoTasks() as kato:
        kato.session(key, node=node, instance=instance, ttl=ttl, tags=tags).create()
        services = kato.services
        record = deliver_until(
            services.deliverer, services.registry, key, seq=None, timeout=timeout
        )
    if record is None or record.session_id is None:
        raise WaitTimeout(f"session {key!r}", timeout, "its server may be down")
    if as_json:
        print_json(as_fields(record))
    else:
        console().print(
            f"Session {key} is {record.session_id} on {record.spec.instance}.", markup=False
        )


@sessions.command()
@_KEY
@click.option("--wait/--no-wait", default=True, show_default=True)
@click.option("--timeout", default=30.0, show_default=True)
@_JSON
def delete(*, key: str, wait: bool, timeout: float, as_json: bool) -> None:
    """End a session, after everything accepted before. What its node has learned stays."""
    with KatoTasks() as kato:
        record = _find(kato, key)
        receipt = kato.session(key, node=record.spec.node).delete()
        if wait:
            receipt.wait(timeout)
    if as_json:
        print_json({"key": key, "seq": receipt.seq, "applied": wait})
    else:
        console().print(
            f"Session {key} {'is deleted' if wait else 'will be deleted'}.", markup=False
        )


@sessions.command()
@_KEY
@click.option("--timeout", default=30.0, show_default=True)
@click.option("--limit", default=10, show_default=True, help="How many rows of the table.")
@_JSON
def predict(*, key: str, timeout: float, limit: int, as_json: bool) -> None:
    """Ask a session's server for predictions, after all that is accepted is delivered."""
    with KatoTasks() as kato:
        record = _find(kato, key)
        found = kato.session(key, node=record.spec.node).predictions(timeout=timeout)
    if as_json:
        print_json(
            {
                "predictions": list(found.predictions),
                "future_potentials": list(found.future_potentials),
            }
        )
        return
    rows = [
        (one.get("name"), one.get("frequency"), one.get("similarity"), one.get("future"))
        for one in found.predictions[:limit]
    ]
    columns = ("pattern", "frequency", "similarity", "future")
    print_table(f"{len(found.predictions)} predictions for {key}", columns, rows)


class _NoSession(KatoTasksError):
    """A key that names no session."""

    def __str__(self) -> str:
        return f"There is no session {self.args[0]!r}."


def _find(kato: KatoTasks, key: str) -> SessionRecord:
    record = kato.find(key)
    if record is None:
        raise _NoSession(key)
    return record


def as_fields(record: SessionRecord) -> dict[str, Any]:
    """Return a session's record as one flat JSON object."""
    return {
        "key": record.key,
        "state": record.state.value,
        "node": record.spec.node,
        "instance": record.spec.instance,
        "session_id": record.session_id,
        "time": record.time,
        "appended": record.appended,
        "applied": record.applied,
        "waiting": record.waiting,
        "config": dict(record.spec.config),
        "ttl": record.spec.ttl,
        "tags": list(record.spec.tags),
        "predictions": record.spec.predictions.value,
        "created_at": _iso(record.created_at),
        "active_at": _iso(record.active_at),
        "doubt": record.doubt,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
