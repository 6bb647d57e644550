"""The values that pass between the layers: frozen, keyword-only, without behaviour of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

PART: Final = "\n"
"""Stands between a ``command_id`` and the part of a long call; no caller's id may hold it."""


class Kind(StrEnum):
    """What a command does to its session. The value is its mark in the lane."""

    OBSERVE = "o"
    """Add one observation."""
    LEARN = "l"
    """Make a pattern of the short-term memory and empty it."""
    CLEAR_STM = "c"
    """Empty the short-term memory, its accumulators and its clock."""
    CONFIGURE = "g"
    """Change some keys of the session's config."""
    DELETE = "d"
    """End the session; a later command under its key starts an empty one."""
    EXTEND = "e"
    """Let the server keep the session for longer; no command, but a call that may be in doubt."""


class PredictionMode(StrEnum):
    """When the server computes predictions for a session."""

    ON_DEMAND = "on_demand"
    """When asked: cheap observes, and calls of one node may overlap."""
    ALWAYS = "always"
    """At every observe: the server then takes one call at a time per node."""


class DialectName(StrEnum):
    """How a KATO server speaks; the value is what settings and reports say."""

    V3 = "v3"
    """As KATO 3.10.1 was measured."""
    GUIDE = "guide"
    """As KATO's session guide writes."""


class AnomalyPolicy(StrEnum):
    """What happens where a server has another memory of a session than it must have."""

    REHOME = "rehome"
    """The session is made anew of its journal."""
    PARK = "park"
    """Nothing more is sent to it until a person says so."""
    ACCEPT = "accept"
    """What the server has is what counts from now on."""


class LearnDoubt(StrEnum):
    """What happens to a learn of which cannot be told whether it was counted."""

    RESEND = "resend"
    """It is sent again: it may count twice."""
    SKIP = "skip"
    """It is taken for done: it may not count at all."""
    PARK = "park"
    """The lane waits for a person."""


class PoisonPolicy(StrEnum):
    """What happens to a lane whose server does not take a command."""

    GO_ON = "go_on"
    """The command becomes a dead letter, the next one is sent."""
    PARK = "park"
    """The command becomes a dead letter and stays where it is; nothing is sent."""


class IdlePolicy(StrEnum):
    """What happens to a session that nobody has used for longer than its limit."""

    HIBERNATE = "hibernate"
    """It is put to sleep: its server forgets it, and its next use makes it anew."""
    DELETE = "delete"
    """It ends: a later command under its key starts an empty one."""
    KEEP = "keep"
    """Nothing: its server forgets it when its time to live is over."""


