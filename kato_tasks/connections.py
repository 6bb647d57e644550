"""How many connections to an instance each process may have open.

A server counts its open connections, idle ones too, and refuses calls beyond its limit (kato-api
9). So all processes that call an instance share what the setting grants them together: each joins
before its first call, comes by again every :data:`BEAT`, and leaves at its end.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner, care_calls
from kato_tasks.settings import Settings

BEAT: Final = 1.0
"""After how many seconds a process comes by again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowd:
    """The processes that call one instance, to be shown.

    Attributes:
        processes: How many there are.
        connections: How many connections they may have open together.
        under_way: How many calls they had under way when each came by last.
    """

    processes: int = 0
    connections: int = 0
    under_way: int = 0


class Connections(Protocol):
    """The connections of all instances. Every verb may raise StoreUnavailable."""

    def join(self, instance: str, *, held: int = 0, under_way: int = 0) -> int:
        """Join the processes that call an instance, or stay among them for the lease time.

        Args:
            instance: Which is about to be called.
            held: How many connections this process may still have open, idle ones too.
            under_way: How many calls it has under way, to be shown.

        Returns:
            How many connections it may use from now on: its equal share, at least one, as far as
            the others leave it room; so 0 for a while, or where more processes than connections
            have come before.
        """
        ...

    def leave(self, instance: str) -> None:
        """Leave: all connections of this process are closed. No error if it never joined."""
        ...

    def crowds(self) -> Mapping[str, Crowd]:
        """Return who calls every configured instance, by its name."""
        ...


def fair_share(settings: Settings, processes: int) -> int:
    """Return how many connections each of some processes may use, once all have come by."""
    share = settings.instance_connections // max(1, processes)
    return max(1, min(settings.kato_connections, share))


class RedisConnections:
    """Shares of connections in Redis or Valkey. One object stands for one process.

    Args:
        runner: Reaches the store.
        settings: Limits, and the lease time.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._token = secrets.token_hex(8)

    def join(self, instance: str, *, held: int = 0, under_way: int = 0) -> int:
        """See :meth:`Connections.join`."""
        call = care_calls.join_connections(
            self._names(instance),
            self._token,
            lifetime=self._settings.lease,
            total=self._settings.instance_connections,
            most=self._settings.kato_connections,
            held=held,
            under_way=under_way,
        )
        return self._runner.run(call)

    def leave(self, instance: str) -> None:
        """See :meth:`Connections.leave`."""
        self._runner.run(care_calls.leave_connections(self._names(instance), self._token))

    def crowds(self) -> Mapping[str, Crowd]:
        """See :meth:`Connections.crowds`."""
        instances = list(self._settings.instances)
        with self._runner.translated(), self._runner.client.pipeline(transaction=False) as pipe:
            pipe.time()
            for instance in instances:
                callers, shares = self._names(instance)
                pipe.zrange(callers, 0, -1, withscores=True)
                pipe.hgetall(shares)
            (seconds, micros), *found = pipe.execute()
        now = seconds * 1000 + micros / 1000
        crowds = (
            _crowd([token for token, until in living if until > now], shares)
            for living, shares in zip(found[::2], found[1::2], strict=True)
        )
        return dict(zip(instances, crowds, strict=True))

    def _names(self, instance: str) -> tuple[str, str]:
        return self._keys.callers(instance), self._keys.shares(instance)


def _crowd(living: list[bytes], shares: Mapping[bytes, bytes]) -> Crowd:
    entries = [shares[token].split() for token in living if token in shares]
    return Crowd(
        processes=len(living),
        connections=sum(int(connections) for connections, _ in entries),
        under_way=sum(int(calls) for _, calls in entries),
    )
