"""Views: what stands in lanes, for people to see. Nothing here changes a lane, or waits for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.models import LaneView
from kato_tasks.scripts import Runner
from kato_tasks.scripts.calls import read_command
from kato_tasks.scripts.codec import decode_intent
from kato_tasks.settings import Settings


class Views(Protocol):
    """What can be seen of lanes, beside what the registry knows of their sessions."""

    def lane(self, key: str, *, commands: int) -> LaneView | None:
        """Return what stands in a lane at one moment; None if the session is unknown.

        Args:
            key: The session key.
            commands: Most of the waiting commands to return, from the first on; 0 for none.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        ...

    def ready(self, *, limit: int) -> Sequence[str]:
        """Return the keys of lanes with work, in the order in which the sweep looks at them.

        Args:
            limit: Most keys to return.
        """
        ...

    def next_looks(self, keys: Sequence[str]) -> dict[str, float]:
        """Return when the sweep looks at these lanes, epoch seconds; without those it does not."""
        ...


_FIELDS: Final = ("applied", "intent", "intent_ms")


class RedisViews:
    """The views of the lanes in Redis or Valkey.

    Args:
        runner: Reaches the store.
        settings: Prefix and shards.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._shards = range(settings.shards)
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def lane(self, key: str, *, commands: int) -> LaneView | None:
        """See :meth:`Views.lane`."""
        keys = self._keys.session(key)
        # One transaction, so that the commands and their position belong together.
        with self._runner.translated(), self._client.pipeline(transaction=True) as pipe:
            pipe.hmget(keys.session, _FIELDS)
            pipe.exists(keys.lease)
            pipe.zscore(keys.ready, key)
            pipe.llen(keys.journal)
            pipe.lrange(keys.lane, 0, max(0, commands - 1))
            fields, leased, look, journal, entries = pipe.execute()
        applied, intent, intent_ms = fields
        if applied is None:
            return None
        return LaneView(
            applied=int(applied),
            leased=bool(leased),
            intent=decode_intent(intent) if intent else None,
            intent_at=int(intent_ms or 0) / 1000,
            next_look=None if look is None else look / 1000,
            commands=tuple(map(read_command, entries[:commands])),
            journal=journal,
        )

    def ready(self, *, limit: int) -> Sequence[str]:
        """See :meth:`Views.ready`."""
        found: list[tuple[float, bytes]] = []
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for shard in self._shards:
                pipe.zrange(self._keys.ready(shard), 0, max(0, limit - 1), withscores=True)
            for members in pipe.execute():
                found += [(look, key) for key, look in members]
        return [key.decode() for _, key in sorted(found)[:limit]]

    def next_looks(self, keys: Sequence[str]) -> dict[str, float]:
        """See :meth:`Views.next_looks`."""
        if not keys:
            return {}
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zscore(self._keys.session(key).ready, key)
            looks: list[Any] = pipe.execute()
        return {key: look / 1000 for key, look in zip(keys, looks, strict=True) if look is not None}