class SessionState(StrEnum):
    """Where a session is in its life, as the registry has it.

    The first four are the guide's, and tell sessions with one at a server apart by their last use.
    """

    ACTIVE = "active"
    """Used lately."""
    IDLE = "idle"
    """Not used for longer than the setting ``idle_seconds``."""
    EXPIRING = "expiring"
    """Less than a fifth of its time to live is left at its server."""
    EXPIRED = "expired"
    """Its server has forgotten it by now; its next use makes it anew, or it ends."""
    NEW = "new"
    """Known to us, with no session at a server yet."""
    HIBERNATED = "hibernated"
    """Put to sleep: its next use makes it anew of its journal."""
    MIGRATING = "migrating"
    """On its way to another instance; commands are accepted and delivered meanwhile."""
    DOUBT = "doubt"
    """Its last call may or may not have taken effect: a worker looks, as soon as it can."""
    PARKED = "parked"
    """Nothing is sent to it until somebody unparks it."""
    ENDED = "ended"
    """Deleted; its record stays until the retention setting runs out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSpec:
    """What a session is created with.

    Attributes:
        node: The node whose patterns it learns and predicts from.
        instance: The name of the KATO server it lives on.
        config: The caller's own overrides of the server's session config.
        ttl: Seconds without a write after which the server forgets it; None for its default.
        tags: Names to find it by, sorted.
        predictions: When the server computes predictions.
        auto_extend: Every write gives it its whole time to live again; if not, it ends when that
            has run out since it was made.
        idle: What happens when it is idle; None for the setting.
        idle_after: Seconds without use after which that happens; None for the setting.
    """

    node: str
    instance: str
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    ttl: int | None = None
    tags: tuple[str, ...] = ()
    predictions: PredictionMode = PredictionMode.ON_DEMAND
    auto_extend: bool = True
    idle: IdlePolicy | None = None
    idle_after: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """How long a session lives. Times are the store's steady clock, epoch milliseconds.

    Attributes:
        lifetime: Seconds without a write after which its server forgets it; None if not known.
        fresh_ms: Since when that time runs at a server that counts no writes: when the session
            was made there, or extended.
        ends_ms: When it ends for good; None for never.
        keep: It is kept alive.
        used_ms: Its last use: an accepted or delivered command, or a question for predictions.
        wrote_ms: The last call that was settled: the last write to it at its server.
    """

    lifetime: int | None = None
    fresh_ms: int = 0
    ends_ms: int | None = None
    keep: bool = False
    used_ms: int = 0
    wrote_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """When somebody has to look at a session next, in seconds from now; None for never.

    Attributes:
        idle: Whether it is idle, or over.
        refresh: Whether its server has to be told to keep it, if it is kept alive.
    """

    idle: float | None = None
    refresh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """How a session goes on that nothing waits for.

    Attributes:
        state: HIBERNATED or ENDED if it goes to sleep or ends; None if it goes on.
        stm: The memory it is put to sleep with, where a replay may not bring it back.
        journal: The observations that its journal holds from now on, if it goes to sleep; None if
            those stay that it holds.
        suspect: Why it may not be what we know of it: a worker makes it anew.
        looks: When somebody has to look at it next.
        unused_since: Its last use, ms, if it goes to sleep or ends because nobody uses it: one that
            was used since, or is kept alive since, goes on. None whatever its last use is.
        kept: It was kept alive then.
    """

    state: SessionState | None = None
    stm: Sequence[Sequence[str]] | None = None
    journal: Sequence[bytes] | None = None
    suspect: str = ""
    looks: Looks = field(default_factory=Looks)
    unused_since: int | None = None
    kept: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """What the registry knows of one session.

    Attributes:
        key: The caller's name for it.
        spec: What it is created with.
        state: Where it is in its life.
        session_id: The server's name for it; None while it has none.
        time: KATO's ``time`` after our last acknowledged call.
        epoch: How often the binding was switched, or a call in doubt taken back.
        appended: Commands accepted so far; the last one's position.
        applied: Commands delivered so far; the last one's position.
        created_at: Epoch seconds by the store's clock.
        active_at: Epoch seconds of the last append or delivery.
        doubt: What a worker has to look at before it goes on; None for nothing.
        parked: Why nothing is sent to it; None if it is not parked.
        attempts: How many calls failed since the last one that did not.
        rehomed: How often it was made anew of its journal.
        why: Why it was made anew the last time; None if it never was.
        life: How long it lives.
        asleep: It was put to sleep and not woken yet, whatever else is the matter with it.
        read_ms: When all this was so, by the clock of ``life``.
    """

    key: str
    spec: SessionSpec
    state: SessionState
    session_id: str | None
    time: int
    epoch: int
    appended: int
    applied: int
    created_at: float
    active_at: float
    doubt: str | None = None
    parked: str | None = None
    attempts: int = 0
    rehomed: int = 0
    why: str | None = None
    life: Life = field(default_factory=Life)
    asleep: bool = False
    read_ms: int = field(default=0, compare=False)

    @property
    def waiting(self) -> int:
        """How many accepted commands wait for delivery."""
        return self.appended - self.applied


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Commands of one kind that are accepted together under one ``command_id``.

    Attributes:
        command_id: Unique per session within the dedup window.
        kind: What each of them does.
        payloads: Their JSON, one per command; ``b""`` for kinds that carry none.
    """

    command_id: str
    kind: Kind
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Append:
    """Groups of commands for one lane, in order.

    Attributes:
        key: The session key.
        spec: What the session is created with if this is its first use.
        node: The node the caller insists on; None takes what the session has.
        instance: The instance the caller insists on; None takes what the session has.
        groups: What to accept; empty to register the session only.
        bind: Make the session at the server even if no command waits.
        keep_alive: If this is its first use, keep it alive from now on.
    """

    key: str
    spec: SessionSpec
    node: str | None = None
    instance: str | None = None
    groups: tuple[Group, ...] = ()
    bind: bool = False
    keep_alive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """Where one group stands in its lane.

    Attributes:
        first: Position of its first command, from 1.
        last: Position of its last command.
        repeated: True if the group had been accepted before, and nothing was added now.
    """

    first: int
    last: int
    repeated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Appended:
    """The answer to an :class:`Append`.

    Attributes:
        groups: One entry per group, in order.
        wake: True if nobody is at work on the lane, nor called to it: send one wake-up.
    """

    groups: tuple[Accepted, ...]
    wake: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One entry of a lane.

    Attributes:
        kind: What it does.
        accepted_ms: When it was accepted, epoch milliseconds by the store's clock.
        payload: Its JSON; ``b""`` for kinds that carry none.
    """

    kind: Kind
    accepted_ms: int
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to write to one session.

    Attributes:
        key: The session key.
        token: Random per claim; every script compares it.
        epoch: The binding's epoch when it was claimed or last raised.
    """

    key: str
    token: str
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """How a server learns by itself in a session (kato-api 4).

    Attributes:
        limit: At how many events it makes a pattern of the short-term memory; 0 for never.
        rolling: Keep the newest ``limit - 1`` events then, instead of none.
    """

    limit: int = 0
    rolling: bool = False

    @property
    def kept(self) -> int:
        """How many events stay in the short-term memory when the server has learned."""
        return self.limit - 1 if self.rolling else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A server-side session that was just made for a session.

    Attributes:
        session_id: The server's name for it.
        learning: How the server learns by itself in it.
        lifetime: Seconds without a write after which the server forgets it; None if not known.
        ends: Seconds after which it ends for good; None for never.
        looks: When somebody has to look at it.
    """

    session_id: str
    learning: Learning = field(default_factory=Learning)
    lifetime: int | None = None
    ends: float | None = None
    looks: Looks = field(default_factory=Looks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """A server-side session that somebody else has made, and that becomes ours as it is.

    Attributes:
        key: The session key that it gets.
        spec: What it is made with, if it has to be made anew.
        to: It.
        time: KATO's ``time``; -1 if the server does not show it.
        journal: The observations that its short-term memory is of, each with an event.
        older: How many observations there were before those.
        age: For how many seconds its lifetime at the server has been running.
    """

    key: str
    spec: SessionSpec
    to: Bound
    time: int
    journal: tuple[bytes, ...] = ()
    older: int = 0
    age: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """What is about to be sent: written before the call, removed by its settlement.

    Attributes:
        first: Position of the first command.
        count: How many commands go out in this call.
        kind: What they do.
        time: KATO's ``time`` before the call.
        session_id: The server-side session the call goes to.
        pattern: The pattern that the call makes the server learn; None if it learns none, and
            ``""`` if its name cannot be told.
        frequency: How often that pattern had been learned before; -1 if that cannot be told.
        config: For a configure, the values of its keys before.
        failed: True if the server answered the call by failing.
        rehomed: True if the call is in doubt and its session has been made anew since, or no
            request can be late any more: none reaches the session, but what it learned may show.
    """

    first: int
    count: int
    kind: Kind
    time: int
    session_id: str
    pattern: str | None = None
    frequency: int = -1
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    failed: bool = False
    rehomed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A lane that is ours until the lease ends.

    Attributes:
        lease: Our right to it.
        spec: What the session is created with.
        session_id: The server's name for it; None if it has to be made.
        time: KATO's ``time`` after the last acknowledged call.
        events: How many events the short-term memory has then.
        learning: How the server learns by itself in it.
        applied: Position of the last delivered command.
        most: How many commands a call may carry; lowered after a refusal.
        attempts: How many calls failed since the last one that did not.
        commands: The next commands, at most what was asked for; with an intent, at least its own.
        now_ms: The store's clock at the claim, epoch milliseconds.
        intent: A call whose end nobody has seen; None if there is none.
        intent_ms: When that was written, epoch milliseconds by the store's clock.
        suspect: Why the server-side session may not be what we know of it; None if it is.
        failures: How often the server failed at the first command itself since the last call that
            was settled.
        ruling: What the person who unparked it says of a learn of which cannot be told whether it
            was counted; None for nothing.
        asleep: It was put to sleep: it has no server-side session, and a journal to make it of.
        stm: The memory it was put to sleep with, if a replay may not bring that back.
        life: How long it lives.
        replays: How many replays of its journal gave another memory since it was bound last.
        adopted: Its server has had it since before it was ours: it knows more than the journal.
    """

    lease: Lease
    spec: SessionSpec
    session_id: str | None
    time: int
    events: int
    learning: Learning
    applied: int
    most: int
    attempts: int
    commands: tuple[Command, ...]
    now_ms: int
    intent: Intent | None = None
    intent_ms: int = 0
    suspect: str | None = None
    failures: int = 0
    ruling: LearnDoubt | None = None
    asleep: bool = False
    stm: Sequence[Sequence[str]] | None = None
    life: Life = field(default_factory=Life)
    replays: int = 0
    adopted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """The observations that made a session what it is, since its last clear.

    Attributes:
        entries: Observations, oldest first, and marks of what was learned among them.
        cut: How many older observations there were, which nothing is known of any more.
    """

    entries: tuple[JournalEntry, ...]
    cut: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalEntry:
    """One entry of a journal.

    Attributes:
        payload: An observation as it was sent; None for a mark.
        kept: For a mark, how many events stayed in the short-term memory.
    """

    payload: bytes | None = None
    kept: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """A server-side session that was made anew, about to be bound.

    Attributes:
        session_id: The server's name for it.
        time: KATO's ``time`` in it.
        events: How many events its short-term memory has.
        reason: Why it was made.
        intent: A call that stays in doubt, as it stands towards the new session; None for none.
        lifetime: Seconds without a write after which the server forgets it; None if not known.
        looks: When somebody has to look at it.
        instance: The instance it is on; None for the one that the session is on already.
        learning: How the server learns by itself in it; None if that stays.
    """

    session_id: str
    time: int
    events: int
    reason: str
    intent: Intent | None = None
    lifetime: int | None = None
    looks: Looks = field(default_factory=Looks)
    instance: str | None = None
    learning: Learning | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """A session that is about to move to another instance, as it is while deliveries go on.

    Attributes:
        spec: What it is made with.
        session_id: The server's name for it; None while it has none.
        journal: What made it what it is.
    """

    spec: SessionSpec
    session_id: str | None
    journal: Journal


