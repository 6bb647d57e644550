"""What a session must remember: computed from its journal, as the server would do it (kato-api 4).

Symbols of vectors are the server's own to name, and depend on what its node has learned. So a
memory that holds any is compared without them, and is not *exact*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final

from kato_tasks.models import Command, Journal, JournalEntry, Kind, Learning

Event = tuple[str, ...]
"""One event: its symbols in the server's order, those of vectors left out."""

STM_EVENTS: Final = 1_000
"""How many events a server keeps in a short-term memory (kato-api 4)."""
_TICKS: Final = 1_000
"""Most observations that only move the clock, in a replay: each costs the server 0.7 ms."""
_VECTOR: Final = "VCTR|"
_ACCUMULATED: Final = ("emotives", "metadata")
_READ_AGAIN: Final = 512
"""How many observations are remembered as read: a call reads its own for effect and for look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a session must remember.

    Attributes:
        events: Its short-term memory, oldest first.
        time: KATO's ``time``.
        exact: True if no vectors are among the observations it came from.
        replay: The observations that give an empty session this memory.
    """

    events: tuple[Event, ...] = ()
    time: int = 0
    exact: bool = True
    replay: tuple[bytes, ...] = ()

    def equals(self, stm: Sequence[Sequence[str]]) -> bool:
        """Tell whether a server's short-term memory is this one."""
        return self.ends(stm) and len(stm) == len(self.events)

    def ends(self, stm: Sequence[Sequence[str]]) -> bool:
        """Tell whether a server's short-term memory ends with this one."""
        tail = stm[len(stm) - len(self.events) :] if self.events else []
        # Both sides: a caller's own string may look like the symbol of a vector.
        return [self._named(event) for event in tail] == [self._named(own) for own in self.events]

    def _named(self, event: Sequence[str]) -> Event:
        return tuple(event) if self.exact else nameless(event)


def nameless(event: Sequence[str]) -> Event:
    """Return an event without the symbols of its vectors."""
    return tuple(symbol for symbol in event if not symbol.startswith(_VECTOR))


def recall(journal: Journal) -> Memory:
    """Return what a session must remember after the commands of its journal."""
    observed: list[_Observed] = []
    begin = 0
    for entry in journal.entries:
        if entry.payload is None:
            begin = max(begin, _newest(observed, entry.kept))
        else:
            observed.append(_Observed.of(entry.payload))
    begin = max(begin, _newest(observed, STM_EVENTS))
    ticks = min(journal.cut, _TICKS)
    events = tuple(one.event for one in observed[begin:] if one.event is not None)
    return Memory(
        events=events,
        time=ticks + len(observed),
        exact=not any(one.has_vectors for one in observed[begin:]),
        replay=(
            *([b"{}"] * ticks),
            *(one.faded for one in observed[:begin]),
            *(one.payload for one in observed[begin:]),
        ),
    )


def with_head(memory: Memory, stm: Sequence[Sequence[str]] | None) -> Memory:
    """Return a memory with the events that its journal, which is bounded, has no more."""
    missing = 0 if stm is None else len(stm) - len(memory.events)
    if stm is None or missing <= 0:
        return memory
    head = [list(event) for event in stm[:missing]]
    told = tuple(_encoded({"strings": event}) for event in head)
    return replace(
        memory,
        events=(*(tuple(sorted(event)) for event in head), *memory.events),
        time=memory.time + missing,
        replay=(*told, *memory.replay),
    )


def as_symbols(memory: Memory, stm: Sequence[Sequence[str]]) -> Memory:
    """Return a memory whose events are replayed as the symbols that they were."""
    return replace(memory, replay=tuple(_spoken(memory, stm)))


def compacted(journal: Journal, *, max_bytes: int) -> tuple[bytes, ...] | None:
    """Return observations that make the same memory as a journal, in less room.

    What has gone from the short-term memory leaves its emotives and metadata, and marks leave
    nothing.

    Args:
        journal: The journal. How many observations were cut off it stays as it is.
        max_bytes: Most room that they may take.

    Returns:
        The observations; None if they would take as much room as they do, or more than allowed.
    """
    kept = recall(journal).replay[min(journal.cut, _TICKS) :]
    room = sum(map(len, kept))
    before = sum(len(entry.payload or b"") for entry in journal.entries)
    is_less = room < before or len(kept) < len(journal.entries)
    return kept if is_less and room <= max_bytes else None


