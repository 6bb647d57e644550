"""What was applied to each session, in order, kept beyond the session's end.

So that a checker can tell a replay from a duplicate, a call may say where it comes from: the
header ``X-Kato-Tasks-Source: replay`` marks its entries as the rebuilding of a session, and
``X-Kato-Tasks-Commands`` names the commands it carries; the real server ignores both. Sessions
whose creator named the same ``kato_tasks_key`` in their metadata are one lineage.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.rules import SECOND, Event, Observation

LINEAGE_KEY = "kato_tasks_key"
DELIVERY = "delivery"


class Mark(NamedTuple):
    """What a call says about itself.

    Attributes:
        source: ``replay`` or whatever else was said, or None: a first delivery.
        commands: The commands it carries, in its own words, or None.
        unique_ids: Per observation the ``unique_id`` that was sent, or None.
    """

    source: str | None = None
    commands: str | None = None
    unique_ids: list[str | None] | None = None


class Entry(NamedTuple):
    """One applied operation.

    Attributes:
        call: Number of the HTTP call that applied it.
        at: Microseconds since the epoch.
        kind: observe, learn, auto_learn, clear_stm, clear_all, config, extend or delete; and
            what no call asked for: ``gone`` (the session was lost), ``overwrote`` (the call
            wrote back an older session, what was applied since is lost), ``leak`` (its STM
            was replaced by that of another session).
        time: The session's observation counter afterwards.
        event: The event of an observe, or None; empty if it added none.
        pattern: The name that was learned, or None.
        extras: What an observation carried besides strings, or None.
        source: See `Mark`.
        commands: See `Mark`.
        unique_id: What the observation was called by who sent it, or None.
    """

    call: int
    at: int
    kind: str
    time: int
    event: Event | None = None
    pattern: str | None = None
    extras: dict[str, Json] | None = None
    source: str | None = None
    commands: str | None = None
    unique_id: str | None = None


@dataclass(slots=True)
class Record:
    """The audit of one session; ``applied`` counts even where entries are not kept.

    Attributes:
        key: The lineage the session belongs to, or None.
    """

    session_id: str
    node_id: str
    created_at: int
    applied: int = 0
    key: str | None = None
    entries: list[Entry] = field(default_factory=list)


class Audit:
    """The records of every session this server ever had.

    Args:
        keep: False counts only, for benchmarks that must not grow.

    Attributes:
        lineages: Per key its sessions, in the order they were created.
        mark: What the call that is being applied says about itself, or None.
        learned_only: What is being applied will not be stored, except for what it learns.
    """

    def __init__(self, *, keep: bool) -> None:
        self.records: dict[str, Record] = {}
        self.lineages: dict[str, list[str]] = {}
        self.mark: Mark | None = None
        self.learned_only = False
        self._keep = keep

    def open(
        self, session_id: str, node_id: str, created_at: int, info: dict[str, Json] | None = None
    ) -> None:
        """Start the record of a new session, whose lineage its metadata ``info`` may name."""
        key = (info or {}).get(LINEAGE_KEY)
        named = key if isinstance(key, str) else None
        self.restore(Record(session_id, node_id, created_at, 0, named))

    def restore(self, record: Record) -> None:
        """Take in the record of a session, which is the newest of its lineage."""
        self.records[record.session_id] = record
        if record.key is not None:
            self.lineages.setdefault(record.key, []).append(record.session_id)

    def add(self, session_id: str, *entries: Entry) -> None:
        """Append what was applied to a session with a record."""
        record = self.records[session_id]
        if self.learned_only:
            entries = tuple(entry for entry in entries if entry.pattern is not None)
        record.applied += len(entries)
        if self._keep:
            record.entries.extend(_marked(entries, self.mark) if self.mark else entries)

    def page(self, session_id: str, offset: int, limit: int) -> Json:
        """One page of a record as JSON, or None if the session never existed here."""
        record = self.records.get(session_id)
        if record is None:
            return None
        found = islice(record.entries, offset, offset + limit)
        return {
            "session_id": session_id,
            "node_id": record.node_id,
            "key": record.key,
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


def _marked(entries: Iterable[Entry], mark: Mark) -> Iterator[Entry]:
    """Entries with what the call said; the ids belong to its observations in their order."""
    unique_ids = iter(mark.unique_ids or ())
    for entry in entries:
        unique_id = next(unique_ids, None) if entry.kind == "observe" else None
        yield entry._replace(source=mark.source, commands=mark.commands, unique_id=unique_id)


def _shown(seq: int, entry: Entry) -> Json:
    shown: dict[str, Json] = {
        "seq": seq,
        "call": entry.call,
        "at": entry.at / SECOND,
        "kind": entry.kind,
        "event": entry.event,
        "time": entry.time,
        "source": entry.source or DELIVERY,
    }
    further = (
        ("pattern", entry.pattern),
        ("observation", entry.extras),
        ("commands", entry.commands),
        ("unique_id", entry.unique_id),
    )
    return shown | {name: value for name, value in further if value is not None}
