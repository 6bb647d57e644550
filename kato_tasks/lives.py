"""The lives of sessions: which are due for a look, and how they go on."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Protocol

from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.models import Adoption, Intent, Lease, Rest
from kato_tasks.scripts import Runner, life_calls
from kato_tasks.settings import Settings

_WAITS: Final = 2


class Index(StrEnum):
    """What a session is looked at for."""

    IDLE = "idle"
    """Whether nobody has used it for long, or its time is over."""
    REFRESH = "refresh"
    """Whether its server has to be told to keep it."""


class Lives(Protocol):
    """What a store of lives can do. Every verb is atomic, and safe to repeat."""

    def due(self, index: Index, *, most: int) -> list[tuple[str, ...]]:
        """Return the sessions that are due for a look, and put the next look at them off.

        It costs what is due, not what there is.

        Args:
            index: What for.
            most: Most sessions of one shard.

        Returns:
            Those of each shard together; nothing for shards in which none is due.
        """
        ...

    def freshen(
        self, lease: Lease, intent: Intent | None = None, *, ends: float | None = None
    ) -> bool:
        """Note that the server lets a session live on; False if the lease is lost.

        Args:
            lease: The lease, which stays.
            intent: Of the call that did it, which goes; None if none was made.
            ends: Seconds from now after which it ends for good; None if that stays.
        """
        ...

    def rest(self, lease: Lease, how: Rest) -> bool:
        """Give the lease of a session back that nothing waits for, and note how it goes on.

        Returns:
            True if that was noted. If commands wait, or it was used meanwhile, the lease is given
            back, and the session goes on.
        """
        ...

    def keep(self, key: str, *, alive: bool) -> bool:
        """Keep a session alive from now on, or no more; False if there is none."""
        ...

    def suspect(self, key: str, session_id: str | None, why: str) -> bool:
        """Have a session made anew by a worker, or made at all.

        Args:
            key: The session key.
            session_id: The server-side session that is not what it must be; None for none.
            why: What is wrong with it.

        Returns:
            False if it has another one by now, or has ended, or there is no such session.
        """
        ...

    def touch(self, key: str) -> bool:
        """Note that a session is in use; False if there is none."""
        ...

    def adopt(self, found: Adoption) -> bool:
        """Register a session that its server has, as it is.

        Returns:
            False if the key names another session that has not ended, or for which commands wait;
            or if the server's session is ours already under another key.
        """
        ...


class RedisLives:
    """Lives in Redis or Valkey.

    Args:
        runner: Runs the scripts.
        settings: Prefix, shards and times.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def due(self, index: Index, *, most: int) -> list[tuple[str, ...]]:
        """See :meth:`Lives.due`."""
        of = self._keys.idle if index is Index.IDLE else self._keys.refresh
        looks = [
            life_calls.due(
                of(shard),
                self._keys.clock(shard),
                self._keys.session_prefix(shard),
                most=most,
                put_off=self._settings.refresh_interval,
            )
            for shard in range(self._settings.shards)
        ]
        return [keys for keys in self._runner.run_all(looks) if keys]

    def freshen(
        self, lease: Lease, intent: Intent | None = None, *, ends: float | None = None
    ) -> bool:
        """See :meth:`Lives.freshen`."""
        return self._runner.run(life_calls.freshen(self._of(lease.key), lease, intent, ends))

    def rest(self, lease: Lease, how: Rest) -> bool:
        """See :meth:`Lives.rest`."""
        call = life_calls.rest(self._of(lease.key), lease, how, self._settings)
        answer = self._runner.run(call)
        return bool(answer) and answer != _WAITS

    def keep(self, key: str, *, alive: bool) -> bool:
        """See :meth:`Lives.keep`."""
        return self._runner.run(life_calls.keep(self._of(key), key, alive=alive))

    def suspect(self, key: str, session_id: str | None, why: str) -> bool:
        """See :meth:`Lives.suspect`."""
        return self._runner.run(life_calls.suspect(self._of(key), key, session_id, why))

    def touch(self, key: str) -> bool:
        """See :meth:`Lives.touch`."""
        return self._runner.run(life_calls.touch(self._of(key), key, self._settings))

    def adopt(self, found: Adoption) -> bool:
        """See :meth:`Lives.adopt`."""
        # In a slot of its own: two that adopt one session under two keys would both write to it.
        claim = self._keys.adopted(found.spec.instance, found.to.session_id)
        kept_ms = max(1, round(self._settings.retention * 1000))
        with self._runner.translated():
            owner: Any = self._runner.client.set(claim, found.key, nx=True, get=True, px=kept_ms)
        if owner is not None and owner.decode() != found.key:
            return False
        adopted = self._runner.run(life_calls.adopt(self._of(found.key), found, self._settings))
        if not adopted and owner is None:
            with self._runner.translated():
                self._runner.client.delete(claim)
        return adopted

    def _of(self, key: str) -> SessionKeys:
        return self._keys.session(key)
