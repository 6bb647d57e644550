"""Asks the servers themselves what they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kato_tasks.clients import Clients
from kato_tasks.demo.audit import Audit
from kato_tasks.demo.checking import Difference, Observed, compare, nameless
from kato_tasks.models import SessionRecord

STM_EVENTS: Final = 1_000
"""How many events a server keeps in a short-term memory (kato-api 4)."""


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
        self._audits: dict[str, Audit] = {}

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
        for audit in self._audits.values():
            audit.close()

    def _audit(self, record: SessionRecord) -> Iterator[Observed]:
        """Return every observation that was applied, in order; none without an audit."""
        if not self._audited:
            return
        for entry in self._of(record.spec.instance).entries(str(record.session_id)):
            if entry["kind"] == "observe":
                yield Observed.audited(entry)

    def _of(self, instance: str) -> Audit:
        if instance not in self._audits:
            self._audits[instance] = Audit(self._urls[instance])
        return self._audits[instance]
