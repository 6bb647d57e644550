"""Asks the servers themselves what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx

from kato_tasks.demo.checking import Difference, EventSymbols, compare, found_event
from kato_tasks.models import SessionRecord
from kato_tasks.services import Clients

STM_EVENTS: Final = 1_000
"""How many events a server keeps in a short-term memory (kato-api 4)."""
_PAGE: Final = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Testimony:
    """What a server says of one session.

    Attributes:
        applied: How many observations it has applied since the session began, by its clock.
        difference: What it has against what was sent.
    """

    applied: int
    difference: Difference


class Witness:
    """Reads sessions back from their servers.

    Args:
        clients: The KATO clients.
        urls: The servers' URLs by instance name.
        audited: The servers are development servers, which tell all they have ever applied.
    """

    def __init__(self, clients: Clients, urls: dict[str, str], *, audited: bool) -> None:
        self._clients = clients
        self._urls = urls
        self._audits = httpx.Client(timeout=30.0) if audited else None

    def examine(self, record: SessionRecord, sent: list[EventSymbols]) -> Testimony:
        """Compare a session with the events that were sent to it.

        Args:
            record: A session that has a server-side session.
            sent: Its events in order; those that make no event in a server left out.

        Raises:
            KatoError: The server did not answer.
        """
        client, session_id = self._clients(record.spec.instance), str(record.session_id)
        stm = [found_event(event) for event in client.get_stm(session_id)]
        difference = compare(sent[-STM_EVENTS:], stm)
        if self._audits is not None and difference == Difference():
            difference = compare(sent, self._audited(self._audits, record))
        return Testimony(applied=client.cognition_data(session_id).time, difference=difference)

    def close(self) -> None:
        """Close the connections."""
        if self._audits is not None:
            self._audits.close()

    def _audited(self, http: httpx.Client, record: SessionRecord) -> list[EventSymbols]:
        url = f"{self._urls[record.spec.instance]}/_dev/audit/{record.session_id}"
        found: list[EventSymbols] = []
        offset, total = 0, 1
        while offset < total:
            page = (
                http.get(url, params={"offset": offset, "limit": _PAGE}).raise_for_status().json()
            )
            entries, total = page["entries"], page["total"]
            if not entries:
                break
            found += [
                found_event(entry["event"])
                for entry in entries
                if entry["kind"] == "observe" and entry["event"]
            ]
            offset += len(entries)
        return found