class NoMove(StrEnum):
    """Why a session cannot begin to move."""

    UNKNOWN = "unknown"
    """No such session."""
    ENDED = "ended"
    """It has ended: nothing of it is anywhere."""
    PARKED = "parked"
    """Nothing is sent to it until somebody unparks it."""
    MOVING = "moving"
    """Somebody else is moving it."""


class NoClaim(StrEnum):
    """Why a lane was not claimed."""

    BUSY = "busy"
    """Somebody else holds its lease."""
    EMPTY = "empty"
    """Nothing waits."""
    PARKED = "parked"
    """Nothing is sent to the session until somebody unparks it."""
    UNKNOWN = "unknown"
    """No such session."""


class Keep(StrEnum):
    """What a settlement does to the journal. The value is its word in the script."""

    NOTHING = ""
    """The commands leave no trace in the short-term memory, or were not applied."""
    COMMANDS = "keep"
    """They are observations: they go into it."""
    EMPTY = "empty"
    """They have emptied the session: what was in it counts no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What a call has done.

    Attributes:
        first: Position of the first command it carried.
        count: How many commands it carried.
        time: KATO's ``time`` after it.
        events: How many events the short-term memory has after it.
        keep: What it does to the journal.
        learned: If the server has learned, how many events stayed in the short-term memory.
        outcome: What a waiting caller may want to know (a pattern name, a refusal); None if
            nothing but that it was applied.
        refused: True if the server will never take these commands: they become dead letters.
        unbind: True if the server-side session is gone by our own wish.
        spec: What the session is made with from now on; None if that stays.
        learning: How the server learns by itself from now on; None if that stays.
        counts: Counters to raise, such as calls and the latency buckets.
        more: How many further commands to read; 0 gives the lease back.
    """

    first: int
    count: int
    time: int
    events: int = 0
    keep: Keep = Keep.NOTHING
    learned: int | None = None
    outcome: Outcome | None = None
    refused: bool = False
    unbind: bool = False
    spec: SessionSpec | None = None
    learning: Learning | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    more: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a receipt's holder is told beyond "applied".

    Attributes:
        pattern: The name of the pattern that a learn made; ``""`` if the server made none.
        refusal: The server's words if it refused the command for good.
    """

    pattern: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A command that its server did not take.

    Attributes:
        id: Its name among the dead letters: ``<shard>:<milliseconds>-<number>``.
        key: The session key; ``""`` if it cannot be read.
        seq: Its position in its lane; 0 if it cannot be read.
        command: The command; None if it cannot be read.
        outcome: What the server said; an empty one if it cannot be read.
        at: When it was refused, epoch seconds by the store's clock.
        parked: True if it still stands at the head of its lane, which is parked at it.
    """

    id: str
    key: str
    seq: int
    command: Command | None
    outcome: Outcome
    at: float
    parked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a lane has come.

    Attributes:
        appended: Position of the last accepted command.
        applied: Position of the last delivered command.
        parked: Why nothing is sent to the session; None if it is not parked.
    """

    appended: int
    applied: int
    parked: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneView:
    """What stands in a lane at one moment, and whether somebody is at work on it.

    Attributes:
        applied: Position of the last delivered command: the next one is the first that waits.
        leased: True if somebody has its lease.
        intent: The call that is under way or in doubt; None for none.
        intent_at: When that was written down, epoch seconds; 0 for none.
        next_look: When the sweep looks at the lane if nobody did before, epoch seconds; None if it
            has no work.
        commands: The first of the commands that wait.
        journal: How many entries the journal has.
    """

    applied: int
    leased: bool
    intent: Intent | None
    intent_at: float
    next_look: float | None
    commands: tuple[Command, ...]
    journal: int


class Turn(StrEnum):
    """How the delivery of one lane ended."""

    DONE = "done"
    """All that waited is delivered."""
    MORE = "more"
    """The turn was over before the lane was empty: call again."""
    BUSY = "busy"
    """Somebody else is at work on it."""
    PAUSED = "paused"
    """The server could not be reached, or the node was not free: the sweep calls again."""
    PARKED = "parked"
    """The lane is parked."""
    LOST = "lost"
    """The lease was lost on the way: whoever has it goes on."""
    UNKNOWN = "unknown"
    """No such session."""
