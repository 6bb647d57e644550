"""What a call does to its session if it takes effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from kato_tasks.delivery.making import learning_of
from kato_tasks.delivery.memory import STM_EVENTS, adds_event
from kato_tasks.kato import TIME_UNKNOWN
from kato_tasks.models import (
    Claim,
    Command,
    Intent,
    Keep,
    Kind,
    Learning,
    Outcome,
    SessionSpec,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A call that took effect.

    Attributes:
        time: KATO's ``time`` after it; -1 where the server has not shown it yet.
        events: How many events the short-term memory has after it.
        keep: What it does to the journal.
        learned: If the server has learned, how many events stayed in the short-term memory.
        outcome: What waiting callers are told beyond "applied".
        unbind: True if the server-side session is gone by our own wish.
        spec: What the session is made with from now on; None if that stays.
        learning: How the server learns by itself from now on; None if that stays.
    """

    time: int
    events: int = 0
    keep: Keep = Keep.NOTHING
    learned: int | None = None
    outcome: Outcome | None = None
    unbind: bool = False
    spec: SessionSpec | None = None
    learning: Learning | None = None


def effect(claim: Claim, batch: Sequence[Command], intent: Intent) -> Done:
    """Return what a call does to its session.

    Args:
        claim: The session as it was before.
        batch: The commands of the call.
        intent: What was written down of it.
    """
    match batch[0].kind:
        case Kind.OBSERVE:
            return _observe(claim, batch, learns=intent.pattern is not None)
        case Kind.LEARN:
            outcome = Outcome(pattern=intent.pattern or "")
            return Done(time=claim.time, learned=0, outcome=outcome)
        case Kind.CLEAR_STM:
            return Done(time=0, keep=Keep.EMPTY)
        case Kind.CONFIGURE:
            return _configure(claim, batch[0])
        case Kind.DELETE:
            return Done(time=0, unbind=True)
        case Kind.EXTEND:
            return Done(time=claim.time, events=claim.events)


def with_config(done: Done, effective: Mapping[str, JsonValue]) -> Done:
    """Return the effect of a configure after which a session has this config."""
    return replace(done, learning=learning_of(effective))


def config_of(command: Command) -> dict[str, JsonValue]:
    """Return what a configure changes."""
    config: dict[str, JsonValue] = json.loads(command.payload)
    return config


def _observe(claim: Claim, batch: Sequence[Command], *, learns: bool) -> Done:
    added = sum(adds_event(command.payload) for command in batch)
    kept = claim.learning.kept if learns else None
    return Done(
        time=TIME_UNKNOWN if claim.time == TIME_UNKNOWN else claim.time + len(batch),
        events=min(STM_EVENTS, claim.events + added) if kept is None else kept,
        keep=Keep.COMMANDS,
        learned=kept,
    )


def _configure(claim: Claim, command: Command) -> Done:
    config = {**claim.spec.config, **config_of(command)}
    return Done(time=claim.time, events=claim.events, spec=replace(claim.spec, config=config))
