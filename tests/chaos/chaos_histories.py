"""Lineages and acceptances, made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kato_tasks.chaos.acceptances import Acceptance, Call
from kato_tasks.chaos.checking import REPLAY, Entry, Incarnation
from kato_tasks.chaos.crowd import Member
from kato_tasks.demo.checking import Observed
from kato_tasks.models import Kind

PLAIN = Member(number=1, key="chaos-0001", node="chaos-1")


def fields(number: int, **more: object) -> dict[str, object]:
    """Return an observation of ours."""
    return {"strings": [f"n{number}", "shared"], "metadata": {"n": number}, **more}


def observed(number: int, **more: object) -> Observed:
    return Observed.sent(json.dumps(fields(number, **more)).encode())


def entry(what: int | str, *, at: float = 0.0, source: str = "delivery") -> Entry:
    """Return an entry of an audit: an observation by its number, or another kind by its name."""
    if isinstance(what, str):
        return Entry(kind=what, at=at, source=source)
    return Entry(kind="observe", at=at, source=source, number=what, observed=observed(what))


def incarnation(
    name: str, *delivered: int | str | Entry, replayed: Sequence[int] = (), at: float = 0.0
) -> Incarnation:
    """Return a server-side session: what was replayed into it, then what was delivered to it."""
    entries = [entry(number, at=at, source=REPLAY) for number in replayed]
    entries += [one if isinstance(one, Entry) else entry(one, at=at) for one in delivered]
    return Incarnation(session_id=name, created_at=at, entries=tuple(entries))


def accepted(*steps: int | str | dict[str, object], key: str = PLAIN.key) -> list[Acceptance]:
    """Return what was accepted, one command a call: observations by number or fields, or kinds."""
    calls = [_call(key, place, step) for place, step in enumerate(steps, start=1)]
    return [Acceptance(call=call, first=n, seq=n) for n, call in enumerate(calls, start=1)]


def _call(key: str, place: int, step: int | str | dict[str, object]) -> Call:
    name = f"{key}-{place}"
    if isinstance(step, str):
        kinds = {"learn": Kind.LEARN, "clear": Kind.CLEAR_STM, "delete": Kind.DELETE}
        if step == "poison":
            poison = ({"strings": [1]},)
            return Call(
                key=key, command_id=name, kind=Kind.OBSERVE, observations=poison, poison=True
            )
        return Call(key=key, command_id=name, kind=kinds[step])
    observation = fields(step) if isinstance(step, int) else step
    return Call(key=key, command_id=name, kind=Kind.OBSERVE, observations=(observation,))
