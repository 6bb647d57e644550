"""``kato-tasks sessions``: look at sessions, make, adopt and delete them, ask for predictions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from kato_tasks.cli.adopt import adopt
from kato_tasks.cli.arguments import config_from
from kato_tasks.cli.output import counted, iso, print_json, print_table, say
from kato_tasks.delivery import ensure_session
from kato_tasks.errors import KatoTasksError
from kato_tasks.models import IdlePolicy, PredictionMode, SessionRecord, SessionState
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Wanted, check_keep_alive, count_states, page_of

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.argument("key")
_STATES = click.Choice([state.value for state in SessionState])


@click.group()
def sessions() -> None:
    """Look at sessions, make, adopt and delete them, ask for predictions."""


sessions.add_command(adopt)


def _wanted(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take what sessions are wanted, as ``wanted``."""

    @click.option("--state", "states", multiple=True, type=_STATES, help="Only in this state.")
    @click.option("--tag", "tags", multiple=True, help="Only with this tag; several: with all.")
    @click.option("--node", help="Only of this node.")
    @click.option("--instance", help="Only on this server.")
    @click.option("--prefix", default="", help="Only those whose keys begin with this.")
    @wraps(command)
    def with_wanted(
        *,
        states: tuple[str, ...],
        tags: tuple[str, ...],
        node: str | None,
        instance: str | None,
        prefix: str,
        **options: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        wanted = Wanted(
            states=frozenset(map(SessionState, states)),
            tags=frozenset(tags),
            node=node,
            instance=instance,
            prefix=prefix,
        )
        command(wanted=wanted, **options)

    return with_wanted


@sessions.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0))
@_wanted
@_JSON
def list_(*, limit: int, offset: int, wanted: Wanted, as_json: bool) -> None:
    """List sessions, the latest used first.

    With --state, --tag, --node, --instance or --prefix all sessions are gone through, as there is
    no index of these: some seconds for a hundred thousand.
    """
    with KatoTasks() as kato:
        page = page_of(kato.services.registry, wanted, limit=limit, offset=offset)
    if as_json:
        print_json([as_fields(record) for record in page.records])
        return
    rows = [
        (one.key, one.state.value, one.spec.node, one.spec.instance, one.applied, one.waiting)
        for one in page.records
    ]
    columns = ("session", "state", "node", "instance", "applied", "waiting")
    title = f"{len(page.records):,} of {counted(page.found, 'session')}"
    print_table(title, columns, rows)


@sessions.command()
@_wanted
@_JSON
def count(*, wanted: Wanted, as_json: bool) -> None:
    """Count sessions by their state; all sessions are gone through."""
    with KatoTasks() as kato:
        found = count_states(kato.services.registry, wanted)
    states = {state.value: found[state] for state in SessionState if state in found}
    if as_json:
        print_json({"sessions": sum(states.values()), "states": states})
        return
    total = counted(sum(states.values()), "session")
    print_table(total, ("state", "sessions"), [(name, f"{n:,}") for name, n in states.items()])


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
@click.option(
    "--auto-extend/--no-auto-extend",
    default=True,
    show_default=True,
    help="Whether a write gives it its whole --ttl again; if not, it ends after --ttl.",
)
@click.option("--keep-alive", is_flag=True, help="Have its server keep it.")
@click.option(
    "--idle",
    type=click.Choice([policy.value for policy in IdlePolicy]),
    help="What happens when nobody uses it; the setting by default.",
)
@click.option("--idle-after", type=float, help="Seconds without use after which that happens.")
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
    auto_extend: bool,
    keep_alive: bool,
    idle: str | None,
    idle_after: float | None,
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
            auto_extend=auto_extend,
            keep_alive=keep_alive,
            idle=idle,
            idle_after=idle_after,
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


@sessions.command("keep-alive")
@_KEY
@click.option("--on/--off", "alive", default=True, show_default=True)
@_JSON
def keep_alive_(*, key: str, alive: bool, as_json: bool) -> None:
    """Have a session's server keep it from now on, or no more."""
    with KatoTasks() as kato:
        check_keep_alive(alive, known(kato, key).spec, kato.settings)
        if not kato.services.lives.keep(key, alive=alive):
            raise NoSession(key)
    if as_json:
        print_json({"key": key, "keep_alive": alive})
    else:
        say(f"Session {key} is {'kept alive' if alive else 'kept alive no more'}.")


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
        "auto_extend": record.spec.auto_extend,
        "keep_alive": record.life.keep,
        "idle": None if record.spec.idle is None else record.spec.idle.value,
        "idle_after": record.spec.idle_after,
        "lifetime": record.life.lifetime,
        "ends_at": None if record.life.ends_ms is None else iso(record.life.ends_ms / 1000),
        "created_at": iso(record.created_at),
        "active_at": iso(record.active_at),
        "doubt": record.doubt,
        "parked": record.parked,
        "attempts": record.attempts,
        "rehomed": record.rehomed,
        "why": record.why,
    }
