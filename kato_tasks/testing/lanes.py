"""Lanes in memory."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from kato_tasks.errors import SessionConflict
from kato_tasks.keys import Keys
from kato_tasks.models import (
    Accepted,
    Append,
    Appended,
    Claim,
    Command,
    Group,
    Intent,
    Lease,
    NoClaim,
    SessionState,
    Settlement,
)
from kato_tasks.settings import Settings
from kato_tasks.testing.store import DeadLetter, Entry, MemoryStore

_OUTCOMES_KEPT: Final = 86_400.0


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

    def append(self, requests: Sequence[Append]) -> list[Appended | SessionConflict]:
        """See :meth:`kato_tasks.lanes.Lanes.append`."""
        with self._store.changed:
            return [self._append(request) for request in requests]

    def claim(self, key: str, *, most: int) -> Claim | NoClaim:
        """See :meth:`kato_tasks.lanes.Lanes.claim`."""
        with self._store.changed:
            entry = self._store.entry(key)
            refused = self._refuse_claim(key, entry)
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
                applied=entry.applied,
                most=entry.most or most,
                attempts=entry.attempts,
                learns=entry.learns,
                commands=tuple(entry.commands[:most]),
                now_ms=self._store.now_ms,
            )

    def bind(self, lease: Lease, session_id: str, *, learns: bool = False) -> Lease | None:
        """See :meth:`kato_tasks.lanes.Lanes.bind`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or entry.epoch != lease.epoch:
                return None
            entry.bind, entry.learns = None, learns
            entry.sid, entry.time, entry.state = session_id, 0, SessionState.ACTIVE
            entry.epoch += 1
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch)

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.intend`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or not _is_next(entry, lease, intent.first):
                return False
            entry.intent = entry.intent or intent
            return entry.intent == intent

    def settle(
        self, lease: Lease, settlement: Settlement
    ) -> tuple[Lease, Sequence[Command]] | None:
        """See :meth:`kato_tasks.lanes.Lanes.settle`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or not _is_next(entry, lease, settlement.first) or not entry.intent:
                return None
            self._note(lease.key, entry, settlement)
            commands = tuple(entry.commands[: settlement.more])
            if commands:
                entry.token_until = self._store.after(self._settings.lease)
                self._store.ready[lease.key] = entry.token_until
            else:
                if entry.sid is not None and not entry.commands:
                    entry.bind = None
                left = entry.commands or entry.bind is not None
                self._give_back(lease.key, entry, pause=self._settings.wake_grace, left=left)
                if not left and settlement.unbind:
                    self._store.activity.pop(lease.key, None)
            return Lease(key=lease.key, token=lease.token, epoch=entry.epoch), commands

    def release(
        self, lease: Lease, *, pause: float = 0.0, most: int | None = None, failed: bool = False
    ) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.release`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return False
            entry.intent = None
            entry.attempts += failed
            entry.most = most or entry.most
            left = entry.commands or entry.bind is not None
            self._give_back(lease.key, entry, pause=pause, left=left)
            return True

    def hold(self, lease: Lease, reason: str) -> bool:
        """See :meth:`kato_tasks.lanes.Lanes.hold`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return False
            entry.token, entry.doubt = None, reason
            self._store.ready.pop(lease.key, None)
            self._store.counts["held"] += 1
            return True

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
                if at <= self._store.now_ms:
                    due[self._keys.shard_of(key)].append(key)
            looked = [
                key for shard in sorted(due) for key in due[shard][: self._settings.sweep_lanes]
            ]
            put_off = self._store.after(self._settings.wake_grace)
            self._store.ready.update(dict.fromkeys(looked, put_off))
            return tuple(key for key in looked if self._store.entry(key).token is None)

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

    def _append(self, request: Append) -> Appended | SessionConflict:
        entry = self._store.entry(request.key)
        conflict = _conflict(entry, request)
        if conflict is not None:
            return conflict
        anew = entry.spec is None or entry.over
        position = entry.appended
        groups = [self._accept(entry, group) for group in request.groups]
        added = entry.appended - position
        if entry.spec is not None and not added and not request.bind:
            return Appended(groups=tuple(groups), wake=False)
        if anew:
            entry.spec, entry.state = request.spec, SessionState.NEW
            entry.created_ms = self._store.now_ms
        entry.active_ms = self._store.activity[request.key] = self._store.now_ms
        if added:
            self._trim_ids(entry)
        wake = self._mark_ready(request, entry, added=bool(added))
        return Appended(groups=tuple(groups), wake=wake)

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

    def _refuse_claim(self, key: str, entry: Entry) -> NoClaim | None:
        if entry.token is not None:
            return NoClaim.BUSY
        refused = _without_work(entry)
        if refused is not None:
            self._store.ready.pop(key, None)
        if refused is NoClaim.DOUBT:
            entry.doubt = entry.doubt or "the worker died during a call"
        if refused is NoClaim.EMPTY:
            entry.bind = None
            entry.record_until = self._store.after(self._settings.retention)
        return refused

    def _note(self, key: str, entry: Entry, settlement: Settlement) -> None:
        delivered = entry.commands[: settlement.count]
        del entry.commands[: settlement.count]
        positions = range(settlement.first, settlement.first + settlement.count)
        if settlement.refused:
            self._store.dead += [
                DeadLetter(key=key, seq=seq, command=command, outcome=settlement.outcome)
                for seq, command in zip(positions, delivered, strict=False)
            ]
            del self._store.dead[: -self._settings.dead_letters]
        if settlement.outcome is not None:
            entry.outcomes |= dict.fromkeys(positions, settlement.outcome)
            entry.outcomes_until = self._store.after(min(_OUTCOMES_KEPT, self._settings.retention))
            for seq in sorted(entry.outcomes)[: -self._settings.outcomes]:
                del entry.outcomes[seq]
        entry.intent, entry.most, entry.attempts = None, None, 0
        entry.applied, entry.time = positions[-1], settlement.time
        entry.active_ms = self._store.activity[key] = self._store.now_ms
        if settlement.unbind:
            entry.unbind(settlement.first)
        self._store.counts.update(settlement.counts)

    def _give_back(self, key: str, entry: Entry, *, pause: float, left: object) -> None:
        entry.token = None
        if left:
            self._store.ready[key] = self._store.now_ms + round(pause * 1000)
        else:
            self._store.ready.pop(key, None)
            entry.record_until = self._store.after(self._settings.retention)


def _by_time(item: tuple[str, int]) -> tuple[int, bytes]:
    return item[1], item[0].encode()


def _is_next(entry: Entry, lease: Lease, first: int) -> bool:
    return entry.epoch == lease.epoch and entry.applied + 1 == first


def _without_work(entry: Entry) -> NoClaim | None:
    if entry.spec is None:
        return NoClaim.UNKNOWN
    if entry.intent is not None or entry.doubt is not None:
        return NoClaim.DOUBT
    unmade = entry.bind is not None and entry.sid is None
    return None if entry.commands or unmade else NoClaim.EMPTY


def _conflict(entry: Entry, request: Append) -> SessionConflict | None:
    if entry.spec is None or entry.over:
        return None
    for name, known, asked in (
        ("node", entry.spec.node, request.node),
        ("instance", entry.spec.instance, request.instance),
    ):
        if asked and asked != known:
            return SessionConflict(request.key, name, known, asked)
    return None
