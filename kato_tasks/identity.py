"""Which store this is: a ledger may be that of several."""

from __future__ import annotations

import secrets

from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings


class StoreIdentity:
    """The name of a store, made at its first use and kept in it. Thread-safe.

    Another prefix is another store; one that was emptied is another one from then on.

    Args:
        runner: Reaches the store.
        settings: The prefix.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._key = Keys(prefix=settings.prefix, shards=settings.shards).identity

    def __call__(self) -> str:
        """Return the name of the store.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        with self._runner.translated(), self._runner.client.pipeline() as pipe:
            pipe.set(self._key, secrets.token_hex(16), nx=True)
            pipe.get(self._key)
            _, name = pipe.execute()
        return str(name.decode())
