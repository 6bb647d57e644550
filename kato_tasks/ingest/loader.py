"""Puts events into their sessions' lanes, many in one round trip."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from kato_tasks.errors import LaneFull, StoreUnavailable
from kato_tasks.ingest.chunks import from_file, from_pipe
from kato_tasks.ingest.reader import Event, Problem
from kato_tasks.instrumentation import logger
from kato_tasks.lanes import Refusal
from kato_tasks.models import Append, Group, Kind
from kato_tasks.sessions import Receipt, Session, Sessions, group_commands

_CHUNK: Final = 10_000
"""Lines of one round trip: the more there are, the more of a session's events share a call."""
_KNOWN: Final = 10_000
_PATIENCE: Final = 30.0
_PAUSE: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What has become of the lines so far.

    Attributes:
        read: Lines looked at, without blank ones.
        accepted: Observations in their lanes.
        repeated: Of those, how many had been accepted before, as far as is known: where a round
            trip got no answer and was made again, what the first one added cannot be told from
            what was there before, so none of its lines is counted.
        refused: Lines that were not taken so far.
        problems: The lines that were not taken in this step.
    """

    read: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Span:
    """Where the commands of one session stand in its lane.

    Attributes:
        first: The lowest position.
        last: The highest one. Between them others' commands may stand too.
    """

    first: int
    last: int


@dataclass(slots=True)
class _Part:
    """Following events of one session and one node in one chunk.

    Whether the node is the session's is for the store to say. So a line without a node is never
    put to one with: it would be refused with it, and it fits whatever node the session has.
    """

    session: Session
    node: str | None
    events: list[Event] = field(default_factory=list)


class Loader:
    """Loads events; made for one source.

    Args:
        sessions: Where the events go.
        source: The source's name, for problems.

    Attributes:
        spans: Where the accepted commands of each session stand.
    """

    def __init__(self, sessions: Sessions, source: str) -> None:
        self.spans: dict[str, Span] = {}
        self._sessions = sessions
        self._source = source
        self._known: dict[tuple[str, str | None], Session] = {}

    def load(self, events: Iterable[Event | Problem], *, waits: bool) -> Iterator[Totals]:
        """Load everything, and say after each chunk how far it has come.

        Args:
            events: What to load.
            waits: They may be long in coming: load what is at hand instead of full chunks.

        Raises:
            StoreUnavailable: The store stayed away for half a minute; what was accepted stays.
        """
        totals = Totals()
        chunks = from_pipe if waits else from_file
        for chunk in chunks(events, _CHUNK):
            problems = [item for item in chunk if isinstance(item, Problem)]
            parts = self._parts(item for item in chunk if isinstance(item, Event))
            accepted, repeated, conflicts = self._accept(parts)
            problems += conflicts
            totals = Totals(
                read=totals.read + len(chunk),
                accepted=totals.accepted + accepted,
                repeated=totals.repeated + repeated,
                refused=totals.refused + len(problems),
                problems=tuple(sorted(problems, key=lambda problem: problem.line)),
            )
            yield totals

    def _parts(self, events: Iterable[Event]) -> list[_Part]:
        parts: list[_Part] = []
        current: dict[str, _Part] = {}
        for event in events:
            part = current.get(event.session)
            if part is None or event.node != part.node:
                part = current[event.session] = _Part(self._session(event), event.node)
                parts.append(part)
            part.events.append(event)
        return parts

    def _session(self, event: Event) -> Session:
        name = (event.session, event.node)
        session = self._known.get(name)
        if session is None or event.config or event.ttl or event.tags:
            session = self._sessions.session(
                event.session,
                node=event.node,
                config=event.config,
                ttl=event.ttl,
                tags=event.tags,
            )
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[name] = session
        return session

    def _accept(self, parts: list[_Part]) -> tuple[int, int, list[Problem]]:
        requests = [part.session.request(_groups(part.events)) for part in parts]
        answers, again = self._patiently(requests)
        accepted = repeated = 0
        refused: list[Problem] = []
        for part, answer in zip(parts, answers, strict=True):
            if not isinstance(answer, Receipt):
                refused += [self._problem(event, str(answer)) for event in part.events]
                continue
            accepted += len(part.events)
            repeated += 0 if again else len(part.events) - answer.added
            self._note(answer)
        return accepted, repeated, refused

    def _note(self, receipt: Receipt) -> None:
        # A repeated command stands where it stood: the last one may be before the first.
        low, high = sorted((receipt.first, receipt.seq))
        span = self.spans.setdefault(receipt.key, Span(low, high))
        span.first, span.last = min(span.first, low), max(span.last, high)

    def _patiently(self, requests: list[Append]) -> tuple[list[Receipt | Refusal], bool]:
        """Repeat while the store is away or a lane is full; the command_ids make it safe.

        Returns:
            The answers, and whether there was an attempt that may have had some effect.
        """
        until, again, waiting = time.monotonic() + _PATIENCE, False, -1
        while True:
            try:
                answers = self._sessions.intake.accept_each(requests)
            except StoreUnavailable as error:
                if time.monotonic() > until:
                    raise
                logger.warning("store away, trying again", extra={"reason": error.reason})
            else:
                left = sum(one.waiting for one in answers if isinstance(one, LaneFull))
                if not left or time.monotonic() > until:
                    return answers, again
                if left != waiting:
                    # As long as lanes get shorter, there will be room.
                    until, waiting = time.monotonic() + _PATIENCE, left
            again = True
            time.sleep(_PAUSE)

    def _problem(self, event: Event, reason: str) -> Problem:
        return Problem(source=self._source, line=event.line, reason=reason)


def _groups(events: list[Event]) -> tuple[Group, ...]:
    """Return a session's events as groups: those with an id of their own alone."""
    groups: list[Group] = []
    for command_id, run in groupby(events, key=lambda event: event.command_id):
        payloads = [event.payload for event in run]
        if command_id is None:
            groups += group_commands(Kind.OBSERVE, payloads, None)
        else:
            # The same id on following lines names one command; the script answers the first.
            groups += [
                one
                for payload in payloads
                for one in group_commands(Kind.OBSERVE, (payload,), command_id)
            ]
    return tuple(groups)
