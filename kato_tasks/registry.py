"""The registry: what is known of each session, for reading. Only the lanes' scripts write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from kato_tasks.deadlines import state_of
from kato_tasks.keys import Keys
from kato_tasks.models import Life, Outcome, Progress, SessionRecord, SessionState
from kato_tasks.scripts import Runner
from kato_tasks.scripts.codec import decode_outcome, decode_spec
from kato_tasks.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """Counters over all sessions.

    Attributes:
        counts: Counters by name: ``applied``, ``observations``, ``calls``, ``rehomed`` and so on.
        latency: How many commands took how long, by bucket (:mod:`kato_tasks.instrumentation`).
        ready: Lanes with work.
        sessions: Sessions in the registry.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[int, int] = field(default_factory=dict)
    ready: int = 0
    sessions: int = 0


class Registry(Protocol):
    """What can be read of the sessions."""

    def get(self, key: str) -> SessionRecord | None:
        """Return what is known of one session; None if nothing is."""
        ...

    def progress(self, key: str) -> Progress | None:
        """Return how far a lane has come; None if the session is unknown."""
        ...

    def knows(self, key: str, command_id: str, first: int) -> bool:
        """Tell whether an accepted command is still where its receipt says.

        Args:
            key: The session key.
            command_id: The id of its group.
            first: The position of that group's first command.

        Returns:
            False if the store must remember it and does not. True also for one that is older than
            what a session remembers: nothing can be told of it.
        """
        ...

    def outcomes(self, key: str, first: int, last: int) -> dict[int, Outcome]:
        """Return what is remembered of the commands at these positions, by position."""
        ...

    def recent(self, *, limit: int, offset: int = 0) -> list[SessionRecord]:
        """Return sessions by their last use, the latest first.

        Args:
            limit: Most records to return.
            offset: How many to pass over.
        """
        ...

    def walk(self) -> Iterator[SessionRecord]:
        """Return all sessions, in no order, in bounded steps."""
        ...

    def stats(self) -> Stats:
        """Return the counters, summed over all shards."""
        ...


_FIELDS: Final = (
    "spec",
    "node",
    "instance",
    "state",
    "sid",
    "time",
    "epoch",
    "appended",
    "applied",
    "created_ms",
    "active_ms",
    "doubt",
    "parked",
    "attempts",
    "rehomed",
    "why",
    "suspect",
    "lifetime",
    "fresh_ms",
    "ends_ms",
    "keep",
    "wrote_ms",
    "moving_ms",
)
_STEP: Final = 500
_LATENCY: Final = "latency:"


