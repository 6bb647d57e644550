"""Asks a development server what it has applied, and what a session is like in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from kato_tasks.chaos.acceptances import NUMBER
from kato_tasks.chaos.checking import Entry, Incarnation
from kato_tasks.demo.audit import Audit
from kato_tasks.demo.checking import EventSymbols, Observed
from kato_tasks.kato import KatoClient

_TIMEOUT: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a server has of a session in the end.

    Attributes:
        stm: Its short-term memory.
        emotives: The last emotives since it was emptied.
    """

    stm: tuple[EventSymbols, ...] = ()
    emotives: Mapping[str, float] = field(default_factory=dict)


class Reader:
    """Reads a development server; closed at the end of its block.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        self._audit = Audit(url)
        self._client = KatoClient(url, timeout=_TIMEOUT, max_connections=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._audit.close()
        self._client.close()

    def lineage(self, key: str, bound: str | None) -> list[Incarnation]:
        """Return every server-side session of a key, the oldest first, with its audit.

        A bound one that the lineage does not name is its last.

        Raises:
            KatoError: The server did not answer.
        """
        found = [
            Incarnation(
                session_id=str(one["session_id"]),
                created_at=datetime.fromisoformat(one["created_at"]).timestamp(),
                entries=self._entries(str(one["session_id"])),
            )
            for one in self._audit.lineage(key)
        ]
        if bound is not None and all(one.session_id != bound for one in found):
            found.append(
                Incarnation(session_id=bound, created_at=math.inf, entries=self._entries(bound))
            )
        return found

    def session(self, session_id: str) -> Found:
        """Return what a session is like now.

        Raises:
            KatoError: The server did not answer, or has no such session.
        """
        cognition = self._client.cognition_data(session_id)
        stm = self._client.get_stm(session_id)
        return Found(stm=tuple(tuple(event) for event in stm), emotives=cognition.emotives)

    def frequency(self, pattern: str, node: str) -> int:
        """Return how often a node has learned a pattern; 0 if never.

        Raises:
            KatoError: The server did not answer.
        """
        found = self._client.pattern(pattern, node_id=node)
        return 0 if found is None else found.frequency

    def _entries(self, session_id: str) -> tuple[Entry, ...]:
        return tuple(map(entry_of, self._audit.entries(session_id)))


def entry_of(told: Mapping[str, Any]) -> Entry:
    """Return an entry of an audit, as the server tells it."""
    number = ((told.get("observation") or {}).get("metadata") or {}).get(NUMBER)
    return Entry(
        kind=told["kind"],
        at=told["at"],
        source=told["source"],
        number=number if isinstance(number, int) else None,
        observed=Observed.audited(told) if told["kind"] == "observe" else None,
    )
