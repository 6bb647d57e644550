"""What a chaos run has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kato_tasks.chaos.judging import Learned
from kato_tasks.demo.checking import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """What came of the migrations of a run.

    Attributes:
        migrations: How many there were.
        moved: How often they moved a session, by the ledger.
        skipped: How often they found nothing to move.
        failed: How often a session stayed where it was because it could not be moved.
        cancelled: How often one stayed because its migration was cancelled.
        unfinished: Migrations that were still under way long after the last fault.
        ledger_mismatches: Sessions that are not where the ledger says.
        astray: Sessions that are not at one instance alone: the one they are bound to is not there,
            or another was written to long after it was left.
    """

    migrations: int = 0
    moved: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    unfinished: int = 0
    ledger_mismatches: int = 0
    astray: int = 0

    @property
    def sound(self) -> bool:
        """True if something was moved, and every session is where it must be and nowhere else."""
        wrong = self.unfinished + self.ledger_mismatches + self.astray
        return self.moved > 0 and not wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a chaos run has found.

    Attributes:
        seconds: How long faults struck and producers sent.
        seed: What made both the same as in every run with it.
        sessions: Sessions that had a command accepted.
        observations: Good observations that were accepted.
        commands: Commands that were accepted, poison too.
        difference: What the sessions have against what was accepted.
        dead_lettered: Commands that ended as dead letters.
        rehomed: How often a session was made anew, by the deliverers' own count.
        hibernated: How often a session was put to sleep.
        woken: How often one was woken.
        refreshed: How often a server was told to keep one.
        anomalies: What deliverers saw that must not be, by their own count, and poison that was
            not refused.
        learned: How often patterns were learned that must have been learned once.
        stuck: Sessions with commands that were still not delivered in the end.
        faults: How often each kind of fault has really struck.
        recovery_seconds: From the last fault's end until every lane was empty; None if some never
            was.
        migrated: What came of migrations; None in a run without.
        problems: What is wrong, as sentences; not all if there are many.
    """

    seconds: float
    seed: int
    sessions: int
    observations: int
    commands: int
    difference: Difference
    dead_lettered: int = 0
    rehomed: int = 0
    hibernated: int = 0
    woken: int = 0
    refreshed: int = 0
    anomalies: int = 0
    learned: Learned = field(default_factory=Learned)
    stuck: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    recovery_seconds: float | None = None
    migrated: Migrated | None = None
    problems: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True if something was observed, all of it is there once and in order, and none is stuck.

        In a run with migrations, sessions have to be where they must be, too. How often patterns
        were learned does not count: no client can learn exactly once.
        """
        there = self.observations > 0 and self.difference == Difference() and not self.stuck
        return there and (self.migrated is None or self.migrated.sound)

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        recovery = self.recovery_seconds
        return {
            "seconds": self.seconds,
            "seed": self.seed,
            "sessions": self.sessions,
            "observations": self.observations,
            "commands": self.commands,
            **asdict(self.difference),
            "dead_lettered": self.dead_lettered,
            "rehomed": self.rehomed,
            "hibernated": self.hibernated,
            "woken": self.woken,
            "refreshed": self.refreshed,
            "anomalies": self.anomalies,
            "learns": self.learned.learns,
            "learns_twice": self.learned.twice,
            "learns_lost": self.learned.lost,
            "stuck": self.stuck,
            "faults": dict(sorted(self.faults.items())),
            "faults_total": sum(self.faults.values()),
            "recovery_seconds": None if recovery is None else round(recovery, 1),
            **({} if self.migrated is None else asdict(self.migrated)),
            "problems": list(self.problems),
            "sound": self.sound,
        }
