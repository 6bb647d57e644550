"""``kato-tasks sessions``: look at sessions, make and delete them, ask for predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from kato_tasks.cli.arguments import config_from
from kato_tasks.cli.output import counted, iso, print_json, print_table, say
from kato_tasks.delivery import ensure_session
from kato_tasks.errors import KatoTasksError
from kato_tasks.models import PredictionMode, SessionRecord
from kato_tasks.producer import KatoTasks
from kato_tasks.registry import Registry

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.argument("key")


@click.group()
def sessions() -> None:
    """Look at sessions, make and delete them, ask for predictions."""


@sessions.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0))
@click.option("--tag", "tags", multiple=True, help="Only with this tag; several: with all.")
@click.option("--node", help="Only of this node.")
@click.option("--instance", help="Only on this server.")
@_JSON
def list_(  # noqa: PLR0913 - what a person may choose
    *,
    limit: int,
    offset: int,
    tags: tuple[str, ...],
    node: str | None,
    instance: str | None,
    as_json: bool,
) -> None:
    """List sessions, the latest used first.

    With --tag, --node or --instance all sessions are gone through until --limit are found, as
    there is no index of these: they come in no order, and it takes time in a store of millions.
    """
    wanted = Wanted(tags=frozenset(tags), node=node, instance=instance)
    with KatoTasks() as kato:
        registry = kato.services.registry
        if wanted == Wanted():
            records = registry.recent(limit=limit, offset=offset)
            title = f"{len(records):,} of {counted(registry.stats().sessions, 'session')}"
        else:
            records = list(islice(find_sessions(registry, wanted), offset, offset + limit))
            title = f"{counted(len(records), 'session')} found, {limit:,} at most"
    if as_json:
        print_json([as_fields(record) for record in records])
        return
    rows = [
        (one.key, one.state.value, one.spec.node, one.spec.instance, one.applied, one.waiting)
        for one in records
    ]
    columns = ("session", "state", "node", "instance", "applied", "waiting")
    print_table(title, columns, rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What sessions are looked for; all by default.

    Attributes:
        tags: They have all of these.
        node: They have this node.
        instance: They live on this server.
    """

    tags: frozenset[str] = frozenset()
    node: str | None = None
    instance: str | None = None

    def fits(self, record: SessionRecord) -> bool:
        """Tell whether a session is wanted."""
        spec = record.spec
        return (
            self.tags <= set(spec.tags)
            and self.node in (None, spec.node)
            and self.instance in (None, spec.instance)
        )


def find_sessions(registry: Registry, wanted: Wanted) -> Iterator[SessionRecord]:
    """Return the wanted sessions, each once, in no order; a scan over all that there are."""
    seen: set[str] = set()
    for record in registry.walk():
        # Redis may name a member twice while its set grows or shrinks.
        if wanted.fits(record) and record.key not in seen:
            seen.add(record.key)
            yield record


@sessions.command()
@_KEY
@_JSON
def show(*, key: str, as_json: bool) -> None:
    """Show what is known of one session."""
    with KatoTasks() as kato:
        record = known(kato, key)
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
@click.option("--config", metavar="JSON", help="Overrides of the server's config, as an object.")
@click.option(
    "--predictions",
    type=click.Choice([mode.value for mode in PredictionMode]),
    help="When the server computes predictions; the setting by default.",
)
@click.option("--timeout", default=30.0, show_default=True)
@_JSON
def create(  # noqa: PLR0913 - the options of a session
    *,
    key: str,
    node: str | None,
    instance: str | None,
    ttl: int | None,
    tags: tuple[str, ...],
    config: str | None,
    predictions: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Make a session at its server, if it is not there yet. Works without a worker."""
    with KatoTasks() as kato:
        session = kato.session(
            key,
            node=node,
            instance=instance,
            config=config_from(config),
            ttl=ttl,
            tags=tags,
            predictions=predictions,
        )
        session.create()
        services = kato.services
        record = ensure_session(services.deliverer, services.registry, key, timeout=timeout)
    if as_json:
        print_json(as_fields(record))
    else:
        say(f"Session {key} is {record.session_id} on {record.spec.instance}.")


@sessions.command()
@_KEY
@click.option("--wait/--no-wait", default=True, show_default=True)
@click.option("--timeout", default=30.0, show_default=True)
@_JSON
def delete(*, key: str, wait: bool, timeout: float, as_json: bool) -> None:
    """End a session, after everything accepted before. What its node has learned stays."""
    with KatoTasks() as kato:
        record = known(kato, key)
        receipt = kato.session(key, node=record.spec.node).delete()
        if wait:
            receipt.wait(timeout)
    if as_json:
        print_json({"key": key, "seq": receipt.seq, "applied": wait})
    else:
        say(f"Session {key} {'is deleted' if wait else 'will be deleted'}.")


@sessions.command()
@_KEY
@click.option("--timeout", default=30.0, show_default=True)
@click.option("--limit", default=10, show_default=True, help="How many rows of the table.")
@_JSON
def predict(*, key: str, timeout: float, limit: int, as_json: bool) -> None:
    """Ask a session's server for predictions, after all that is accepted is delivered."""
    with KatoTasks() as kato:
        record = known(kato, key)
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
    print_table(f"{counted(len(found.predictions), 'prediction')} for {key}", columns, rows)


class NoSession(KatoTasksError):
    """A key that names no session."""

    def __str__(self) -> str:
        return f"There is no session {self.args[0]!r}."


def known(kato: KatoTasks, key: str) -> SessionRecord:
    """Return what is known of a session.

    Raises:
        NoSession: Nothing is.
    """
    record = kato.find(key)
    if record is None:
        raise NoSession(key)
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
        "created_at": iso(record.created_at),
        "active_at": iso(record.active_at),
        "doubt": record.doubt,
        "parked": record.parked,
        "attempts": record.attempts,
        "rehomed": record.rehomed,
        "why": record.why,
    }
