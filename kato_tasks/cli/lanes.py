"""``kato-tasks lanes``: what stands in the lanes, and how parked ones go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from kato_tasks.cli.fields import command_fields, letter_fields, print_letters
from kato_tasks.cli.output import counted, iso, print_json, print_table, say
from kato_tasks.cli.sessions import NoSession, as_fields, known
from kato_tasks.cli.several import each, end_with, failures_as_fields
from kato_tasks.errors import NotParked
from kato_tasks.models import DeadLetter, Intent, LaneView, SessionRecord
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import FoundLane, LaneState, find_lanes

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SHOWN: Final = 20
"""Most waiting commands, and most dead letters, that are shown of one lane."""


@click.group()
def lanes() -> None:
    """Look at what stands in the lanes, and let parked ones go on."""


@lanes.command("list")
@click.option(
    "--state",
    type=click.Choice([state.value for state in LaneState]),
    help="Only these; by default all that wait, are in doubt or parked.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@_JSON
def list_(*, state: str | None, limit: int, as_json: bool) -> None:
    """List lanes with work, or with trouble.

    Those with --state ready come in the order in which the sweep looks at them. For the others
    all sessions are gone through until --limit are found: in a store of millions it takes time.
    """
    wanted = None if state is None else LaneState(state)
    with KatoTasks() as kato:
        services = kato.services
        found = find_lanes(services.registry, services.views, wanted, limit=limit)
    if as_json:
        print_json([_found_fields(lane) for lane in found])
    else:
        _print_found(found, limit)


@lanes.command()
@click.argument("key")
@click.option("--payloads", is_flag=True, help="Also what the waiting commands carry.")
@_JSON
def show(*, key: str, payloads: bool, as_json: bool) -> None:
    """Show one lane: its session, the call under way, what waits, and its dead letters."""
    with KatoTasks() as kato:
        record, services = known(kato, key), kato.services
        lane = services.views.lane(key, commands=_SHOWN)
        letters = services.letters.list(key=key, limit=_SHOWN)
    if lane is None:
        raise NoSession(key)
    fields, commands = _lane_fields(record, lane), _command_fields(lane, payloads=payloads)
    if as_json:
        found = [letter_fields(letter, payload=payloads) for letter in letters]
        print_json({**fields, "commands": commands, "dead_letters": found})
        return
    fields["intent"] = None if lane.intent is None else in_words(lane.intent, lane.intent_at)
    print_table(f"lane {key}", ("field", "value"), list(fields.items()))
    _print_contents(record, commands, letters)


@lanes.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--drop", is_flag=True, help="Without the command that a lane is parked at.")
@_JSON
def unpark(*, keys: tuple[str, ...], drop: bool, as_json: bool) -> None:
    """Let parked lanes go on.

    A command that the server did not take is tried again, or dropped. After an anomaly the
    session is made anew first, of what was delivered to it. A learn of which cannot be told
    whether it was counted is sent again; with --drop it is taken for done.
    """
    with KatoTasks() as kato:

        def let_go_on(key: str) -> None:
            if not kato.services.unpark(key, drop=drop):
                known(kato, key)
                raise NotParked(key)

        done, failed = each(keys, let_go_on)
    if as_json:
        print_json({"unparked": list(done), "failed": failures_as_fields(failed)})
    else:
        say(f"{counted(len(done), 'lane')} unparked.")
    end_with(failed)


def in_words(intent: Intent, at: float) -> str:
    """Return what was about to be sent, as a person reads it.

    Args:
        intent: The intent.
        at: When it was written down, epoch seconds.
    """
    last = intent.first + intent.count - 1
    where = f"position {last}" if intent.count == 1 else f"positions {intent.first} to {last}"
    learns = "" if intent.pattern is None else f", learning {intent.pattern or 'a pattern'}"
    kind = intent.kind.name.lower()
    return f"{kind}, {where}, to {intent.session_id or 'no session'}{learns}, since {iso(at)}"


def _found_fields(lane: FoundLane) -> dict[str, Any]:
    return {**as_fields(lane.record), "next_look": _moment(lane.next_look)}


def _lane_fields(record: SessionRecord, lane: LaneView) -> dict[str, Any]:
    return {
        **as_fields(record),
        "epoch": record.epoch,
        "leased": lane.leased,
        "intent": None if lane.intent is None else _intent_fields(lane.intent, lane.intent_at),
        "next_look": _moment(lane.next_look),
        "journal": lane.journal,
    }


def _intent_fields(intent: Intent, at: float) -> dict[str, Any]:
    return {
        "kind": intent.kind.name.lower(),
        "first": intent.first,
        "count": intent.count,
        "session_id": intent.session_id,
        "pattern": intent.pattern,
        "at": iso(at),
    }


def _command_fields(lane: LaneView, *, payloads: bool) -> list[dict[str, Any]]:
    return [
        {"seq": seq, **command_fields(command, payload=payloads)}
        for seq, command in enumerate(lane.commands, lane.applied + 1)
    ]


def _moment(at: float | None) -> str | None:
    return None if at is None else iso(at)


def _print_found(found: list[FoundLane], limit: int) -> None:
    rows = [
        (
            lane.record.key,
            lane.record.state.value,
            lane.record.waiting,
            lane.record.attempts,
            lane.record.parked or lane.record.doubt,
            _moment(lane.next_look),
        )
        for lane in found
    ]
    columns = ("session", "state", "waiting", "attempts", "why", "next look")
    print_table(f"{counted(len(found), 'lane')} found, {limit:,} at most", columns, rows)


def _print_contents(
    record: SessionRecord, commands: list[dict[str, Any]], letters: Sequence[DeadLetter]
) -> None:
    if commands:
        title = f"The first {len(commands)} of {counted(record.waiting, 'command')} that wait"
        rows = [list(one.values()) for one in commands]
        print_table(title, ["position", *list(commands[0])[1:]], rows)
    if letters:
        print_letters("Its dead letters, the newest first", letters)
