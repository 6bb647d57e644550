"""``kato-tasks drain``, ``cordon`` and ``uncordon``: empty an instance, close it, open it again."""

from __future__ import annotations

import click

from kato_tasks.cli.migrate import print_plan
from kato_tasks.cli.migration_fields import standing_fields
from kato_tasks.cli.output import FOUND_WRONG, counted, print_json, progress, say
from kato_tasks.migration import Request, check_closable, plan_drain
from kato_tasks.migration import drain as drain_instance
from kato_tasks.producer import KatoTasks

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_INSTANCE = click.argument("instance")


@click.command()
@_INSTANCE
@click.option("--parallel", default=8, show_default=True, help="How many move at a time.")
@click.option("--limit-rate", type=float, help="Most sessions per second.")
@click.option("--keep-for", default=0.0, help="Leave its sessions there for so many seconds.")
@click.option("--dry-run", is_flag=True, help="Write nothing; print the plan.")
@_JSON
def drain(  # noqa: PLR0913 - one value per option
    *,
    instance: str,
    parallel: int,
    limit_rate: float | None,
    keep_for: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have no new session made on an instance, and move all that it has to the others.

    It stays closed to new sessions until `kato-tasks uncordon` opens it.
    """
    request = Request(source=instance, parallel=parallel, rate=limit_rate, keep_for=keep_for)
    with KatoTasks() as kato:
        services = kato.services
        if dry_run:
            print_plan(plan_drain(services.migrations, kato.settings, request), as_json=as_json)
            return
        with progress(shown=not as_json, ends=True) as told:
            drained = drain_instance(
                services.migrations, services.placement, kato.settings, request, told
            )
    last = None if drained.standing is None else standing_fields(drained.standing)
    if as_json:
        print_json(
            {
                "instance": instance,
                "moved": drained.moved,
                "left": drained.left,
                "migrations": list(drained.migrations),
                "last": last,
            }
        )
    else:
        say(
            f"{counted(drained.moved, 'session')} left {instance}, {drained.left:,} are there "
            f"still. It takes no new one until: kato-tasks uncordon {instance}"
        )
    if drained.left:
        click.get_current_context().exit(FOUND_WRONG)


@click.command()
@_INSTANCE
@_JSON
def cordon(*, instance: str, as_json: bool) -> None:
    """Have no new session made on an instance; those that it has stay.

    A node that is at home there gets another home with its next new session.
    """
    with KatoTasks() as kato:
        check_closable(kato.settings, instance)
        changed = kato.services.placement.cordon(instance)
    _tell(instance, cordoned=True, changed=changed, as_json=as_json)


@click.command()
@_INSTANCE
@_JSON
def uncordon(*, instance: str, as_json: bool) -> None:
    """Have new sessions made on an instance again.

    Nodes that have another home by now stay there.
    """
    with KatoTasks() as kato:
        changed = kato.services.placement.uncordon(instance)
    _tell(instance, cordoned=False, changed=changed, as_json=as_json)


def _tell(instance: str, *, cordoned: bool, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"instance": instance, "cordoned": cordoned, "changed": changed})
        return
    state = "takes no new session" if cordoned else "takes new sessions"
    say(f"{instance} {state}{'' if changed else ', as before'}.")
