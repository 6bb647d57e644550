"""Asks the servers themselves what they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kato_tasks.clients import Clients
from kato_tasks.demo.checking import Difference, Observed, compare, nameless
from kato_tasks.kato.transport import Transport
from kato_tasks.models import SessionRecord

STM_EVENTS: Final = 1_000
"""How many events a server keeps in a short-term memory (kato-api 4)."""
_PAGE: Final = 5_000
_TIMEOUT: Final = 30.0


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

    def __init__(self, clients: Clients, urls: Mapping[str, str], *, audited: bool) -> None:
        self._clients = clients
        self._urls = urls
        self._audited = audited
        self._audits: dict[str, Transport] = {}

    def examine(self, record: SessionRecord, sent: Sequence[Observed]) -> Testimony:
        """Compare a session with the observations that were sent to it.

        Args:
            record: A session that has a server-side session.
            sent: Its observations in order.

        Raises:
            KatoError: The server did not answer.
        """
        client, session_id = self._clients(record.spec.instance), str(record.session_id)
        stm = [tuple(event) for event in client.get_stm(session_id)]
        if any(one.has_vectors for one in sent):
            sent = [one.nameless() for one in sent]
            stm = [nameless(event) for event in stm]
            audit = [one.nameless() for one in self._audit(record)]
        else:
            audit = list(self._audit(record))
        events = [one.event for one in sent if one.event]
        difference = compare(events[-STM_EVENTS:], stm)
        if self._audited and difference == Difference():
            difference = compare(sent, audit)
        applied = client.cognition_data(session_id).time
        return Testimony(
            applied=applied, difference=difference.at_least(sent=len(sent), applied=applied)
        )

    def close(self) -> None:
        """Close the connections."""
        for transport in self._audits.values():
            transport.close()

    def _audit(self, record: SessionRecord) -> Iterator[Observed]:
        """Return every observation that was applied, in order; none without an audit."""
        offset, total = 0, int(self._audited)
        while offset < total:
            answer = self._transport(record.spec.instance).send(
                "GET",
                "/_dev/audit/{id}",
                name=str(record.session_id),
                query=f"?offset={offset}&limit={_PAGE}",
            )
            total = answer.take("total", int)
            entries: list[dict[str, Any]] = answer.take("entries", list)
            if not entries:
                return
            for entry in entries:
                if entry["kind"] == "observe":
                    yield Observed.audited(entry)
            offset += len(entries)

    def _transport(self, instance: str) -> Transport:
        # Not the client's: it counts its calls, and the audit is no part of KATO.
        if instance not in self._audits:
            self._audits[instance] = Transport(
                self._urls[instance],
                timeout=_TIMEOUT,
                connect_timeout=_TIMEOUT,
                max_connections=1,
                transport=None,
            )
        return self._audits[instance]
