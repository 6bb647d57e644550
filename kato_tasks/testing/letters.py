"""The dead letters in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from kato_tasks.letters import letter_age
from kato_tasks.models import DeadLetter
from kato_tasks.naming import split_letter_id
from kato_tasks.testing.store import MemoryStore


class MemoryDeadLetters:
    """The dead letters in memory: :class:`kato_tasks.letters.DeadLetters`. Thread-safe.

    Args:
        store: Holds the state.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def list(
        self, *, key: str | None = None, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        """See :meth:`kato_tasks.letters.DeadLetters.list`."""
        age = None if before is None else letter_age(before)
        with self._store.changed:
            found = (
                letter
                for letter in reversed(self._store.dead)
                if key in (None, letter.key) and (age is None or letter_age(letter.id) < age)
            )
            return [*islice(found, limit)]

    def get(self, letter: str) -> DeadLetter | None:
        """See :meth:`kato_tasks.letters.DeadLetters.get`."""
        split_letter_id(letter)
        with self._store.changed:
            return next((one for one in self._store.dead if one.id == letter), None)

    def discard(self, letter: str) -> bool:
        """See :meth:`kato_tasks.letters.DeadLetters.discard`."""
        split_letter_id(letter)
        with self._store.changed:
            return self._store.take_letter(letter) is not None

    def count(self) -> int:
        """See :meth:`kato_tasks.letters.DeadLetters.count`."""
        with self._store.changed:
            return len(self._store.dead)
