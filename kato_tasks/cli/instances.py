"""``kato-tasks instances``: the KATO servers, and how they are spared."""

from __future__ import annotations

from typing import Any, Final

import click

from kato_tasks.breakers import BreakerState
from kato_tasks.cli.output import iso, print_json, print_table
from kato_tasks.connections import Crowd, fair_share
from kato_tasks.instrumentation import hide_password
from kato_tasks.producer import KatoTasks
from kato_tasks.settings import Settings

_COLUMNS: Final = ("instance", "url", "breaker", "failures", "processes", "share", "under way")
_PLACING: Final = ("weight", "cordoned")
"""Columns that are shown only where they say something: a terminal is 80 characters wide."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def instances(*, as_json: bool) -> None:
    """List the KATO servers: their circuit breakers, and the processes that call them.

    No server is asked; see `kato-tasks doctor` for that.
    """
    with KatoTasks() as kato:
        states = kato.services.breakers.states()
        crowds = kato.services.connections.crowds()
        cordons = kato.services.placement.cordoned()
    found = [
        as_fields(kato.settings, name, states[name], crowds[name], cordons.get(name))
        for name in states
    ]
    if as_json:
        print_json(found)
        return
    usual = all(one["weight"] == 1.0 and one["cordoned"] is None for one in found)
    columns = _COLUMNS if usual else (*_COLUMNS[:2], *_PLACING, *_COLUMNS[2:])
    rows = [[one[column.replace(" ", "_")] for column in columns] for one in found]
    print_table("KATO servers", columns, rows)


def as_fields(
    settings: Settings, name: str, state: BreakerState, crowd: Crowd, cordoned: float | None = None
) -> dict[str, Any]:
    """Return what is known of an instance as one flat JSON object.

    ``weight`` is its share of the nodes beside the others' weights, ``cordoned`` since when it
    takes no new session, None if it takes some. ``share`` is how many connections each process may
    use, ``under_way`` how many calls all of them had when each came by last, up to a second ago.
    """
    return {
        "instance": name,
        "url": hide_password(settings.instance_url(name)),
        "weight": settings.weight_of(name),
        "cordoned": None if cordoned is None else iso(cordoned),
        "breaker": state.circuit.value,
        "failures": state.failures,
        "open_until": None if state.until is None else iso(state.until),
        "processes": crowd.processes,
        "share": fair_share(settings, crowd.processes),
        "connections": crowd.connections,
        "under_way": crowd.under_way,
    }
