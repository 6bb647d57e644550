"""A clickstream that looks like one: visitors wander through a shop, all at the same time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SEED: Final = 20_261_122
_DEPARTMENTS: Final = ("shoes", "books", "garden", "music")
_NEXT: Final = {
    "home": ("search", "category", "category", "offer"),
    "search": ("product", "product", "search", "category"),
    "category": ("product", "product", "category", "home"),
    "offer": ("product", "home"),
    "product": ("product", "basket", "category", "review", "home"),
    "review": ("product", "basket"),
    "basket": ("checkout", "product", "home"),
    "checkout": ("paid", "basket"),
    "paid": ("home",),
}
"""Where a visitor goes from a page; what is named twice is twice as likely."""
_FEELINGS: Final = {"paid": 1.0, "basket": 0.6, "offer": 0.4, "search": -0.2}


class _Visitor:
    """One visitor: a session, and the page it is on."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.session = f"visitor-{number:05d}"
        self.department = _DEPARTMENTS[number % len(_DEPARTMENTS)]
        self.page = "home"
        self.seen = 0
        self._chance = chance

    def next_event(self) -> dict[str, Any]:
        """Return the visitor's next event."""
        self.page = self._chance.choice(_NEXT[self.page])
        self.seen += 1
        strings = [f"page:{self.page}"]
        if self.page == "product":
            strings.append(f"item:{self._chance.randrange(40)}")
        event: dict[str, Any] = {
            "session": self.session,
            "node_id": f"shop-{self.department}",
            "strings": strings,
            "metadata": {"step": self.seen},
        }
        if self.page in _FEELINGS:
            event["emotives"] = {"joy": _FEELINGS[self.page]}
        return event


def clickstream(sessions: int, observations: int, *, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Return events in the order of time: the same for the same arguments.

    Args:
        sessions: How many visitors; each has at least one event if there are enough.
        observations: How many events in all.
        seed: What makes it another stream.
    """
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    visitors = [_Visitor(number, chance) for number in range(sessions)]
    for index in range(observations):
        visitor = visitors[index] if index < sessions else chance.choice(visitors)
        yield visitor.next_event()


def write_clickstream(path: Path, sessions: int, observations: int) -> None:
    """Write the stream as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        for event in clickstream(sessions, observations):
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
