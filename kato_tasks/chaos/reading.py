"""Asks development servers what they have applied, and what a session is like in the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from kato_tasks.chaos.acceptances import NUMBER
from kato_tasks.chaos.checking import Entry, Incarnation, in_order
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
    """Reads development servers as if they were one; closed at the end of its block.

    Args:
        urls: Where they are.
    """

    def __init__(self, *urls: str) -> None:
        self._audits = {url: Audit(url) for url in urls}
        self._clients = {url: KatoClient(url, timeout=_TIMEOUT, max_connections=1) for url in urls}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for audit in self._audits.values():
            audit.close()
        for client in self._clients.values():
            client.close()

    def lineage(self, key: str, bound: str | None) -> list[Incarnation]:
        """Return every server-side session of a key, with its audit, in the order of their turns.

        A bound one that no lineage names is the last.

        Raises:
            KatoError: A server did not answer.
        """
        found = in_order([*self._lineage(url, key)] for url in self._audits)
        if bound is not None and all(one.session_id != bound for one in found):
            url = self._server_of(bound)
            entries = () if url is None else self._entries(url, bound)
            found.append(
                Incarnation(
                    session_id=bound, created_at=math.inf, server=url or "", entries=entries
                )
            )
        return found

    def session(self, session_id: str, at: str | None = None) -> Found:
        """Return what a session is like now.

        Args:
            session_id: The server's name for it.
            at: The URL of its server; None for whichever has it.

        Raises:
            KatoError: The server did not answer, or has no such session.
        """
        url = at or self._server_of(session_id) or next(iter(self._clients))
        client = self._clients[url]
        cognition = client.cognition_data(session_id)
        stm = client.get_stm(session_id)
        return Found(stm=tuple(tuple(event) for event in stm), emotives=cognition.emotives)

    def frequency(self, pattern: str, node: str) -> int:
        """Return how often a node has learned a pattern, at all servers together; 0 if never.

        Raises:
            KatoError: A server did not answer.
        """
        found = (client.pattern(pattern, node_id=node) for client in self._clients.values())
        return sum(one.frequency for one in found if one is not None)

    def _lineage(self, url: str, key: str) -> Iterator[Incarnation]:
        for one in self._audits[url].lineage(key):
            session_id = str(one["session_id"])
            yield Incarnation(
                session_id=session_id,
                created_at=datetime.fromisoformat(one["created_at"]).timestamp(),
                server=url,
                entries=self._entries(url, session_id),
            )

    def _server_of(self, session_id: str) -> str | None:
        if len(self._clients) == 1:
            return next(iter(self._clients))
        having = (url for url, client in self._clients.items() if client.exists(session_id))
        return next(having, None)

    def _entries(self, url: str, session_id: str) -> tuple[Entry, ...]:
        return tuple(map(entry_of, self._audits[url].entries(session_id)))


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
