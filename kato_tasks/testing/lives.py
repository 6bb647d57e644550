"""Lives in memory."""

from __future__ import annotations

from collections import defaultdict

from kato_tasks.keys import Keys
from kato_tasks.lives import Index
from kato_tasks.models import Adoption, Intent, JournalEntry, Lease, Rest, SessionState
from kato_tasks.settings import Settings
from kato_tasks.testing.store import Entry, MemoryStore


class MemoryLives:
    """Lives in memory: :class:`kato_tasks.lives.Lives` with the answers of the Lua scripts.

    Thread-safe.

    Args:
        store: Holds the state.
        settings: Shards and times.
    """

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def due(self, index: Index, *, most: int) -> list[tuple[str, ...]]:
        """See :meth:`kato_tasks.lives.Lives.due`."""
        looks = self._store.idle if index is Index.IDLE else self._store.refresh
        with self._store.changed:
            due: defaultdict[int, list[str]] = defaultdict(list)
            for key, at in sorted(looks.items(), key=lambda look: (look[1], look[0].encode())):
                if at <= self._store.now_ms:
                    due[self._keys.shard_of(key)].append(key)
            found = [self._put_off(looks, due[shard][:most]) for shard in sorted(due)]
            return [keys for keys in found if keys]

    def freshen(
        self, lease: Lease, intent: Intent | None = None, *, ends: float | None = None
    ) -> bool:
        """See :meth:`kato_tasks.lives.Lives.freshen`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None or entry.intent != intent:
                # Of another call, it came late, and was done before.
                return entry is not None
            entry.intent, entry.intent_ms = None, 0
            entry.fresh_ms = self._store.now_ms
            if ends is not None:
                entry.ends_ms = self._store.after(ends)
            self._store.counts["refreshed"] += 1
            return True

    def rest(self, lease: Lease, how: Rest) -> bool:
        """See :meth:`kato_tasks.lives.Lives.rest`."""
        with self._store.changed:
            entry = self._owned(lease)
            if entry is None:
                return False
            entry.token = None
            entry.suspect = how.suspect or entry.suspect
            if entry.commands or entry.bind is not None:
                self._store.ready[lease.key] = self._store.now_ms
                return False
            used = entry.active_ms != how.unused_since or (entry.keep and not how.kept)
            if how.unused_since is not None and used:
                self._store.ready.pop(lease.key, None)
                entry.record_until = self._store.after(self._settings.retention)
                return False
            self._store.look(self._store.idle, lease.key, how.looks.idle)
            self._store.look(self._store.refresh, lease.key, how.looks.refresh)
            if how.suspect:
                self._wish(lease.key, entry, how.suspect)
                return True
            if how.state is not None:
                self._unbind(lease.key, entry, how.state)
            if how.stm is not None:
                entry.stm = how.stm
            if how.journal:
                entry.journal = [JournalEntry(payload=payload) for payload in how.journal]
            self._store.ready.pop(lease.key, None)
            if how.state is not None or entry.keep or entry.record_until is None:
                entry.record_until = self._store.after(self._settings.retention)
            return True

    def keep(self, key: str, *, alive: bool) -> bool:
        """See :meth:`kato_tasks.lives.Lives.keep`."""
        with self._store.changed:
            entry = self._living(key)
            if entry is None:
                return False
            entry.keep = alive
            self._store.look(self._store.refresh, key, 0.0 if alive else None)
            if not alive and entry.sid is not None:
                # While it was kept alive nobody looked whether it is idle.
                self._store.look(self._store.idle, key, 0.0)
            return True

    def suspect(self, key: str, session_id: str | None, why: str) -> bool:
        """See :meth:`kato_tasks.lives.Lives.suspect`."""
        with self._store.changed:
            entry = self._living(key)
            if entry is None or entry.sid != session_id:
                return False
            self._wish(key, entry, None if session_id is None else why)
            return True

    def touch(self, key: str) -> bool:
        """See :meth:`kato_tasks.lives.Lives.touch`."""
        with self._store.changed:
            entry = self._living(key)
            if entry is None:
                return False
            entry.active_ms = self._store.activity[key] = self._store.now_ms
            if entry.record_until is not None:
                entry.record_until = self._store.after(self._settings.retention)
            return True

    def adopt(self, found: Adoption) -> bool:
        """See :meth:`kato_tasks.lives.Lives.adopt`."""
        claim = (found.spec.instance, found.to.session_id)
        with self._store.changed:
            owner, until = self._store.adopted.get(claim, (found.key, 0))
            if until > self._store.now_ms and owner != found.key:
                return False
            adopted = self._adopt(found)
            if adopted and until <= self._store.now_ms:
                self._store.adopted[claim] = found.key, self._store.after(self._settings.retention)
            return adopted

    def _adopt(self, found: Adoption) -> bool:
        key, to = found.key, found.to
        with self._store.changed:
            entry = self._store.entry(key)
            if entry.spec is not None and not entry.is_over(self._store.now_ms):
                is_same = entry.sid == to.session_id and entry.time == found.time
                waits = entry.appended != entry.applied
                return is_same and not waits and entry.spec.instance == found.spec.instance
            entry.leave()
            entry.forget_life()
            entry.spec, entry.state, entry.placed = found.spec, SessionState.ACTIVE, None
            entry.replays, entry.adopted = 0, True
            entry.sid, entry.time, entry.events = to.session_id, found.time, len(found.journal)
            entry.learning, entry.lifetime = to.learning, to.lifetime
            entry.journal = [JournalEntry(payload=payload) for payload in found.journal]
            entry.cut, entry.wrote_ms = found.older, 0
            entry.created_ms = entry.active_ms = self._store.now_ms
            entry.fresh_ms = self._store.now_ms - round(found.age * 1000)
            entry.ends_ms = None if to.ends is None else self._store.after(to.ends)
            entry.record_until = self._store.after(self._settings.retention)
            self._store.activity[key] = self._store.now_ms
            self._store.look(self._store.idle, key, to.looks.idle)
            self._store.look(self._store.refresh, key, None)
            self._store.counts["adopted"] += 1
            return True

    def _put_off(self, looks: dict[str, int], keys: list[str]) -> tuple[str, ...]:
        entries = {key: self._store.entry(key) for key in keys}
        known = [key for key in keys if entries[key].spec is not None]
        for key in set(keys).difference(known):
            del looks[key]
        looks.update(dict.fromkeys(known, self._store.after(self._settings.refresh_interval)))
        return tuple(key for key in known if entries[key].parked is None)

    def _owned(self, lease: Lease) -> Entry | None:
        entry = self._store.entry(lease.key)
        return entry if entry.token == lease.token and entry.epoch == lease.epoch else None

    def _living(self, key: str) -> Entry | None:
        entry = self._store.entry(key)
        ended = entry.spec is None or entry.state is SessionState.ENDED
        return None if ended else entry

    def _wish(self, key: str, entry: Entry, why: str | None) -> None:
        entry.suspect = why or entry.suspect
        entry.bind, entry.record_until = entry.appended, None
        self._store.ready[key] = self._store.now_ms

    def _unbind(self, key: str, entry: Entry, state: SessionState) -> None:
        entry.sid, entry.state = None, state
        entry.intent, entry.intent_ms, entry.doubt, entry.suspect = None, 0, None, None
        entry.lifetime = entry.stm = None
        entry.epoch += 1
        self._store.counts[state.value] += 1
        if state is SessionState.ENDED:
            entry.journal, entry.cut = [], 0
            entry.forget_life()
            self._store.activity.pop(key, None)
