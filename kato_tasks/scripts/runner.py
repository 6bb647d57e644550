"""Runs the Lua scripts, and is the one place where redis-py's exceptions become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, Generic, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kato_tasks.errors import InvalidInput, StoreUnavailable
from kato_tasks.instrumentation import hide_password

R = TypeVar("R")

_SCHEMES: Final = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, kw_only=True, slots=True)
class Script(Generic[R]):
    """One Lua script.

    Attributes:
        name: Its file's name without ``.lua``.
        source: Its text.
        sha: How the server names it.
        parse: Makes its reply a value.
    """

    name: str
    source: str
    sha: str
    parse: Callable[[Any], R]

    @classmethod
    def load(cls, name: str, parse: Callable[[Any], R]) -> Script[R]:
        """Return the script of the file ``name.lua`` beside this module."""
        source = (files(__package__) / f"{name}.lua").read_text(encoding="utf-8")
        digest = sha1(source.encode(), usedforsecurity=False).hexdigest()
        return cls(name=name, source=source, sha=digest, parse=parse)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[R]):
    """One run of a script, ready to be sent.

    Attributes:
        script: Which.
        keys: Its KEYS.
        args: Its ARGV.
    """

    script: Script[R]
    keys: Sequence[str]
    args: Sequence[str | int | bytes] = field(default=())


def open_redis(url: str, *, timeout: float, max_connections: int = 64) -> redis.Redis:
    """Return a client that answers within ``timeout`` seconds and never repeats a command.

    redis-py 8 repeats by itself, ten times by default, and was seen to run one script twice.

    Raises:
        InvalidInput: The URL is none of Redis.
    """
    if not url.startswith(_SCHEMES):
        raise InvalidInput("redis_url", f"is {hide_password(url)!r}", " or ".join(_SCHEMES))
    try:
        # More threads than connections wait for one; the plain pool would refuse them at once.
        pool = redis.BlockingConnectionPool.from_url(
            url,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            max_connections=max_connections,
            protocol=2,
        )
        return redis.Redis.from_pool(pool)
    except ValueError:
        # The error quotes what may be a part of the password.
        raise InvalidInput(
            "redis_url", f"is {hide_password(url)!r}", "redis://host:port/db"
        ) from None


class Runner:
    """Runs scripts and plain commands on one store.

    Args:
        client: The connection pool; who opened it closes it.
        url: The store's URL; shown in errors without its password.
    """

    def __init__(self, client: redis.Redis, url: str) -> None:
        self.client = client
        self.url = hide_password(url)

    def run(self, call: Call[R], *, command_ids: Sequence[str] = ()) -> R:
        """Run one script in one round trip (two when the store does not know it yet).

        Args:
            call: What to run.
            command_ids: What :class:`StoreUnavailable` names as unknown.

        Raises:
            StoreUnavailable: No answer in time.
        """
        script = call.script
        with self.translated(command_ids):
            try:
                reply = self._evalsha(call)
            except redis.exceptions.NoScriptError:
                reply = self.client.eval(script.source, len(call.keys), *call.keys, *call.args)
        return script.parse(reply)

    def run_all(self, calls: Sequence[Call[R]], *, command_ids: Sequence[str] = ()) -> list[R]:
        """Run several calls of one script, in order, in one round trip.

        Raises:
            StoreUnavailable: No answer in time; a first part may have run.
        """
        if len(calls) == 1:
            return [self.run(calls[0], command_ids=command_ids)]
        with self.translated(command_ids), self.client.pipeline(transaction=False) as pipe:
            for position, call in enumerate(calls):
                # The first one carries the text, so that no later one can be unknown.
                queue, script = (
                    (pipe.evalsha, call.script.sha) if position else (pipe.eval, call.script.source)
                )
                queue(script, len(call.keys), *call.keys, *call.args)
            replies = pipe.execute()
        return [call.script.parse(reply) for call, reply in zip(calls, replies, strict=True)]

    def lost_nothing(self) -> bool:
        """Tell whether this run of the store began with all that the one before had answered.

        It did if every write is on its disk before it is answered, and if it was not a replica
        that took another's place. What cannot be told, as where CONFIG is forbidden, counts as no.

        Raises:
            StoreUnavailable: No answer in time.
        """
        try:
            found: Any = self.client.config_get("append*")
            replication: Any = self.client.info("replication")
        except redis.exceptions.ResponseError:
            return False
        except redis.exceptions.RedisError as error:
            raise StoreUnavailable(self.url, str(error).rstrip("."), ()) from error
        promoted = str(replication.get("master_replid2", "")).strip("0")
        kept = found.get("appendonly") == "yes" and found.get("appendfsync") == "always"
        return kept and not promoted and replication.get("role") == "master"

    @contextmanager
    def translated(self, command_ids: Sequence[str] = ()) -> Iterator[None]:
        """Make :class:`StoreUnavailable` of what redis-py raises when the store fails."""
        try:
            yield
        except redis.exceptions.RedisError as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise StoreUnavailable(self.url, reason, command_ids) from error

    def _evalsha(self, call: Call[R]) -> object:
        return self.client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
