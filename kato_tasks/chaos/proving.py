"""Makes the proof: reads every session back and compares it with what was accepted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kato_tasks.chaos.acceptances import Acceptance, Acceptances
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.expecting import Expected, expect
from kato_tasks.chaos.judging import Evidence, Finding, Learned, count_learns, judge
from kato_tasks.chaos.reading import Found, Reader
from kato_tasks.chaos.report import Migrated, Report
from kato_tasks.chaos.whereabouts import compare_ledger, find_astray
from kato_tasks.demo.checking import Difference
from kato_tasks.errors import SessionNotFound
from kato_tasks.instrumentation import Told
from kato_tasks.ledger import Ledger
from kato_tasks.models import SessionRecord
from kato_tasks.registry import Registry

_SHOWN: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What has happened.

    Attributes:
        seconds: How long faults struck.
        seed: The seed.
        crowd: The sessions.
        accepted: What was accepted for them.
        struck: How often each kind of fault has struck.
        recovery: Seconds until every lane was empty; None if some never was.
        problems: What went wrong beside, as sentences.
    """

    seconds: float
    seed: int
    crowd: Sequence[Member]
    accepted: Acceptances
    struck: Mapping[str, int]
    recovery: float | None
    problems: tuple[str, ...] = ()


Revive = Callable[[str], None]
"""Has a session made anew that sleeps, or that its server has lost while nobody used it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Witnesses:
    """Who is asked.

    Attributes:
        registry: Tells where each session is, and which commands were refused.
        instances: Where each development server is, by the instance's name.
        revive: Called for each session before it is read.
        ledger: Tells where sessions were moved; None in a run without migrations.
    """

    registry: Registry
    instances: Mapping[str, str]
    revive: Revive
    ledger: Ledger | None = None


def prove(run: Run, witnesses: Witnesses, told: Told) -> Report:
    """Read every session back, and compare.

    Args:
        run: What has happened.
        witnesses: Who is asked.
        told: Told of progress.

    Raises:
        StoreUnavailable: The store did not answer.
        KatoError: A server did not answer.
        LedgerUnavailable: The ledger did not answer.
    """
    used = [member for member in run.crowd if run.accepted.of[member.key]]
    sums = _Sums()
    with Reader(*witnesses.instances.values()) as reader:
        for done, member in enumerate(used, start=1):
            witnesses.revive(member.key)
            _examine(member, run.accepted.of[member.key], witnesses, reader, sums)
            told("comparing", done, len(used))
    migrated, problems = None, tuple(sums.astray.values())
    if witnesses.ledger is not None:
        migrated, wrong = compare_ledger(
            witnesses.ledger, witnesses.registry, tuple(witnesses.instances)
        )
        migrated = replace(migrated, astray=len(sums.astray))
        problems += wrong
    return _report(run, sums, witnesses.registry.stats().counts, (migrated, problems))


def _report(
    run: Run,
    sums: _Sums,
    counts: Mapping[str, int],
    moved: tuple[Migrated | None, tuple[str, ...]],
) -> Report:
    migrated, wrong = moved
    stuck, told = sums.stuck, (*run.problems, *run.accepted.problems, *wrong)
    return Report(
        seconds=run.seconds,
        seed=run.seed,
        sessions=sum(bool(taken) for taken in run.accepted.of.values()),
        observations=sums.observations,
        commands=run.accepted.commands(),
        difference=sums.finding.difference,
        dead_lettered=sums.refused,
        rehomed=counts.get("rehomed", 0),
        hibernated=counts.get("hibernated", 0),
        woken=counts.get("woken", 0),
        refreshed=counts.get("refreshed", 0),
        anomalies=counts.get("anomalies", 0) + sums.applied_poison,
        learned=sums.learned,
        stuck=len(stuck.keys() | run.accepted.unsettled),
        faults=run.struck,
        recovery_seconds=run.recovery,
        migrated=migrated,
        problems=(*told, *stuck.values(), *sums.finding.problems)[:_SHOWN],
    )


@dataclass(slots=True)
class _Sums:
    """What was found in all sessions together."""

    finding: Finding = field(default_factory=Finding)
    learned: Learned = field(default_factory=Learned)
    observations: int = 0
    refused: int = 0
    applied_poison: int = 0
    stuck: dict[str, str] = field(default_factory=dict)
    astray: dict[str, str] = field(default_factory=dict)

    def take(self, expected: Expected) -> None:
        """Add what a session was expected to be."""
        self.observations += expected.observations
        self.refused += expected.refused + expected.wronged
        self.applied_poison += expected.applied_poison


def _examine(
    member: Member,
    accepted: Sequence[Acceptance],
    witnesses: Witnesses,
    reader: Reader,
    sums: _Sums,
) -> None:
    registry = witnesses.registry
    record = registry.get(member.key)
    refused = _refused(registry, member.key, accepted[-1].seq)
    delivered = 0 if record is None else record.applied
    expected = expect(member, accepted, refused=refused, delivered=delivered)
    sums.take(expected)
    bound = None if record is None else record.session_id
    server = None if record is None else witnesses.instances.get(record.spec.instance)
    found, gone = _found(reader, bound, server)
    lineage = reader.lineage(member.key, bound)
    evidence = Evidence(lineage=lineage, bound=bound, found=found)
    sums.finding += gone + judge(member, expected, accepted, evidence)
    if record is None or record.waiting:
        sums.stuck[member.key] = _stuck(member.key, record)
    if (words := find_astray(member.key, lineage, bound, server)) is not None:
        sums.astray[member.key] = words
    frequency = {name: reader.frequency(name, member.node) for name in expected.patterns}
    sums.learned += count_learns(expected.patterns, frequency)


def _refused(registry: Registry, key: str, last: int) -> set[int]:
    outcomes = registry.outcomes(key, 1, last)
    return {seq for seq, outcome in outcomes.items() if outcome.refusal is not None}


def _found(reader: Reader, bound: str | None, server: str | None) -> tuple[Found, Finding]:
    if bound is None:
        return Found(), Finding()
    try:
        return reader.session(bound, server), Finding()
    except SessionNotFound as error:
        words = f"{bound}: a session is bound to it that the server does not have: {error}."
        return Found(), Finding(difference=Difference(lost=1), problems=(words,))


def _stuck(key: str, record: SessionRecord | None) -> str:
    if record is None:
        return f"{key}: the store does not know it."
    reason = record.parked or record.doubt or "nobody says why"
    return f"{key}: {record.waiting} commands still wait, {record.state}: {reason}."