class RedisRegistry:
    """The registry in Redis or Valkey.

    Args:
        runner: Reaches the store.
        settings: Prefix and shards; when a session is idle, and when it is expiring.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._settings = settings
        self._shards = range(settings.shards)
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def get(self, key: str) -> SessionRecord | None:
        """See :meth:`Registry.get`."""
        return next(iter(self._records([key])), None)

    def progress(self, key: str) -> Progress | None:
        """See :meth:`Registry.progress`."""
        with self._runner.translated():
            values: Any = self._client.hmget(
                self._keys.session(key).session, ("appended", "applied", "parked")
            )
        appended, applied, parked = values
        if appended is None:
            return None
        return Progress(
            appended=int(appended),
            applied=int(applied or 0),
            parked=_text(parked),
        )

    def knows(self, key: str, command_id: str, first: int) -> bool:
        """See :meth:`Registry.knows`."""
        keys = self._keys.session(key)
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            pipe.exists(keys.session)
            pipe.zscore(keys.ids, command_id)
            pipe.zrange(keys.ids, 0, 0, withscores=True)
            there, position, oldest = pipe.execute()
        if not there or position is not None:
            return bool(there) and int(position) == first
        return not oldest or int(oldest[0][1]) > first

    def outcomes(self, key: str, first: int, last: int) -> dict[int, Outcome]:
        """See :meth:`Registry.outcomes`."""
        with self._runner.translated():
            found: Any = self._client.zrange(
                self._keys.session(key).outcomes, first, last, byscore=True
            )
        pairs = (member.split(b" ", 1) for member in found)
        return {int(seq): decode_outcome(outcome) for seq, outcome in pairs}

    def recent(self, *, limit: int, offset: int = 0) -> list[SessionRecord]:
        """See :meth:`Registry.recent`."""
        merged: list[tuple[float, str]] = []
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for shard in self._shards:
                pipe.zrange(
                    self._keys.activity(shard), 0, offset + limit - 1, desc=True, withscores=True
                )
            for members in pipe.execute():
                merged += [(score, member.decode()) for member, score in members]
        merged.sort(reverse=True)
        return self._records([key for _, key in merged[offset : offset + limit]])

    def walk(self) -> Iterator[SessionRecord]:
        """See :meth:`Registry.walk`."""
        for shard in self._shards:
            cursor = 0
            while True:
                with self._runner.translated():
                    reply: Any = self._client.zscan(self._keys.activity(shard), cursor, count=_STEP)
                cursor, members = reply
                yield from self._records([member.decode() for member, _ in members])
                if cursor == 0:
                    break

    def stats(self) -> Stats:
        """See :meth:`Registry.stats`."""
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for shard in self._shards:
                pipe.hgetall(self._keys.stats(shard))
                pipe.zcard(self._keys.ready(shard))
                pipe.zcard(self._keys.activity(shard))
            replies = pipe.execute()
        counts = _summed(replies[::3])
        latency = {name: counts.pop(name) for name in list(counts) if name.startswith(_LATENCY)}
        return Stats(
            counts=dict(counts),
            latency={int(name.removeprefix(_LATENCY)): count for name, count in latency.items()},
            ready=sum(replies[1::3]),
            sessions=sum(replies[2::3]),
        )

    def _records(self, keys: Sequence[str]) -> list[SessionRecord]:
        if not keys:
            return []
        shards = sorted({self._keys.shard_of(key) for key in keys})
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            for shard in shards:
                pipe.get(self._keys.clock(shard))
            for key in keys:
                pipe.hmget(self._keys.session(key).session, _FIELDS)
            replies: list[Any] = pipe.execute()
        seconds, micros = replies[0]
        wall = seconds * 1000 + micros // 1000
        offsets = [int(offset or 0) for offset in replies[1 : len(shards) + 1]]
        now = {shard: wall + offset for shard, offset in zip(shards, offsets, strict=True)}
        found = (
            self._record(key, values, now[self._keys.shard_of(key)])
            for key, values in zip(keys, replies[len(shards) + 1 :], strict=True)
        )
        return [record for record in found if record is not None]

    def _record(self, key: str, values: Sequence[Any], now_ms: int) -> SessionRecord | None:
        fields = dict(zip(_FIELDS, values, strict=True))
        if fields["spec"] is None:
            return None
        parked, doubt, life = _text(fields["parked"]), _doubt(fields), _life(fields)
        step = SessionState(fields["state"].decode())
        return SessionRecord(
            key=key,
            spec=decode_spec(
                fields["spec"],
                node=fields["node"].decode(),
                instance=fields["instance"].decode(),
            ),
            state=_wrong(parked, doubt)
            or _moving(fields, now_ms)
            or state_of(step, life, now_ms, self._settings),
            session_id=fields["sid"].decode() or None,
            time=int(fields["time"]),
            epoch=int(fields["epoch"]),
            appended=int(fields["appended"]),
            applied=int(fields["applied"]),
            created_at=int(fields["created_ms"]) / 1000,
            active_at=life.used_ms / 1000,
            doubt=doubt,
            parked=parked,
            attempts=int(fields["attempts"] or 0),
            rehomed=int(fields["rehomed"] or 0),
            why=_text(fields["why"]),
            life=life,
            asleep=step is SessionState.HIBERNATED,
            read_ms=now_ms,
        )


def _summed(hashes: Iterable[Mapping[bytes, bytes]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counters in hashes:
        total.update({name.decode(): int(value) for name, value in counters.items()})
    return total


def _life(fields: Mapping[str, Any]) -> Life:
    lifetime, ends = fields["lifetime"], fields["ends_ms"]
    return Life(
        lifetime=None if lifetime is None else int(lifetime),
        fresh_ms=int(fields["fresh_ms"] or 0),
        ends_ms=None if ends is None else int(ends),
        keep=fields["keep"] is not None,
        used_ms=int(fields["active_ms"]),
        wrote_ms=int(fields["wrote_ms"] or 0),
    )


def _doubt(fields: Mapping[str, Any]) -> str | None:
    return _text(fields["doubt"] or fields["suspect"])


def _wrong(parked: str | None, doubt: str | None) -> SessionState | None:
    if parked is not None:
        return SessionState.PARKED
    return None if doubt is None else SessionState.DOUBT


def _moving(fields: Mapping[str, Any], now_ms: int) -> SessionState | None:
    return SessionState.MIGRATING if int(fields["moving_ms"] or 0) > now_ms else None


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None
