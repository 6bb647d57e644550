"""Runs the demo on a stack that is up."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from secrets import token_hex
from typing import BinaryIO, Final

from kato_tasks.demo.checking import Difference, EventSymbols, Observed
from kato_tasks.demo.report import Forecast, Report
from kato_tasks.demo.witness import Witness
from kato_tasks.errors import KatoError, KatoTasksError, SessionParked
from kato_tasks.ingest import Event, Loader, Problem, makes_wait, read_events
from kato_tasks.instrumentation import Told, quantile
from kato_tasks.producer import KatoTasks
from kato_tasks.registry import Stats

FORECAST_NODE: Final = "kato-tasks-demo"
"""Whose patterns the demo learns: on a real server, none of the input's own nodes."""
PROBLEMS: Final = 20
"""Most refused lines that a report names."""
_PATIENCE: Final = 60.0
_LOOK: Final = 0.05
_FORECASTS: Final = 3
_SHOWN: Final = 3
_LEARNED: Final = 6
_NAMED: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    number: int
    command_id: str | None
    payload: bytes


@dataclass(slots=True)
class Sent:
    """What was sent: the lines of each session in order.

    Attributes:
        sessions: The lines by session key.
        refused: The numbers of those that were not taken.
        problems: Some of the reasons.
    """

    sessions: defaultdict[str, list[_Line]] = field(default_factory=lambda: defaultdict(list))
    refused: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def noting(self, events: Iterable[Event | Problem]) -> Iterator[Event | Problem]:
        """Pass events on, and remember them."""
        for event in events:
            if isinstance(event, Event):
                line = _Line(number=event.line, command_id=event.command_id, payload=event.payload)
                self.sessions[event.session].append(line)
            yield event

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Note lines that were not taken."""
        for problem in problems:
            self.refused.add(problem.line)
            if len(self.problems) < PROBLEMS:
                self.problems.append(str(problem))

    def payloads(self, key: str) -> list[bytes]:
        """Return the observations that a session must have now.

        Of lines with one command_id only the first that was taken counts: that is what it is for.
        """
        seen: set[str] = set()
        found = []
        for line in self.sessions[key]:
            if line.number in self.refused or line.command_id in seen:
                continue
            if line.command_id is not None:
                seen.add(line.command_id)
            found.append(line.payload)
        return found

    def used(self) -> list[str]:
        """Return the sessions that had an observation accepted."""
        return [key for key in self.sessions if self.payloads(key)]

    def count(self) -> int:
        """Return how many observations the servers must have."""
        return sum(len(self.payloads(key)) for key in self.sessions)


def run_demo(kato: KatoTasks, file: BinaryIO, *, source: str, audited: bool, told: Told) -> Report:
    """Send a file's events, wait until they are applied, and compare what the servers have.

    Once the events are sent there is a report, whatever happens then: what went wrong is in it.

    Args:
        kato: Connected to a store that has seen nothing else.
        file: JSON Lines, plain or gzip.
        source: The file's name.
        audited: The servers are development servers.
        told: Told of progress.

    Raises:
        KatoTasksError: The store went away for long before all was sent and compared.
    """
    sent = Sent()
    began = time.monotonic()
    _send(kato, file, source, sent, told)
    expected = sent.count()
    stats = _wait(kato, expected, told)
    seconds = time.monotonic() - began
    compared = _compare(kato, sent, told, audited=audited)
    report = Report(
        sessions=len(sent.used()),
        observations=expected,
        applied=compared.applied,
        refused=len(sent.refused),
        difference=compared.difference,
        seconds=seconds,
        http_calls=stats.counts.get("calls", 0),
        observe_calls=stats.counts.get("observe_calls", 0),
        latency_p50_ms=quantile(stats.latency, 0.5),
        latency_p99_ms=quantile(stats.latency, 0.99),
        audited=audited,
        unread=compared.unread,
        problems=tuple(sent.problems),
    )
    notes = compared.notes
    forecasts = _forecasts(kato, sent, told, notes)
    if not audited:
        _tidy(kato, sent, told, notes)
    return replace(report, forecasts=forecasts, notes=tuple(notes))


def _send(kato: KatoTasks, file: BinaryIO, source: str, sent: Sent, told: Told) -> None:
    loader = Loader(kato.services.sessions, source)
    limit = kato.settings.max_observation_bytes
    events = read_events(file, source, max_observation_bytes=limit)
    for totals in loader.load(sent.noting(events), waits=makes_wait(file)):
        sent.refuse(totals.problems)
        told("sending", totals.accepted, 0)


def _wait(kato: KatoTasks, expected: int, told: Told) -> Stats:
    """Wait until all is applied, or until nothing has happened for a minute."""
    seen, since = -1, time.monotonic()
    while True:
        stats = kato.services.registry.stats()
        applied = stats.counts.get("observations", 0) + stats.counts.get("dead_lettered", 0)
        told("delivering", applied, expected)
        if applied >= expected:
            return stats
        if applied != seen:
            seen, since = applied, time.monotonic()
        elif time.monotonic() - since > _PATIENCE:
            return stats
        time.sleep(_LOOK)


@dataclass(slots=True)
class _Compared:
    applied: int = 0
    difference: Difference = field(default_factory=Difference)
    unread: int = 0
    parked: int = 0
    notes: list[str] = field(default_factory=list)


def _compare(kato: KatoTasks, sent: Sent, told: Told, *, audited: bool) -> _Compared:
    found = _Compared()
    witness = Witness(kato.services.clients, kato.settings.instances, audited=audited)
    used = sent.used()
    try:
        for done, key in enumerate(used, start=1):
            _examine(kato, witness, key, sent, found)
            told("comparing", done, len(used))
    except KatoError as error:
        # The next session would wait as long as this one did.
        found.unread = len(used) - done + 1
        found.notes.append(f"The comparison ended early: {error}")
    finally:
        witness.close()
    if found.parked > _NAMED:
        found.notes.append(f"{found.parked:,} sessions are parked in all.")
    return found


def _examine(kato: KatoTasks, witness: Witness, key: str, sent: Sent, found: _Compared) -> None:
    observations = [Observed.sent(payload) for payload in sent.payloads(key)]
    record = kato.find(key)
    if record is not None and record.parked is not None:
        found.parked += 1
        if found.parked <= _NAMED:
            found.notes.append(str(SessionParked(key, record.parked)))
    if record is None or record.session_id is None:
        found.difference += Difference(lost=len(observations))
        return
    testimony = witness.examine(record, observations)
    found.applied += testimony.applied
    found.difference += testimony.difference


def _forecasts(kato: KatoTasks, sent: Sent, told: Told, notes: list[str]) -> tuple[Forecast, ...]:
    """Learn the beginnings of some sessions, show half of each again, ask what comes next."""
    forecasts = []
    try:
        chosen = dict(islice(_beginnings(kato, sent), _FORECASTS))
        for done, (key, events) in enumerate(chosen.items(), start=1):
            forecasts.append(_forecast(kato, key, events))
            told("asking for predictions", done, len(chosen))
    except KatoTasksError as error:
        notes.append(f"Asking for predictions failed: {error}")
    return tuple(forecasts)


def _beginnings(kato: KatoTasks, sent: Sent) -> Iterator[tuple[str, list[EventSymbols]]]:
    """Return the first events of sessions of different nodes, if they need no vectors."""
    nodes: set[str] = set()
    for key in sent.used():
        observations = map(Observed.sent, sent.payloads(key))
        events = list(islice((one for one in observations if one.event), _LEARNED))
        if len(events) < _LEARNED or any(one.has_vectors for one in events):
            continue
        record = kato.find(key)
        if record is not None and record.spec.node not in nodes:
            nodes.add(record.spec.node)
            yield key, [one.event for one in events]


def _forecast(kato: KatoTasks, key: str, events: list[EventSymbols]) -> Forecast:
    # The input cannot have a session of this name, so none of its sessions is touched.
    session = kato.session(f"{FORECAST_NODE}:{token_hex(8)}", node=FORECAST_NODE)
    observations = [{"strings": list(event)} for event in events]
    session.observe_many(observations)
    session.learn()
    session.observe_many(observations[:_SHOWN])
    try:
        predictions = session.predictions().predictions
    finally:
        deleted = session.delete()
    deleted.wait()
    future = predictions[0].get("future") if predictions else None
    expected = future[0] if isinstance(future, list) and future else []
    return Forecast(
        session=key,
        shown=tuple(events[:_SHOWN]),
        expected=tuple(map(str, expected)) if isinstance(expected, list) else (str(expected),),
        predictions=len(predictions),
    )


def _tidy(kato: KatoTasks, sent: Sent, told: Told, notes: list[str]) -> None:
    """Delete the sessions of the demo from servers that are not ours."""
    until = time.monotonic() + _PATIENCE
    failures: list[KatoTasksError] = []
    try:
        receipts = [
            kato.session(key, node=record.spec.node, instance=record.spec.instance).delete()
            for key in sent.sessions
            if (record := kato.find(key)) is not None
        ]
    except KatoTasksError as error:
        notes.append(f"The demo's sessions were not deleted: {error}")
        return
    for done, receipt in enumerate(receipts, start=1):
        try:
            receipt.wait(max(0.0, until - time.monotonic()))
        except KatoTasksError as error:
            failures.append(error)
        told("deleting the demo's sessions", done, len(receipts))
    if failures:
        notes.append(f"{len(failures):,} of the demo's sessions may not be deleted: {failures[0]}")