def follow(memory: Memory, batch: Sequence[Command], learning: Learning) -> Memory:
    """Return what a session must remember once a batch is applied to it; without its replay."""
    match batch[0].kind:
        case Kind.OBSERVE:
            return _observe(memory, batch, learning)
        case Kind.LEARN:
            return replace(memory, events=(), exact=True, replay=())
        case Kind.CLEAR_STM | Kind.DELETE:
            return Memory()
        case Kind.CONFIGURE | Kind.EXTEND:
            return memory


def pattern_name(events: Sequence[Event]) -> str:
    """Return the name of the pattern that a memory becomes; ``""`` if it is too short for one.

    The name depends on the events alone (kato-api 8), and one symbol is no pattern (kato-api 4).
    """
    if sum(map(len, events)) <= 1:
        return ""
    printed = str([list(event) for event in events])
    return "PTRN|" + sha1(printed.encode(), usedforsecurity=False).hexdigest()


def adds_event(payload: bytes) -> bool:
    """Tell whether an observation adds an event, or only moves the clock."""
    return _Observed.of(payload).event is not None


def learns(batch: Sequence[Command], events: int, learning: Learning) -> bool:
    """Tell whether observes make a server learn that has ``events`` before them."""
    if not learning.limit or batch[0].kind is not Kind.OBSERVE:
        return False
    added = sum(adds_event(command.payload) for command in batch)
    return added > 0 and events + added >= learning.limit


def entries(batch: Sequence[Command]) -> tuple[JournalEntry, ...]:
    """Return observes as a journal has them."""
    return tuple(JournalEntry(payload=command.payload) for command in batch)


@dataclass(frozen=True, slots=True)
class _Observed:
    payload: bytes
    event: Event | None
    has_vectors: bool

    @classmethod
    @lru_cache(maxsize=_READ_AGAIN)
    def of(cls, payload: bytes) -> _Observed:
        """Read an observation."""
        fields = _fields(payload)
        strings, vectors = fields.get("strings") or (), bool(fields.get("vectors"))
        return cls(payload, tuple(sorted(strings)) if strings or vectors else None, vectors)

    @property
    def faded(self) -> bytes:
        """What is left of it when its event has gone."""
        fields = _fields(self.payload)
        kept = {name: fields[name] for name in _ACCUMULATED if fields.get(name)}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def _fields(payload: bytes) -> dict[str, Any]:
    """Read an observation; what is none has no fields, and the server will say so."""
    try:
        fields = json.loads(payload)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _newest(observed: Sequence[_Observed], count: int) -> int:
    """Return where the newest ``count`` events begin; what has no event belongs to neither side."""
    if count == 0:
        return len(observed)
    for position in range(len(observed) - 1, -1, -1):
        count -= observed[position].event is not None
        if count == 0:
            return position
    return 0


def _observe(memory: Memory, batch: Sequence[Command], learning: Learning) -> Memory:
    observed = [_Observed.of(command.payload) for command in batch]
    events = [*memory.events, *(one.event for one in observed if one.event is not None)]
    if learns(batch, len(memory.events), learning):
        events = events[len(events) - learning.kept :] if learning.kept else []
    return Memory(
        events=tuple(events[-STM_EVENTS:]),
        time=memory.time + len(observed),
        exact=memory.exact and not any(one.has_vectors for one in observed),
    )


def _spoken(memory: Memory, stm: Sequence[Sequence[str]]) -> Iterator[bytes]:
    events = iter(stm)
    for payload in memory.replay:
        if not adds_event(payload):
            yield payload
            continue
        fields = json.loads(payload)
        fields.pop("vectors", None)
        fields["strings"] = next(events)
        yield _encoded(fields)


def _encoded(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
