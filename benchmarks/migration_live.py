"""Sessions that are in use while they move, seen from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from common import wait_until
from pair import Pair, is_over

from kato_tasks.ledger import Item
from kato_tasks.sessions import Session

_EVERY: Final = 0.5
"""Seconds between two observations of a session."""
_NAME: Final = "live-"
_NEAR: Final = 1.0
_LONGEST: Final = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """What a producer saw.

    Attributes:
        sessions: Into how many it observed.
        without: Milliseconds from before each call until its observation was applied, no session
            moving.
        meanwhile: The same while sessions moved.
        near: The same of those in the second before their own session's move was noted.
        rate: How many sessions moved per second.
        pauses: What the ledger says of the pause of each session that was moved, milliseconds.
    """

    sessions: int
    without: list[float]
    meanwhile: list[float]
    near: list[float]
    rate: float
    pauses: list[float]


@dataclass(slots=True)
class _Producer:
    """Observes into sessions in turn, at a steady pace, until it is stopped."""

    sessions: list[Session]
    sent: dict[str, tuple[str, float]] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        pause, due = _EVERY / len(self.sessions), time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            number = len(self.sent)
            session = self.sessions[number % len(self.sessions)]
            name = f"{_NAME}{number}"
            self.sent[name] = (session.key, time.time())
            session.observe([name])
            due += pause

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, name="producer")
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()


def watched(pair: Pair, parallel: int, count: int, quiet: float) -> Watched:
    """Move all sessions while some are in use; what their producer saw.

    Raises:
        RuntimeError: Not every observation was applied exactly once.
    """
    step = max(1, len(pair.keys) // count)
    keys = pair.keys[::step][:count]
    producer = _Producer([pair.tasks.session(key) for key in keys])
    with producer.running():
        time.sleep(quiet)
        began = time.time()
        begun = pair.migrations.start(pair.migrations.plan(pair.request(parallel)))
        wait_until(lambda: is_over(pair, begun.id), _LONGEST, "the migration")
        ended = time.time()
    source, pair.source = pair.source, pair.target
    items = {item.key: item for item in pair.migrations.ledger.items(begun.id)}
    wait_until(lambda: all(_is_delivered(pair, key) for key in keys), _LONGEST, "what waits")
    found = _applied(pair, source, [items[key] for key in keys])
    if sorted(found) != sorted(producer.sent):
        raise RuntimeError(f"{len(producer.sent)} observations sent, {len(found)} applied")
    waits = {name: (found[name] - sent) * 1000 for name, (_, sent) in producer.sent.items()}
    when = {name: sent for name, (_, sent) in producer.sent.items()}
    noted = {name: items[key].ended_at or 0.0 for name, (key, _) in producer.sent.items()}
    return Watched(
        sessions=count,
        without=[wait for name, wait in waits.items() if when[name] < began - 1],
        meanwhile=[wait for name, wait in waits.items() if began <= when[name] <= ended],
        near=[wait for name, wait in waits.items() if 0 <= noted[name] - when[name] <= _NEAR],
        rate=len(items) / (ended - began),
        pauses=[item.pause * 1000 for item in items.values() if item.pause is not None],
    )


def _is_delivered(pair: Pair, key: str) -> bool:
    record = pair.tasks.find(key)
    return record is not None and record.applied == record.appended


def _applied(pair: Pair, source: str, items: list[Item]) -> dict[str, float]:
    """Return when each observation of a producer was applied, by both servers' audits."""
    found: dict[str, float] = {}
    for item in items:
        for server, session_id in ((source, item.before), (pair.source, item.after)):
            for entry in _entries(pair, server, session_id or ""):
                name = entry["event"][0]
                if name in found:
                    raise RuntimeError(f"{name} was applied twice")
                found[name] = entry["at"]
    return found


def _entries(pair: Pair, server: str, session_id: str) -> Iterator[dict[str, Any]]:
    query = {"limit": 1_000_000}
    page = pair.servers[server].client.get(f"/_dev/audit/{session_id}", params=query).json()
    for entry in page["entries"]:
        first = entry["kind"] == "observe" and entry["source"] == "delivery"
        if first and entry["event"][0].startswith(_NAME):
            yield entry
