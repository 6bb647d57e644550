"""Wakes a session that was put to sleep: makes it anew of its journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from kato_tasks.delivery.memory import Memory, adds_event, recall
from kato_tasks.delivery.rehome import OtherSymbols, Seen, rehome
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.models import Turn

_WOKEN: Final = "it was asleep"


def wake(tools: Tools, work: Work) -> Work | Turn:
    """Make a sleeping session anew, with the memory that it went to sleep with.

    Where vectors have other neighbours by now, what it went to sleep with is replayed as the
    symbols that it was (kato-api 7).
    """
    claim = work.claim
    journal = tools.lanes.journal(claim.lease, claim.applied)
    if journal is None:
        return Turn.LOST
    memory = _with_head(recall(journal), claim.stm)
    try:
        return rehome(tools, work, memory, _WOKEN, old=claim.stm)
    except OtherSymbols:
        return rehome(tools, work, _as_symbols(memory, claim.stm or ()), _WOKEN)


def _with_head(memory: Memory, stm: Seen | None) -> Memory:
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


def _as_symbols(memory: Memory, stm: Seen) -> Memory:
    """Return a memory whose events are replayed as the symbols that they were."""
    return replace(memory, replay=tuple(_spoken(memory, stm)))


def _spoken(memory: Memory, stm: Seen) -> Iterator[bytes]:
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
