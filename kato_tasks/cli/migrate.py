"""``kato-tasks migrate``: move sessions between instances, and see to migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kato_tasks.cli.arguments import keys_from
from kato_tasks.cli.migration_fields import item_fields, plan_fields, standing_fields
from kato_tasks.cli.output import (
    FOUND_WRONG,
    complain,
    print_json,
    print_table,
    progress,
    say,
)
from kato_tasks.errors import InvalidInput
from kato_tasks.instrumentation import Told
from kato_tasks.ledger import ItemState, MigrationState
from kato_tasks.migration import Plan, Request, Standing, watch
from kato_tasks.migration.costs import cost
from kato_tasks.naming import check_key
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Wanted

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ID = click.argument("migration", metavar="ID")
_WAIT = click.option("--wait/--no-wait", default=True, show_default=True, help="Watch it end.")
_SHOWN = 20


@click.group(invoke_without_command=True)
@click.option("--from", "source", help="The instance that sessions leave.")
@click.option("--to", "target", help="The instance that they go to.")
@click.option("--node", help="Only of this node; all its sessions move together.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; several: with all.")
@click.option("--prefix", default="", help="Only those whose keys begin with this.")
@click.option("--session", "sessions", multiple=True, help="Only this session; several: these.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="Only the sessions of this file, a key a line."
)
@click.option("--parallel", default=8, show_default=True, help="How many move at a time.")
@click.option("--limit-rate", type=float, help="Most sessions per second.")
@click.option("--keep-for", default=0.0, help="Leave the source's sessions for so many seconds.")
@click.option(
    "--accept-empty-node", is_flag=True, help="Sessions may leave what their node has learned."
)
@click.option(
    "--most-failures", default=0.1, show_default=True, help="Stop beyond this share of failures."
)
@click.option("--dry-run", is_flag=True, help="Write nothing; print the plan.")
@_WAIT
@_JSON
@click.pass_context
def migrate(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Move sessions from one instance to another while they are in use.

    Without --node, --tag, --prefix, --session or --file all sessions of the instance move. A
    migration goes on without this command; see `kato-tasks migrate status`.
    """
    if context.invoked_subcommand is not None:
        return
    as_json, wait, dry_run = (options.pop(name) for name in ("as_json", "wait", "dry_run"))
    request = _request(options)
    with KatoTasks() as kato:
        plan = kato.services.migrations.plan(request)
        if dry_run or not as_json:
            print_plan(plan, as_json=as_json)
        if dry_run:
            return
        begun = kato.services.migrations.start(plan)
        _follow(kato, begun.id, wait=wait, as_json=as_json)


@migrate.command()
@click.argument("migration", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="List the sessions that failed.")
@click.option("--items", "every", is_flag=True, help="List all its sessions.")
@click.option("--watch", "wait", is_flag=True, help="Watch until it is over.")
@_JSON
def status(*, migration: str | None, failed: bool, every: bool, wait: bool, as_json: bool) -> None:
    """Show a migration, or the latest ones."""
    with KatoTasks() as kato:
        if migration is None:
            _print_recent(kato, as_json=as_json)
        elif failed or every:
            _print_items(kato, migration, failed=not every, as_json=as_json)
        else:
            _follow(kato, migration, wait=wait, as_json=as_json, judged=False)


@migrate.command()
@_ID
@_JSON
def cancel(*, migration: str, as_json: bool) -> None:
    """Move no further session. What was moved stays moved; `resume` goes on."""
    with KatoTasks() as kato:
        cancelled = kato.services.migrations.cancel(migration)
        standing = kato.services.migrations.standing(migration)
    if as_json:
        print_json({"cancelled": cancelled, **standing_fields(standing)})
    elif cancelled:
        say(f"Migration {migration} is cancelled; {standing.tally.moved:,} sessions had moved.")
    else:
        say(f"Migration {migration} was {standing.migration.state.value} already.")


@migrate.command()
@_ID
@_WAIT
@_JSON
def resume(*, migration: str, wait: bool, as_json: bool) -> None:
    """Go on with what was cancelled, has stopped, or failed."""
    with KatoTasks() as kato:
        if not kato.services.migrations.resume(migration):
            raise InvalidInput(f"migration {migration}", "has nothing left to do", "one that has")
        _follow(kato, migration, wait=wait, as_json=as_json)


