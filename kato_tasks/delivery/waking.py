"""Wakes a session that was put to sleep: makes it anew of its journal."""

from __future__ import annotations

from typing import Final

from kato_tasks.delivery.memory import as_symbols, recall, with_head
from kato_tasks.delivery.rehome import OtherSymbols, rehome
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
    memory = with_head(recall(journal), claim.stm)
    try:
        return rehome(tools, work, memory, _WOKEN, old=claim.stm)
    except OtherSymbols:
        return rehome(tools, work, as_symbols(memory, claim.stm or ()), _WOKEN)
