"""What a server remembers of a session, all of it that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from kato_tasks.delivery.memory import nameless
from kato_tasks.demo.checking import EventSymbols, Observed, compare
from kato_tasks.errors import SessionNotFound
from kato_tasks.kato import KatoClient


@dataclass(frozen=True, kw_only=True, slots=True)
class Mind:
    """What a server remembers of a session.

    Attributes:
        stm: The short-term memory, with the symbols of vectors as the server has named them.
        percept: The percept data: the last observation, and the mean of all emotives.
        cognition: The cognition data: the last emotives, the time, and what else is in it.
    """

    stm: Sequence[Sequence[str]]
    percept: Mapping[str, JsonValue]
    cognition: Mapping[str, JsonValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """In what two minds are equal."""

    stm: bool = False
    percept: bool = False
    cognition: bool = False


WHOLLY: Final = Alike(stm=True, percept=True, cognition=True)


def read_mind(client: KatoClient, session_id: str | None) -> Mind | None:
    """Return what a server remembers; None if it says that there is no such session.

    Raises:
        KatoError: The server did not answer.
    """
    if session_id is None:
        return None
    try:
        return Mind(
            stm=client.get_stm(session_id),
            percept=client.percept_data(session_id),
            cognition=client.cognition_data(session_id).raw,
        )
    except SessionNotFound:
        return None


def alike(one: Mind | None, other: Mind | None) -> Alike:
    """Compare two minds; nothing is equal to one that is not there."""
    if one is None or other is None:
        return Alike()
    return Alike(
        stm=one.stm == other.stm,
        percept=one.percept == other.percept,
        cognition=one.cognition == other.cognition,
    )


def missing(told: Sequence[Observed], mind: Mind | None) -> int:
    """Return how many of the events that a session must remember it does not.

    Args:
        told: The observations since it has learned.
        mind: What it remembers; None if it is not there.
    """
    must = [worded(one.event) for one in told if one.event]
    there = [] if mind is None else [worded(event) for event in mind.stm]
    return compare(must, there).lost


def worded(event: Iterable[str]) -> EventSymbols:
    """Return an event without the symbols of vectors: how many there are depends on the node."""
    return nameless(tuple(event))
