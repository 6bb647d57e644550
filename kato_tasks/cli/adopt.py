"""``kato-tasks sessions adopt``: sessions that somebody else has made become ours."""

from __future__ import annotations

from typing import Any

import click

from kato_tasks.adoption import Fate, Named, Outcome, Report, make_request, read_names
from kato_tasks.cli.output import FOUND_WRONG, complain, counted, print_json, progress, say
from kato_tasks.ingest.reader import open_source
from kato_tasks.producer import KatoTasks


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--file", "file", help="Lines of an id, or of a key, a tab or comma, and an id.")
@click.option("--all", "every", is_flag=True, help="All that the server lists, if it lists any.")
@click.option("--instance", help="The server that has them; not needed where there is one only.")
@click.option("--node", help="Only those of this node.")
@click.option("--tag", "tags", multiple=True, help="A name to find them by; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def adopt(  # noqa: PLR0913 - what a person may choose
    *,
    ids: tuple[str, ...],
    file: str | None,
    every: bool,
    instance: str | None,
    node: str | None,
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make sessions ours that somebody else has made at a KATO server.

    They live on there as they are, and are called by their ids, or by the keys that a --file
    gives them ("-" for standard input). From then on nobody else may write to them. Ends with 1
    if one of them cannot become ours; the others do.
    """
    named = [Named(key=one, session_id=one) for one in ids]
    if file is not None:
        with open_source(file) as lines:
            named += read_names(lines, file)
    with KatoTasks() as kato:
        request = make_request(
            kato.settings, named, every=every, instance=instance, node=node, tags=tags
        )
        with progress(shown=not as_json) as told:
            report = kato.services.adopter.adopt(request, told)
    if as_json:
        print_json(as_fields(report))
    else:
        _tell(report)
    if report.failed:
        raise SystemExit(FOUND_WRONG)


def as_fields(report: Report) -> dict[str, Any]:
    """Return what became of sessions as one JSON object, with one entry for each of them."""
    return {
        "instance": report.instance,
        **{fate.value: report.count(fate) for fate in Fate},
        "remarks": list(report.remarks()),
        "sessions": list(map(_outcome, report.outcomes)),
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "key": one.key,
        "session_id": one.session_id,
        "status": one.fate.value,
        "error": one.reason,
        "node": one.node,
        "events": one.events,
        "time": one.time,
        "older": one.older,
        "vectors": one.vectors,
    }


def _tell(report: Report) -> None:
    for one in report.failed:
        complain(f"Error: {one.reason}", style="red")
    adopted = counted(report.count(Fate.ADOPTED), "session")
    others = [
        f"{report.count(fate):,} {word}"
        for fate, word in ((Fate.FAILED, "not adopted"), (Fate.LEFT, "left as they are"))
        if report.count(fate)
    ]
    say("; ".join([f"{adopted} adopted from {report.instance}", *others]) + ".")
    for remark in report.remarks():
        say(remark)
