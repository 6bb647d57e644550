"""What was applied to each session, in order, kept beyond the session's end."""

from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.rules import SECOND, Event, Observation


class Entry(NamedTuple):
    """One applied operation.

    Attributes:
        call: Number of the HTTP call that applied it.
        at: Microseconds since the epoch.
        kind: observe, learn, auto_learn, clear_stm, clear_all, config, extend or delete.
        time: The session's observation counter afterwards.
        event: The event of an observe, or None; empty if it added none.
        pattern: The name that was learned, or None.
        extras: What an observation carried besides strings, or None.
    """

    call: int
    at: int
    kind: str
    time: int
    event: Event | None = None
    pattern: str | None = None
    extras: dict[str, Json] | None = None


@dataclass(slots=True)
class Record:
    """The audit of one session; ``applied`` counts even where entries are not kept."""

    session_id: str
    node_id: str
    created_at: int
    applied: int = 0
    entries: list[Entry] = field(default_factory=list)


class Audit:
    """The records of every session this server ever had.

    Args:
        keep: False counts only, for benchmarks that must not grow.
    """

    def __init__(self, *, keep: bool) -> None:
        self.records: dict[str, Record] = {}
        self._keep = keep

    def open(self, session_id: str, node_id: str, created_at: int) -> None:
        """Start the record of a new session."""
        self.records[session_id] = Record(session_id, node_id, created_at)

    def add(self, session_id: str, *entries: Entry) -> None:
        """Append what was applied to a session with a record."""
        record = self.records[session_id]
        record.applied += len(entries)
        if self._keep:
            record.entries.extend(entries)

    def page(self, session_id: str, offset: int, limit: int) -> Json:
        """One page of a record as JSON, or None if the session never existed here."""
        record = self.records.get(session_id)
        if record is None:
            return None
        found = islice(record.entries, offset, offset + limit)
        return {
            "session_id": session_id,
            "node_id": record.node_id,
            "total": len(record.entries),
            "entries": [_shown(seq, entry) for seq, entry in enumerate(found, offset + 1)],
        }


def extras_of(observation: Observation) -> dict[str, Json] | None:
    """What an audit keeps of an observation besides its event: only what is not empty."""
    found: dict[str, Json] = {
        name: getattr(observation, name)
        for name in ("vectors", "emotives", "metadata")
        if getattr(observation, name)
    }
    return found or None


def _shown(seq: int, entry: Entry) -> Json:
    shown: dict[str, Json] = {
        "seq": seq,
        "call": entry.call,
        "at": entry.at / SECOND,
        "kind": entry.kind,
        "event": entry.event,
        "time": entry.time,
    }
    if entry.pattern is not None:
        shown["pattern"] = entry.pattern
    if entry.extras is not None:
        shown["observation"] = entry.extras
    return shown
