"""Moves: which sessions are on their way to another instance, and on which instance they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from kato_tasks.keys import Keys
from kato_tasks.models import Departure, Learning, Lease, NoMove
from kato_tasks.scripts import Runner, move_calls
from kato_tasks.settings import Settings


class Moves(Protocol):
    """What a store knows of sessions that move. Every verb is atomic, and safe to repeat."""

    def depart(self, key: str, token: str, *, seconds: float) -> Departure | NoMove:
        """Note that a session is about to move, and read what made it what it is.

        Its commands are accepted and delivered all the same.

        Args:
            key: The session key.
            token: Names who moves it: for as long as this counts nobody else can.
            seconds: For how long that is, unless :meth:`on_the_way` makes it longer.
        """
        ...

    def on_the_way(
        self, key: str, token: str, *, seconds: float, give_way: float | None = None
    ) -> bool:
        """Let a session count as moving for longer.

        Args:
            key: The session key.
            token: Of who moves it.
            seconds: From now on.
            give_way: For so many seconds a turn of its delivery ends after the call that it is in,
                and nobody is called to the lane; None changes nothing.

        Returns:
            False if somebody else moves it by now, or nobody.
        """
        ...

    def arrive(self, key: str, token: str) -> int | None:
        """Note that a session is not moving any more, wherever it is now.

        Returns:
            How many of its commands wait; None if it was not this one's to move any more.
        """
        ...

    def relocate(
        self, lease: Lease, applied: int, instance: str, learning: Learning
    ) -> Lease | None:
        """Say which instance a session is on, and change nothing else of it.

        Args:
            lease: The lease of its lane.
            applied: Position of the last delivered command, as the caller knows it.
            instance: The instance.
            learning: How the server there learns by itself in the session.

        Returns:
            The lease to go on with; None if it is lost, or a call is in doubt.
        """
        ...


class RedisMoves:
    """Moves in Redis or Valkey.

    Args:
        runner: Runs the scripts.
        settings: Prefix and shards.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)

    def depart(self, key: str, token: str, *, seconds: float) -> Departure | NoMove:
        """See :meth:`Moves.depart`."""
        return self._runner.run(move_calls.depart(self._keys.session(key), token, seconds))

    def on_the_way(
        self, key: str, token: str, *, seconds: float, give_way: float | None = None
    ) -> bool:
        """See :meth:`Moves.on_the_way`."""
        call = move_calls.on_the_way(self._keys.session(key), token, seconds, give_way)
        return self._runner.run(call)

    def arrive(self, key: str, token: str) -> int | None:
        """See :meth:`Moves.arrive`."""
        waiting = self._runner.run(move_calls.arrive(self._keys.session(key), token))
        return None if waiting < 0 else waiting

    def relocate(
        self, lease: Lease, applied: int, instance: str, learning: Learning
    ) -> Lease | None:
        """See :meth:`Moves.relocate`."""
        keys = self._keys.session(lease.key)
        epoch = self._runner.run(move_calls.relocate(keys, lease, applied, instance, learning))
        return replace(lease, epoch=epoch) if epoch else None
