"""What the in-memory twins share: the state of one store, and its clock."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.deadlines import over
from kato_tasks.models import (
    Command,
    DeadLetter,
    Intent,
    JournalEntry,
    LearnDoubt,
    Learning,
    Lease,
    Life,
    Outcome,
    SessionSpec,
    SessionState,
)

_START_MS: Final = 1_700_000_000_000


@dataclass(kw_only=True, slots=True)
class Entry:
    """All that one session has in the store; ``*_until`` are deadlines by the store's clock.

    The parts expire one by one, as the Redis keys do: the record with its fields, the ids, the
    outcomes, the lease. An absent deadline means that a part stays.
    """

    spec: SessionSpec | None = None
    record_until: int | None = None
    state: SessionState = SessionState.NEW
    sid: str | None = None
    time: int = 0
    epoch: int = 0
    lifetime: int | None = None
    fresh_ms: int = 0
    wrote_ms: int = 0
    ends_ms: int | None = None
    keep: bool = False
    stm: Sequence[Sequence[str]] | None = None
    appended: int = 0
    applied: int = 0
    created_ms: int = 0
    active_ms: int = 0
    doubt: str | None = None
    parked: str | None = None
    letter: str | None = None
    suspect: str | None = None
    rehomed: int = 0
    why: str | None = None
    intent: Intent | None = None
    intent_ms: int = 0
    most: int | None = None
    attempts: int = 0
    failures: int = 0
    replays: int = 0
    adopted: bool = False
    ruling: LearnDoubt | None = None
    bind: int | None = None
    placed: str | None = None
    moving: str | None = None
    moving_until: int = 0
    way_until: int = 0
    events: int = 0
    learning: Learning = field(default_factory=Learning)
    commands: list[Command] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    cut: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    ids_until: int = 0
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    outcomes_until: int = 0
    token: str | None = None
    token_until: int = 0

    def is_past(self, now: int) -> bool:
        """Tell whether its own time has run out, and nobody has noted yet that it has ended."""
        waits, ended = self.appended != self.applied, self.state is SessionState.ENDED
        return not waits and not ended and over(self.life, now)

    def is_over(self, now: int) -> bool:
        """Tell whether it has ended and nothing waits: the next command starts a new one."""
        ended = self.state is SessionState.ENDED and self.appended == self.applied
        return ended or self.is_past(now)

    @property
    def life(self) -> Life:
        """How long the session lives."""
        return Life(
            lifetime=self.lifetime,
            fresh_ms=self.fresh_ms,
            ends_ms=self.ends_ms,
            keep=self.keep,
            used_ms=self.active_ms,
            wrote_ms=self.wrote_ms,
        )

    def forget_life(self) -> None:
        """Forget how long the session lived."""
        self.keep, self.ends_ms, self.lifetime = False, None, None

    def leave(self) -> None:
        """Forget the server-side session, and all that made it what it was."""
        self.sid, self.bind = None, None
        self.intent, self.intent_ms, self.doubt, self.suspect, self.stm = None, 0, None, None, None
        self.parked = self.letter = self.why = None
        self.journal, self.cut = [], 0
        self.epoch += 1

    def unbind(self, seq: int) -> None:
        """Note that the server-side session is gone by the command at position ``seq``."""
        self.sid, self.state = None, SessionState.ENDED
        self.suspect = self.stm = None
        self.forget_life()
        if self.bind is not None and self.bind < seq:
            self.bind = None
        self.epoch += 1

    def expired(self, now: int) -> Entry:
        """Return this entry, or a new one with what of it has outlived its record."""
        if now >= self.token_until:
            self.token = None
        if now >= self.ids_until:
            self.ids.clear()
        if now >= self.outcomes_until:
            self.outcomes.clear()
        if self.record_until is None or now < self.record_until:
            return self
        return Entry(
            ids=self.ids,
            ids_until=self.ids_until,
            outcomes=self.outcomes,
            outcomes_until=self.outcomes_until,
        )


@dataclass(kw_only=True, slots=True)
class BreakerEntry:
    """The circuit breaker of one instance; times are the store's, in milliseconds.

    Attributes:
        forgotten: When all of this is forgotten.
        failures: Failed calls in a row.
        until: Until when nobody calls; None while it is closed.
        pause: How long that was.
        prober: Who probes.
        probed_until: When somebody else may probe.
    """

    forgotten: int = 0
    failures: int = 0
    until: int | None = None
    pause: int = 0
    prober: str | None = None
    probed_until: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessEntry:
    """A process that calls an instance.

    Attributes:
        process: Which.
        until: When it is forgotten, milliseconds.
        connections: How many it may have open.
        under_way: How many calls it has under way.
    """

    process: object
    until: int
    connections: int
    under_way: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleLease:
    """The lease of the schedule.

    Attributes:
        token: Of which beat.
        holder: Who that is, for people.
        until: When it ends, milliseconds.
    """

    token: str
    holder: str
    until: int


class MemoryStore:
    """The state behind :class:`MemoryLanes`, :class:`MemoryRegistry` and :class:`MemoryNodes`.

    Everything that expires in Redis expires here, by a clock that moves only when it is told to.
    Dead letters are bounded exactly, where Redis keeps up to a hundred more.

    Args:
        now_ms: What the clock shows first, epoch milliseconds.

    Attributes:
        changed: Guards all of the state; notified when the clock moves or a node becomes free.
        ready: Lanes with work, and when the sweep looks at them, milliseconds.
        activity: Sessions, and their last use, milliseconds.
        idle: Sessions, and when somebody looks whether they are idle, milliseconds.
        refresh: Sessions that are kept alive, and when somebody looks at them, milliseconds.
        counts: The counters, latency buckets among them.
        dead: The dead letters, the oldest first.
        alone: Nodes whose calls go one at a time, and until when.
        holds: Holds on nodes: their tokens, and until when.
        learners: Who may learn on a node, and until when.
        learned: Which session had that right last.
        breakers: The circuit breakers that are not closed and at peace.
        processes: The processes that share an instance's connections.
        schedule_lease: Which beat has the ticks sent, if any ever had.
        cordons: Instances that take no new session, and since when, seconds.
        homes: Where nodes are at home, and until when that is known.
        adopted: Under which key a server's session has become ours, and until when that is known.
        schedule_runs: When each entry of the schedule ran last, milliseconds.
    """

    def __init__(self, now_ms: int = _START_MS) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.ready: dict[str, int] = {}
        self.activity: dict[str, int] = {}
        self.idle: dict[str, int] = {}
        self.refresh: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.dead: list[DeadLetter] = []
        self.alone: dict[str, int] = {}
        self.holds: dict[str, dict[str, int]] = {}
        self.learners: dict[str, tuple[Lease, int]] = {}
        self.learned: dict[str, str] = {}
        self.breakers: dict[str, BreakerEntry] = {}
        self.processes: dict[str, list[ProcessEntry]] = {}
        self.schedule_lease: ScheduleLease | None = None
        self.schedule_runs: dict[str, int] = {}
        self.cordons: dict[str, float] = {}
        self.adopted: dict[tuple[str, str], tuple[str, int]] = {}
        self.homes: dict[str, tuple[str, int]] = {}
        self._entries: dict[str, Entry] = {}
        self._now_ms = now_ms
        self._posted = 0

    def post(
        self, key: str, seq: int, command: Command, outcome: Outcome, *, parked: bool = False
    ) -> str:
        """Keep a dead letter; return its id."""
        self._posted += 1
        letter = DeadLetter(
            id=f"0:{self.now_ms}-{self._posted}",
            key=key,
            seq=seq,
            command=command,
            outcome=outcome,
            at=self.now_ms / 1000,
            parked=parked,
        )
        self.dead.append(letter)
        return letter.id

    def keep_letters(self, most: int) -> None:
        """Forget the oldest dead letters beyond so many."""
        del self.dead[:-most]

    def take_letter(self, name: str) -> DeadLetter | None:
        """Remove a dead letter and return it; None if there is none of that id."""
        found = next((letter for letter in self.dead if letter.id == name), None)
        if found is not None:
            self.dead.remove(found)
        return found

    @property
    def now_ms(self) -> int:
        """The clock, epoch milliseconds."""
        return self._now_ms

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        with self.changed:
            self._now_ms = value
            self.changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        with self.changed:
            self.now_ms += round(seconds * 1000)

    def entry(self, key: str) -> Entry:
        """Return the living entry of a session key; call it with ``changed`` held."""
        entry = self._entries.get(key, Entry()).expired(self._now_ms)
        self._entries[key] = entry
        return entry

    def look(self, index: dict[str, int], key: str, seconds: float | None) -> None:
        """Note when somebody looks at a session next; None for never."""
        if seconds is None:
            index.pop(key, None)
        else:
            index[key] = self._now_ms + max(0, round(seconds * 1000))

    def after(self, seconds: float) -> int:
        """Return a deadline this far from now; at least 1 ms, as the scripts' time-outs are."""
        return self._now_ms + max(1, round(seconds * 1000))
