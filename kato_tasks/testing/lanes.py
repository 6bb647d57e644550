"""Lanes in memory."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from kato_tasks.errors import LaneFull, SessionConflict
from kato_tasks.keys import Keys
from kato_tasks.lanes import Refusal
from kato_tasks.models import (
    Accepted,
    Append,
    Appended,
    Bound,
    Claim,
    Command,
    Group,
    Intent,
    Journal,
    JournalEntry,
    Keep,
    LearnDoubt,
    Lease,
    Looks,
    NoClaim,
    Outcome,
    SessionState,
    Settlement,
    Switch,
)
from kato_tasks.naming import split_letter_id
from kato_tasks.settings import Settings
from kato_tasks.testing.moves import move_to
from kato_tasks.testing.store import Entry, MemoryStore

_OUTCOMES_KEPT: Final = 86_400.0
_LONGEST_CALL: Final = 1000


class MemoryLanes:
    """Lanes in memory: :class:`kato_tasks.lanes.Lanes` with the answers of the Lua scripts.

    Thread-safe.

    Args:
        store: Holds the state.
        settings: Lease, dedup and retention times.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def append(self, requests: Sequence[Append]) -> list[Appended | Refusal]:
        """See :meth:`kato_tasks.lanes.Lanes.append`."""
        with self._store.changed:
            return [self._append(request) for request in requests]

    def claim(self, key: str, *, most: int, idle: bool = False) -> Claim | NoClaim:
        """See :meth:`kato_tasks.lanes.Lanes.claim`."""
        with self._store.changed:
            entry = self._store.entry(key)
            refused = self._refuse_claim(key, entry, idle=idle)
            if refused is not None or entry.spec is None:
                return refused or NoClaim.UNKNOWN
            entry.token = secrets.token_hex(8)
            entry.token_until = self._store.after(self._settings.lease)
            self._store.ready[key] = entry.token_until
            return Claim(
                lease=Lease(key=key, token=entry.token, epoch=entry.epoch),
                spec=entry.spec,
                session_id=entry.sid,
                time=entry.time,
                events=entry.events,
                learning=entry.learning,
                applied=entry.applied,
                most=entry.most or most,
                attempts=entry.attempts,
                commands=tuple(entry.commands[: _read(entry, most)]),
                now_ms=self._store.now_ms,
                intent=entry.intent,
                intent_ms=entry.intent_ms,
                suspect=entry.suspect,
                failures=entry.failures,
                ruling=entry.ruling,
                asleep=entry.state is SessionState.HIBERNATED,
                stm=entry.stm,
                life=entry.life,
                replays=entry.replays,
                adopted=entry.adopted,
            )

    def bind(self, lease: Lease, to: Bound) -> Lease | None:
        """See :meth:`kato_tasks.lanes.Lanes.bind`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or entry.epoch != lease.epoch:
                return None
            entry.bind, entry.learning = None, to.learning
            entry.sid, entry.time, entry.state = to.session_id, 0, SessionState.ACTIVE
            entry.events, entry.suspect, entry.stm = 0, None, None
            entry.replays, entry.adopted = 0, False
            entry.ends_ms = None if to.ends is None else self._store.after(to.ends)
            self._begin(lease.key, entry, to.lifetime, to.looks, earlier=False)
            entry.epoch += 1
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch)

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.intend`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or not _is_next(entry, lease, intent.first):
                return False
            if entry.intent is None:
                entry.intent, entry.intent_ms = intent, self._store.now_ms
            return entry.intent == intent

    def withdraw(self, lease: Lease) -> Lease | None:
        """See :meth:`kato_tasks.lanes.Lanes.withdraw`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or entry.epoch != lease.epoch:
                return None
            entry.intent, entry.intent_ms, entry.doubt = None, 0, None
            entry.ruling = None
            entry.epoch += 1
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch)

    def settle(
        self, lease: Lease, settlement: Settlement
    ) -> tuple[Lease, Sequence[Command]] | None:
        """See :meth:`kato_tasks.lanes.Lanes.settle`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or not _is_next(entry, lease, settlement.first) or not entry.intent:
                return None
            self._note(lease.key, entry, settlement)
            more = 0 if entry.way_until > self._store.now_ms else settlement.more
            commands = tuple(entry.commands[:more])
            if commands:
                entry.token_until = self._store.after(self._settings.lease)
                self._store.ready[lease.key] = entry.token_until
            else:
                if entry.sid is not None and not entry.commands and entry.suspect is None:
                    entry.bind = None
                left = entry.commands or entry.bind is not None
                self._give_back(lease.key, entry, pause=self._settings.wake_grace, left=left)
                if not left and settlement.unbind:
                    self._store.activity.pop(lease.key, None)
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch), commands

    def journal(self, lease: Lease, applied: int) -> Journal | None:
        """See :meth:`kato_tasks.lanes.Lanes.journal`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or not _is_next(entry, lease, applied + 1):
                return None
            return Journal(entries=tuple(entry.journal), cut=entry.cut)

    def switch(self, lease: Lease, applied: int, to: Switch) -> Lease | None:
        """See :meth:`kato_tasks.lanes.Lanes.switch`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is not None and _is_bound(entry, lease, to):
                return Lease(key=lease.key, token=lease.token, epoch=entry.epoch)
            if entry is None or not _is_next(entry, lease, applied + 1):
                return None
            entry.suspect = entry.doubt = None
            entry.replays = 0
            entry.intent = to.intent
            entry.intent_ms = 0 if to.intent is None else self._store.now_ms
            if to.intent is None:
                entry.bind = None
            if to.instance is not None and entry.spec and to.instance != entry.spec.instance:
                move_to(self._store, entry, to.instance)
            if entry.sid != to.session_id:
                entry.adopted = False
                self._count_switch(entry, to)
                self._begin(lease.key, entry, to.lifetime, to.looks, earlier=True)
            entry.learning = to.learning or entry.learning
            entry.sid, entry.time, entry.events = to.session_id, to.time, to.events
            entry.epoch += 1
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch)

    def release(  # noqa: PLR0913 - one value per fact that the script takes
        self,
        lease: Lease,
        *,
        pause: float = 0.0,
        most: int | None = None,
        failed: bool = False,
        poison: bool = False,
        unfaithful: bool = False,
        doubt: str = "",
    ) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.release`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return False
            entry.doubt = doubt or None
            if not doubt:
                entry.intent, entry.intent_ms = None, 0
            entry.attempts += failed or poison or unfaithful
            entry.failures += poison
            entry.replays += unfaithful
            if most:
                entry.most, entry.attempts, entry.failures = most, 0, 0
            left = entry.commands or entry.bind is not None
            self._give_back(lease.key, entry, pause=pause, left=left)
            return True

    def park(self, lease: Lease, reason: str, *, outcome: Outcome | None = None) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.park`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return self._store.entry(lease.key).parked == reason
            entry.token, entry.parked, entry.doubt = None, reason, None
            if outcome is not None:
                seq, command = entry.applied + 1, entry.commands[0]
                entry.letter = self._store.post(lease.key, seq, command, outcome, parked=True)
                self._store.keep_letters(self._settings.dead_letters)
                entry.intent, entry.intent_ms, entry.most = None, 0, None
                entry.attempts = entry.failures = 0
                self._store.counts["dead_lettered"] += 1
            self._store.ready.pop(lease.key, None)
            self._store.counts["parked"] += 1
            return True

    def unpark(self, key: str, *, drop: bool = False, letter: str | None = None) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.unpark`."""
        if letter is not None:
            split_letter_id(letter)
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.parked is None or letter not in (None, entry.letter):
                return False
            dead, entry.letter = entry.letter, None
            entry.parked, entry.most = None, None
            entry.attempts = entry.failures = entry.replays = 0
            if dead is None:
                entry.suspect = "unparked by hand"
                if entry.intent is not None:
                    entry.ruling = LearnDoubt.SKIP if drop else LearnDoubt.RESEND
            else:
                self._drop_letter(entry, dead, drop=drop)
            if not entry.commands and entry.bind is None:
                entry.record_until = self._store.after(self._settings.retention)
            self._store.ready[key] = self._store.now_ms
            return True

    def count(self, key: str, counts: Mapping[str, int]) -> None:
        """See :meth:`kato_tasks.lanes.Lanes.count`."""
        del key
        with self._store.changed:
            self._store.counts.update(counts)

    def renew(self, lease: Lease) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.renew`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return False
            entry.token_until = self._store.after(self._settings.lease)
            return True

    def overdue(self) -> tuple[str, ...]:
        """See :meth:`kato_tasks.lanes.Lanes.overdue`."""
        with self._store.changed:
            due: defaultdict[int, list[str]] = defaultdict(list)
            for key, at in sorted(self._store.ready.items(), key=_by_time):
                far = at > self._store.after(self._settings.longest_pause)
                if at <= self._store.now_ms or far:
                    due[self._keys.shard_of(key)].append(key)
            looked = [
                key for shard in sorted(due) for key in due[shard][: self._settings.sweep_lanes]
            ]
            put_off = self._store.after(self._settings.wake_grace)
            self._store.ready.update(dict.fromkeys(looked, put_off))
            free = tuple(key for key in looked if self._store.entry(key).token is None)
            for key in set(looked).difference(free):
                ends = self._store.entry(key).token_until + 1
                self._store.ready[key] = min(put_off, ends)
            return free

    def forget(self) -> int:
        """See :meth:`kato_tasks.lanes.Lanes.forget`."""
        with self._store.changed:
            before = self._store.now_ms - round(self._settings.retention * 1000) - 1000
            old = sorted((at, key) for key, at in self._store.activity.items() if at <= before)
            forgotten = 0
            for _, key in old:
                if self._store.entry(key).spec is None:
                    del self._store.activity[key]
                    forgotten += 1
                else:
                    self._store.activity[key] = self._store.now_ms
            return forgotten

    def _owned(self, lease: Lease) -> Entry | None:
        entry = self._store.entry(lease.key)
        return entry if entry.token == lease.token else None

    def _append(self, request: Append) -> Appended | Refusal:
        entry = self._store.entry(request.key)
        refusal = _conflict(entry, request, self._store.now_ms) or self._full(entry, request)
        if refusal is not None:
            return refusal
        past = entry.is_past(self._store.now_ms)
        anew = entry.spec is None or entry.is_over(self._store.now_ms)
        position = entry.appended
        groups = [self._accept(entry, group) for group in request.groups]
        added = entry.appended - position
        if entry.spec is not None and not added and not request.bind:
            return Appended(groups=tuple(groups), wake=False)
        if anew:
            entry.spec, entry.state = request.spec, SessionState.NEW
            entry.created_ms, entry.placed = self._store.now_ms, None
            entry.forget_life()
            entry.keep, entry.fresh_ms, entry.wrote_ms = request.keep_alive, 0, 0
            if past:
                entry.leave()
        entry.active_ms = self._store.activity[request.key] = self._store.now_ms
        if added:
            self._trim_ids(entry)
        wake = self._mark_ready(request, entry, added=bool(added))
        return Appended(groups=tuple(groups), wake=wake)

    def _full(self, entry: Entry, request: Append) -> LaneFull | None:
        new = sum(len(one.payloads) for one in request.groups if one.command_id not in entry.ids)
        waiting, limit = len(entry.commands), self._settings.lane_commands
        return LaneFull(request.key, waiting, limit) if new and waiting + new > limit else None

    def _accept(self, entry: Entry, group: Group) -> Accepted:
        size, first = len(group.payloads), entry.ids.get(group.command_id)
        if first is not None:
            return Accepted(first=first, last=first + size - 1, repeated=True)
        first = entry.ids[group.command_id] = entry.appended + 1
        entry.ids_until = self._store.after(
            min(self._settings.dedup_seconds, self._settings.retention)
        )
        entry.commands += [
            Command(kind=group.kind, accepted_ms=self._store.now_ms, payload=payload)
            for payload in group.payloads
        ]
        entry.appended += size
        return Accepted(first=first, last=entry.appended, repeated=False)

    def _trim_ids(self, entry: Entry) -> None:
        for name in list(entry.ids)[: -self._settings.dedup_ids]:
            del entry.ids[name]

    def _mark_ready(self, request: Append, entry: Entry, *, added: bool) -> bool:
        """Enter a lane that has work now; True if somebody has to be called to it."""
        wanted = request.bind and (entry.sid is None or bool(entry.commands))
        if wanted:
            entry.bind = entry.appended
        if added or wanted:
            entry.record_until = None
            if request.key not in self._store.ready:
                self._store.ready[request.key] = self._store.after(self._settings.wake_grace)
                return entry.token is None
        elif not entry.commands:
            entry.record_until = self._store.after(self._settings.retention)
        return False

    def _count_switch(self, entry: Entry, to: Switch) -> None:
        if entry.state is SessionState.HIBERNATED:
            entry.state, entry.stm = SessionState.ACTIVE, None
            self._store.counts["woken"] += 1
        elif to.instance is None:
            entry.rehomed += 1
            self._store.counts["rehomed"] += 1
            entry.why = to.reason

    def _begin(
        self, key: str, entry: Entry, lifetime: int | None, looks: Looks, *, earlier: bool
    ) -> None:
        """Note a new server-side session; ``earlier``: a look that comes sooner stays."""
        entry.fresh_ms, entry.lifetime = self._store.now_ms, lifetime
        before = self._store.idle.get(key)
        if looks.idle is not None:
            self._store.look(self._store.idle, key, looks.idle)
            if earlier and before is not None:
                self._store.idle[key] = min(before, self._store.idle[key])
        if looks.refresh is not None and entry.keep:
            self._store.look(self._store.refresh, key, looks.refresh)

    def _refuse_claim(self, key: str, entry: Entry, *, idle: bool) -> NoClaim | None:
        if entry.token is not None:
            return NoClaim.BUSY
        refused = _without_work(entry)
        if refused is NoClaim.EMPTY and idle:
            return None
        if refused is not None:
            self._store.ready.pop(key, None)
        if refused is NoClaim.EMPTY:
            entry.bind = None
            entry.record_until = self._store.after(self._settings.retention)
        return refused

    def _note(self, key: str, entry: Entry, settlement: Settlement) -> None:
        delivered = entry.commands[: settlement.count]
        del entry.commands[: settlement.count]
        positions = range(settlement.first, settlement.first + settlement.count)
        if settlement.refused:
            for seq, command in zip(positions, delivered, strict=False):
                self._store.post(key, seq, command, settlement.outcome or Outcome())
            self._store.keep_letters(self._settings.dead_letters)
        self._remember(entry, settlement, delivered)
        if settlement.outcome is not None:
            entry.outcomes |= dict.fromkeys(positions, settlement.outcome)
            entry.outcomes_until = self._store.after(min(_OUTCOMES_KEPT, self._settings.retention))
            for seq in sorted(entry.outcomes)[: -self._settings.outcomes]:
                del entry.outcomes[seq]
        entry.intent, entry.intent_ms, entry.most = None, 0, None
        entry.attempts = entry.failures = 0
        entry.doubt = entry.ruling = None
        entry.applied, entry.time, entry.events = positions[-1], settlement.time, settlement.events
        entry.spec = settlement.spec or entry.spec
        entry.learning = settlement.learning or entry.learning
        entry.active_ms = self._store.activity[key] = self._store.now_ms
        entry.wrote_ms = self._store.now_ms
        if settlement.unbind:
            entry.unbind(settlement.first)
            self._store.idle.pop(key, None)
            self._store.refresh.pop(key, None)
        self._store.counts.update(settlement.counts)

    def _remember(self, entry: Entry, settlement: Settlement, delivered: Sequence[Command]) -> None:
        if settlement.keep is Keep.COMMANDS:
            entry.journal += [JournalEntry(payload=command.payload) for command in delivered]
        elif settlement.keep is Keep.EMPTY or settlement.unbind:
            entry.journal, entry.cut = [], 0
        if settlement.learned is not None:
            entry.journal.append(JournalEntry(kept=settlement.learned))
        surplus = max(0, len(entry.journal) - self._settings.journal_entries)
        entry.cut += sum(one.payload is not None for one in entry.journal[:surplus])
        del entry.journal[:surplus]

    def _drop_letter(self, entry: Entry, letter: str, *, drop: bool) -> None:
        dead = self._store.take_letter(letter)
        if not drop:
            return
        entry.commands.pop(0)
        entry.applied += 1
        if dead is not None:
            entry.outcomes[entry.applied] = dead.outcome
            entry.outcomes_until = self._store.after(min(_OUTCOMES_KEPT, self._settings.retention))
            for seq in sorted(entry.outcomes)[: -self._settings.outcomes]:
                del entry.outcomes[seq]

    def _give_back(self, key: str, entry: Entry, *, pause: float, left: object) -> None:
        entry.token = None
        if left:
            self._store.ready[key] = self._store.now_ms + round(pause * 1000)
        else:
            self._store.ready.pop(key, None)
            entry.record_until = self._store.after(self._settings.retention)


def _read(entry: Entry, most: int) -> int:
    return most if entry.intent is None else max(most, _LONGEST_CALL)


def _by_time(item: tuple[str, int]) -> tuple[int, bytes]:
    return item[1], item[0].encode()


def _is_next(entry: Entry, lease: Lease, first: int) -> bool:
    return entry.epoch == lease.epoch and entry.applied + 1 == first


def _is_bound(entry: Entry, lease: Lease, to: Switch) -> bool:
    """Tell whether a switch was made that is asked for again."""
    return entry.sid == to.session_id and entry.epoch == lease.epoch + 1


def _without_work(entry: Entry) -> NoClaim | None:
    if entry.spec is None:
        return NoClaim.UNKNOWN
    if entry.parked is not None:
        return NoClaim.PARKED
    open_ = entry.sid is None or entry.suspect is not None or entry.intent is not None
    wished = entry.bind is not None and open_
    return None if entry.commands or wished else NoClaim.EMPTY


def _conflict(entry: Entry, request: Append, now: int) -> SessionConflict | None:
    if entry.spec is None or entry.is_over(now):
        return None
    for name, known, asked in (
        ("node", entry.spec.node, request.node),
        ("instance", entry.spec.instance, request.instance),
    ):
        if asked and asked not in (known, entry.placed if name == "instance" else known):
            return SessionConflict(request.key, name, known, asked)
    return None
