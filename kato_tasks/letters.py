"""Dead letters: the commands that servers did not take, for reading and for putting away.

The lanes' scripts write them. What to do with one is decided by a person; see
:mod:`kato_tasks.sessions.replaying`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.models import Command, DeadLetter, Outcome
from kato_tasks.naming import split_letter_id
from kato_tasks.scripts import Runner
from kato_tasks.scripts.calls import read_command
from kato_tasks.scripts.codec import decode_outcome
from kato_tasks.settings import Settings


class DeadLetters(Protocol):
    """What can be done with the dead letters of a store."""

    def list(
        self, *, key: str | None = None, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        """Return dead letters, the newest first.

        An entry that cannot be read is shown with what can be read of it.

        Args:
            key: Only those of this session; there is no index of them, so all letters of its
                shard are gone through, in bounded steps.
            limit: Most letters to return.
            before: Only those older than the letter of this id, which need not be there any more.

        Raises:
            InvalidInput: ``before`` is no id of a dead letter.
            StoreUnavailable: The store did not answer.
        """
        ...

    def get(self, letter: str) -> DeadLetter | None:
        """Return the dead letter of an id; None if there is none, or none any more.

        Raises:
            InvalidInput: It is no id of a dead letter.
            StoreUnavailable: The store did not answer.
        """
        ...

    def discard(self, letter: str) -> bool:
        """Remove a dead letter; False if there is none of that id.

        Nothing else happens: a lane that is parked at it stays parked.

        Raises:
            InvalidInput: It is no id of a dead letter.
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        ...

    def count(self) -> int:
        """Return how many dead letters there are."""
        ...


_STEP: Final = 100
"""Most letters of one round trip: they may have 64 kB each."""
_LONGEST_NUMBER: Final = 20
_YEAR_10000: Final = 253_402_300_800_000


class RedisDeadLetters:
    """The dead letters in Redis or Valkey.

    Args:
        runner: Reaches the store.
        settings: Prefix and shards.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._client = runner.client
        self._shards = range(settings.shards)
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def list(
        self, *, key: str | None = None, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        """See :meth:`DeadLetters.list`."""
        if key is not None:
            letters = self._read(self._keys.shard_of(key), before, _STEP)
            found = (letter for letter in letters if letter.key == key)
        else:
            step = min(limit, _STEP)
            shards = (self._read(shard, before, step) for shard in self._shards)
            found = (letter for letter in merge(*shards, key=_age, reverse=True))
        return [*islice(found, limit)]

    def get(self, letter: str) -> DeadLetter | None:
        """See :meth:`DeadLetters.get`."""
        shard, entry = split_letter_id(letter)
        with self._runner.translated():
            found: Any = self._client.xrange(self._keys.dead(shard), entry, entry)
        return _letter(shard, *found[0]) if found else None

    def discard(self, letter: str) -> bool:
        """See :meth:`DeadLetters.discard`."""
        shard, entry = split_letter_id(letter)
        with self._runner.translated():
            return bool(self._client.xdel(self._keys.dead(shard), entry))

    def count(self) -> int:
        """See :meth:`DeadLetters.count`."""
        with self._runner.translated(), self._client.pipeline(transaction=False) as pipe:
            for shard in self._shards:
                pipe.xlen(self._keys.dead(shard))
            return sum(pipe.execute())

    def _read(self, shard: int, before: str | None, step: int) -> Iterator[DeadLetter]:
        """Read the letters of one shard from the newest on, so many in one round trip."""
        newest = "+" if before is None else _newest(shard, before)
        while True:
            with self._runner.translated():
                found: Any = self._client.xrevrange(self._keys.dead(shard), newest, "-", step)
            for entry, fields in found:
                yield _letter(shard, entry, fields)
            if len(found) < step:
                return
            newest = f"({found[-1][0].decode()}"


def letter_age(letter: str) -> tuple[int, int, int]:
    """Return what dead letters are ordered by: the older one has less.

    Raises:
        InvalidInput: It is no id of a dead letter.
    """
    shard, entry = split_letter_id(letter)
    at_ms, number = entry.split("-")
    return int(at_ms), int(number), shard


def _age(letter: DeadLetter) -> tuple[int, int, int]:
    return letter_age(letter.id)


def _newest(shard: int, before: str) -> str:
    """Return where to begin in one shard: letters of one moment are ordered by their shards."""
    other, entry = split_letter_id(before)
    return entry if shard < other else f"({entry}"


def _letter(shard: int, entry: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    name = entry.decode()
    return DeadLetter(
        id=f"{shard}:{name}",
        key=fields.get(b"key", b"").decode(errors="replace"),
        seq=_number(fields.get(b"seq", b"")),
        command=_command(fields.get(b"entry", b"")),
        outcome=_outcome(fields.get(b"outcome", b"")),
        at=int(name.partition("-")[0]) / 1000,
        parked=fields.get(b"parked") == b"1",
    )


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < _LONGEST_NUMBER else 0


def _command(text: bytes) -> Command | None:
    try:
        command = read_command(text)
    except ValueError:
        return None
    return command if 0 <= command.accepted_ms < _YEAR_10000 else None


def _outcome(text: bytes) -> Outcome:
    try:
        return decode_outcome(text)
    except (ValueError, RecursionError, AttributeError):
        # No JSON that can be read, or none of an object.
        return Outcome()
