"""Runs the demo on a stack that is up."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from kato_tasks.demo.checking import ANY_VECTOR, Difference, EventSymbols, expected_event
from kato_tasks.demo.report import Forecast, Report
from kato_tasks.demo.witness import Witness
from kato_tasks.ingest import Event, Loader, Problem, open_source, read_events
from kato_tasks.instrumentation import quantile
from kato_tasks.models import SessionRecord
from kato_tasks.producer import KatoTasks
from kato_tasks.registry import Stats

Told = Callable[[str, int, int], None]
"""Told of progress: the step in words, how much of it is done, how much there is."""

_PATIENCE: Final = 60.0
_LOOK: Final = 0.05
_FORECASTS: Final = 3
_SHOWN: Final = 3
_LEARNED: Final = 6


@dataclass(slots=True)
class _Sent:
    """What was sent: the events of each session in order, with their lines."""

    sessions: defaultdict[str, list[tuple[int, EventSymbols]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    refused: set[int] = field(default_factory=set)

    def noting(self, events: Iterable[Event | Problem]) -> Iterator[Event | Problem]:
        """Pass events on, and remember them."""
        for event in events:
            if isinstance(event, Event):
                symbols = expected_event(event.strings, has_vectors=event.has_vectors)
                self.sessions[event.session].append((event.line, symbols))
            yield event

    def events(self, key: str) -> list[EventSymbols]:
        """Return the events that a session must have now."""
        return [
            symbols for line, symbols in self.sessions[key] if symbols and line not in self.refused
        ]

    def used(self) -> int:
        """Return how many sessions had an observation accepted."""
        return sum(
            any(line not in self.refused for line, _ in events) for events in self.sessions.values()
        )

    def count(self) -> int:
        """Return how many observations were accepted."""
        return sum(
            line not in self.refused for events in self.sessions.values() for line, _ in events
        )


def run_demo(kato: KatoTasks, source: str, *, audited: bool, told: Told) -> Report:
    """Send a file's events, wait until they are applied, and compare what the servers have.

    Args:
        kato: Connected to a store that has seen nothing else.
        source: A JSON Lines file, plain or gzip.
        audited: The servers are development servers.
        told: Told of progress.

    Raises:
        KatoTasksError: The store or a server went away for long.
    """
    sent = _Sent()
    began = time.monotonic()
    refused = _send(kato, source, sent, told)
    stats = _wait(kato, sent.count(), told)
    seconds = time.monotonic() - began
    applied, difference = _compare(kato, sent, told, audited=audited)
    forecasts = tuple(_forecasts(kato, sent, told))
    if not audited:
        _tidy(kato, sent, told)
    return Report(
        sessions=sent.used(),
        observations=sent.count(),
        applied=applied,
        refused=refused,
        difference=difference,
        seconds=seconds,
        http_calls=stats.counts.get("calls", 0),
        observe_calls=stats.counts.get("observe_calls", 0),
        latency_p50_ms=quantile(stats.latency, 0.5),
        latency_p99_ms=quantile(stats.latency, 0.99),
        audited=audited,
        forecasts=forecasts,
    )


def _send(kato: KatoTasks, source: str, sent: _Sent, told: Told) -> int:
    refused = 0
    loader = Loader(kato.services.sessions, source)
    with open_source(source) as file:
        events = read_events(
            file, source, max_observation_bytes=kato.settings.max_observation_bytes
        )
        for totals in loader.load(sent.noting(events)):
            refused = totals.refused
            sent.refused.update(problem.line for problem in totals.problems)
            told("sending", totals.accepted, 0)
    return refused


def _wait(kato: KatoTasks, expected: int, told: Told) -> Stats:
    """Wait until all is applied, or until nothing has happened for a minute."""
    seen, since = -1, time.monotonic()
    while True:
        stats = kato.services.registry.stats()
        applied = stats.counts.get("observations", 0) + stats.counts.get("refused", 0)
        told("delivering", applied, expected)
        if applied >= expected:
            return stats
        if applied != seen:
            seen, since = applied, time.monotonic()
        elif time.monotonic() - since > _PATIENCE:
            return stats
        time.sleep(_LOOK)


def _compare(kato: KatoTasks, sent: _Sent, told: Told, *, audited: bool) -> tuple[int, Difference]:
    witness = Witness(kato.services.clients, dict(kato.settings.instances), audited=audited)
    applied, difference = 0, Difference()
    try:
        for done, key in enumerate(sent.sessions, start=1):
            record = kato.find(key)
            if record is None or record.session_id is None:
                difference += Difference(lost=len(sent.events(key)))
                continue
            testimony = witness.examine(record, sent.events(key))
            applied += testimony.applied
            difference += testimony.difference
            told("comparing", done, len(sent.sessions))
    finally:
        witness.close()
    return applied, difference


def _forecasts(kato: KatoTasks, sent: _Sent, told: Told) -> Iterator[Forecast]:
    """Learn the beginnings of some sessions, show half of each again, ask what comes next."""
    chosen: dict[str, SessionRecord] = {}
    for key in sent.sessions:
        record = kato.find(key)
        events = sent.events(key)[:_LEARNED]
        if record is not None and len(events) == _LEARNED and not _has_vectors(events):
            chosen.setdefault(record.spec.node, record)
    for done, record in enumerate(islice(chosen.values(), _FORECASTS), start=1):
        yield _forecast(kato, record, sent.events(record.key)[:_LEARNED])
        told("asking for predictions", done, min(_FORECASTS, len(chosen)))


def _has_vectors(events: list[EventSymbols]) -> bool:
    return any(ANY_VECTOR in event for event in events)


def _tidy(kato: KatoTasks, sent: _Sent, told: Told) -> None:
    """Delete the sessions of the demo from servers that are not ours."""
    receipts = [
        kato.session(key, node=record.spec.node, instance=record.spec.instance).delete()
        for key in sent.sessions
        if (record := kato.find(key)) is not None
    ]
    for done, receipt in enumerate(receipts, start=1):
        receipt.wait()
        told("deleting the demo's sessions", done, len(receipts))


def _forecast(kato: KatoTasks, record: SessionRecord, events: list[EventSymbols]) -> Forecast:
    session = kato.session(
        f"demo-forecast:{record.key}"[:120], node=record.spec.node, instance=record.spec.instance
    )
    observations = [{"strings": list(event)} for event in events]
    session.observe_many(observations)
    session.learn()
    session.observe_many(observations[:_SHOWN])
    predictions = session.predictions().predictions
    session.delete().wait()
    future = predictions[0].get("future") if predictions else None
    expected = future[0] if isinstance(future, list) and future else []
    return Forecast(
        node=record.spec.node,
        shown=tuple(events[:_SHOWN]),
        expected=tuple(map(str, expected)) if isinstance(expected, list) else (str(expected),),
        predictions=len(predictions),
    )