@migrate.command()
@_ID
@_WAIT
@_JSON
def rollback(*, migration: str, wait: bool, as_json: bool) -> None:
    """Move all its sessions back, with what was applied to them since."""
    with KatoTasks() as kato:
        begun = kato.services.migrations.rollback(migration)
        _follow(kato, begun.id, wait=wait, as_json=as_json)


def _request(options: dict[str, Any]) -> Request:
    source, target = options["source"], options["target"]
    for name, value in (("--from", source), ("--to", target)):
        if value is None:
            raise InvalidInput(name, "is missing", "the name of an instance")
    file = options["file"]
    return Request(
        source=source,
        target=target,
        wanted=Wanted(
            tags=frozenset(options["tags"]), node=options["node"], prefix=options["prefix"]
        ),
        keys=(*map(check_key, options["sessions"]), *(() if file is None else keys_from(file))),
        parallel=options["parallel"],
        rate=options["limit_rate"],
        keep_for=options["keep_for"],
        accept_empty_node=options["accept_empty_node"],
        most_failures=options["most_failures"],
    )


def print_plan(plan: Plan | None, *, as_json: bool) -> None:
    """Print a plan; None for one that would move nothing."""
    fields: dict[str, Any] = (
        {"sessions": 0, "targets": {}, "remarks": []} if plan is None else plan_fields(plan)
    )
    if as_json:
        print_json(fields)
        return
    remarks = fields.pop("remarks")
    targets = fields.pop("targets")
    shown = {**fields, "targets": ", ".join(f"{name}: {n:,}" for name, n in targets.items())}
    print_table("plan", ("what", "value"), list(shown.items()))
    for remark in remarks:
        complain(remark)


def follow(kato: KatoTasks, migration: str, *, told: Told) -> Standing:
    """Watch a migration; Ctrl-C leaves it going on."""
    try:
        return watch(kato.services.migrations, migration, told)
    except KeyboardInterrupt:
        return kato.services.migrations.standing(migration)


def _follow(
    kato: KatoTasks, migration: str, *, wait: bool, as_json: bool, judged: bool = True
) -> None:
    """Show a migration, after it has ended if that is waited for."""
    if wait:
        with progress(shown=not as_json, ends=True) as told:
            standing = follow(kato, migration, told=told)
    else:
        standing = kato.services.migrations.standing(migration)
    fields = standing_fields(standing) | cost(kato.services.ledger, migration)
    if as_json:
        print_json(fields)
    else:
        print_table(f"migration {migration}", ("what", "value"), list(fields.items()))
        _say_what_next(standing)
    if judged and wait and not _is_well(standing):
        click.get_current_context().exit(FOUND_WRONG)


def _is_well(standing: Standing) -> bool:
    done = standing.migration.state in (MigrationState.DONE, MigrationState.RUNNING)
    return done and standing.tally.failed == 0


def _say_what_next(standing: Standing) -> None:
    name = standing.migration.id
    if not standing.over:
        say(f"It goes on. See kato-tasks migrate status {name} --watch, or cancel {name}.")
    elif standing.tally.failed:
        complain(f"Why sessions failed: kato-tasks migrate status {name} --failed")


def _print_recent(kato: KatoTasks, *, as_json: bool) -> None:
    migrations = kato.services.migrations
    standings = [migrations.standing(one.id) for one in kato.services.ledger.recent(limit=_SHOWN)]
    found = [standing_fields(one) for one in standings]
    if as_json:
        print_json(found)
        return
    columns = ("migration", "state", "from", "to", "sessions", "moved", "failed")
    rows = [
        [one[name] for name in ("migration", "state", "source", "target", *columns[4:])]
        for one in found
    ]
    print_table("migrations", columns, rows)


def _print_items(kato: KatoTasks, migration: str, *, failed: bool, as_json: bool) -> None:
    kato.services.ledger.get(migration)
    states = (ItemState.FAILED,) if failed else ()
    found = map(item_fields, kato.services.ledger.items(migration, states=states))
    if as_json:
        print_json(list(found))
        return
    columns = ("session", "state", "attempts", "before", "after", "error")
    rows = [[one[name] for name in columns] for one in found]
    print_table(f"sessions of {migration}", columns, rows)
