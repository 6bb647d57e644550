"""Who takes part: sessions in groups that live differently, and what is sent to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kato_tasks.models import IdlePolicy
from kato_tasks.settings import PREFIX

TTL: Final = 4
"""Seconds after which the server forgets those that are kept alive, and those that nobody keeps."""
LIVES: Final = 5
"""For how many times as long as that nobody uses those that are kept alive."""
OWN_END: Final = 5
"""Seconds after which some end by themselves."""
IDLE_AFTER: Final = 4.0
"""Seconds without use after which others sleep or end: time enough to look at them before."""
EACH: Final = 24
"""How many there are of those that are kept, that end, and that sleep."""
FEW: Final = 6
"""How many there are that nobody keeps."""

VARIABLES: Final[Mapping[str, str]] = {
    f"{PREFIX}REFRESH_INTERVAL": "0.7",
    f"{PREFIX}CLEANUP_INTERVAL": "0.5",
    f"{PREFIX}IDLE_AFTER": str(IDLE_AFTER),
}
"""The settings of the stack, which make a life of hours one of seconds."""

Sent = Mapping[str, Any]
"""An observation, as :meth:`Session.observe_many` takes it."""


class Group(StrEnum):
    """How a session of the demo lives."""

    KEPT = "kept"
    """It is kept alive, and nobody uses it."""
    ENDING = "ending"
    """It ends: by its own time, or because nobody uses it."""
    SLEEPING = "sleeping"
    """Nobody uses it for so long that it is put to sleep; then it is woken."""
    AWAKE = "awake"
    """It is told what one of the sleeping is told, and never sleeps."""
    LEFT = "left"
    """Nobody uses it, and nobody keeps it: its server forgets it, and it is restored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A session of the demo.

    Attributes:
        key: Its key.
        group: How it lives.
        story: What its observations are about: two of one story are told the same.
        options: What it is created with.
        twin: The key of the one that is told the same and never sleeps; None if it is woken by a
            question, after which it must be what it was.
    """

    key: str
    group: Group
    story: str
    options: Mapping[str, Any] = field(default_factory=dict)
    twin: str | None = None


def members(each: int = EACH, few: int = FEW) -> list[Member]:
    """Return all that take part."""
    numbers = range(each)
    return [
        *_sleeping(numbers),
        *(_member(Group.ENDING, number, **_ends(number)) for number in numbers),
        *(_member(Group.KEPT, number, keep_alive=True, ttl=TTL) for number in numbers),
        *(_member(Group.LEFT, n, ttl=TTL, idle=IdlePolicy.KEEP) for n in range(few)),
    ]


def _sleeping(numbers: Sequence[int]) -> Iterator[Member]:
    for number in numbers:
        member = _member(Group.SLEEPING, number)
        if number % 2:
            yield member
            continue
        twin = _member(Group.AWAKE, number, story=member.key, idle=IdlePolicy.KEEP)
        yield Member(key=member.key, group=member.group, story=member.story, twin=twin.key)
        yield twin


def _ends(number: int) -> dict[str, Any]:
    if number % 2:
        return {"idle": IdlePolicy.DELETE}
    return {"auto_extend": False, "ttl": OWN_END}


def _member(group: Group, number: int, *, story: str | None = None, **options: object) -> Member:
    key = f"{group.value}-{number:02d}"
    return Member(key=key, group=group, story=story or key, options=options)


def before_learn(story: str) -> list[Sent]:
    """Return the observations that a session learns."""
    return [
        {"strings": [f"{story}:begin", "hello"], "emotives": {"joy": 0.5, "calm": -0.25}},
        {"strings": [f"{story}:look"], "metadata": {"story": story, "step": 2}},
        {"strings": ["picture"], "vectors": [[1.0, 2.0, 3.0], [0.5, 0.25, 0.125]]},
        {"emotives": {"joy": 1.0}},
    ]


def after_learn(story: str) -> list[Sent]:
    """Return the observations that it then remembers."""
    return [
        {"strings": [f"{story}:again", "hello"], "emotives": {"joy": -0.75}},
        {"strings": ["picture"], "vectors": [[1.0, 2.0, 3.5]], "metadata": {"step": 6}},
        {"metadata": {"note": "between two events"}},
        {
            "strings": [f"{story}:end", "42"],
            "vectors": [[3.0, 2.0, 1.0]],
            "emotives": {"calm": 0.125},
            "metadata": {"story": story, "step": 8},
        },
    ]


def later(story: str) -> Sent:
    """Return the observation that wakes a session, or starts one that had ended."""
    return {
        "strings": [f"{story}:later"],
        "emotives": {"joy": 0.25},
        "metadata": {"step": 9},
    }
