"""Moves one session to another instance while its commands go on (protocol, step 9)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.delivery.rehome import Unfaithful
from kato_tasks.errors import Final as Refusal
from kato_tasks.errors import KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.kato import KatoClient
from kato_tasks.lanes import Wake
from kato_tasks.migration.copies import Unmovable, drop_copy
from kato_tasks.migration.journey import Journey, Route
from kato_tasks.migration.kinship import Kinship
from kato_tasks.migration.moved import How, Moved, NotNow
from kato_tasks.models import Departure, NoMove
from kato_tasks.moves import Moves
from kato_tasks.registry import Registry

Note = Callable[[str | None], object]
"""Told the id of a copy as soon as there is one, and None once there is none any more.

It answers False if the session is not this one's to move any more; then it is left as it is.
"""

_NOT_BEGUN: Final = {
    NoMove.UNKNOWN: (How.NOTHING, "there is no such session"),
    NoMove.ENDED: (How.NOTHING, "it has ended"),
    NoMove.PARKED: (How.FAILED, "it is parked: unpark it first (kato-tasks lanes unpark)"),
    NoMove.MOVING: (How.LATER, "somebody else is moving it"),
}


def _unnoted(_: str | None) -> None:
    """Note nothing."""


class Mover:
    """Moves sessions, one at a time.

    Until the switch the source is bound, and each step can be repeated. A copy that was not bound
    is removed.

    Args:
        deliverer: Settles what is in doubt at the source, and has the tools of a delivery.
        moves: Says which sessions are on their way.
        registry: Tells where a session is.
        keeper: Renews leases meanwhile.
        wake: Calls workers to a lane that goes on.
    """

    def __init__(
        self,
        deliverer: Deliverer,
        *,
        moves: Moves,
        registry: Registry,
        keeper: LeaseKeeper,
        wake: Wake,
    ) -> None:
        self._deliverer = deliverer
        self._tools = deliverer.tools
        self._moves = moves
        self._registry = registry
        self._keeper = keeper
        self._wake = wake
        self.kinship = Kinship(client=self._tools.client)

    def client(self, instance: str) -> KatoClient:
        """Return the client of an instance.

        Raises:
            UnknownInstance: No such instance is configured.
        """
        return self._tools.client(instance)

    @property
    def stopping(self) -> bool:
        """True once no move begins any more."""
        return self._deliverer.stopping

    def move(
        self,
        key: str,
        to: str,
        *,
        keep: bool = False,
        made: str | None = None,
        note: Note = _unnoted,
    ) -> Moved:
        """Move a session to an instance.

        Args:
            key: The session key.
            to: The instance.
            keep: Leave the source's session where it is; else it is deleted after the switch.
            made: A copy that an earlier attempt may have left at the target; it is deleted
                unless it is bound.
            note: Told of copies.

        Returns:
            What has become of it. ALREADY has the bound session as ``after``: an earlier attempt
            may have moved it.

        Raises:
            UnknownInstance: No such instance is configured.
            StoreUnavailable: The store did not answer. What was moved is moved; repeat the call.
        """
        watch, _ = self._tools.watch, self._tools.client(to)
        seconds = watch.ask(to)
        if seconds > 0:
            error = f"{to} does not answer; it is not called for another {seconds:.1f} s"
            return Moved(how=How.LATER, error=error, wait=seconds)
        try:
            return self._depart(key, to, made, note, keep=keep)
        finally:
            watch.done(to)

    def _depart(self, key: str, to: str, made: str | None, note: Note, *, keep: bool) -> Moved:
        token, seconds = secrets.token_hex(8), self._tools.settings.lease
        departure = self._moves.depart(key, token, seconds=seconds)
        if isinstance(departure, NoMove):
            return self._not_begun(departure, key, to, made, note)
        route = Route(key=key, token=token, to=to, made=made)
        journey = Journey(self._deliverer, self._moves, self.kinship, route, note)
        with self._on_the_way(key, token):
            moved = self._go(journey, route, departure, note)
        if moved.how is How.MOVED and not keep:
            journey.leave()
            moved = replace(moved, calls=journey.calls, kept=False)
        return moved

    @contextmanager
    def _on_the_way(self, key: str, token: str) -> Iterator[None]:
        """Let a session count as moving for a block, and call a worker to it after that."""
        seconds = self._tools.settings.lease
        try:
            with self._keeper.keeping(partial(self._moves.on_the_way, key, token, seconds=seconds)):
                yield
        finally:
            if self._moves.arrive(key, token):
                self._wake([key])

    def _go(self, journey: Journey, route: Route, departure: Departure, note: Note) -> Moved:
        if departure.spec.instance == route.to:
            if route.made is not None:
                self._clear_away(route.key, route.to, route.made, note)
            return Moved(how=How.ALREADY, after=departure.session_id)
        try:
            moved = journey.run(departure)
        except (KatoError, Unfaithful, NotNow) as error:
            journey.give_up()
            if journey.switching is not None:
                # A first answer of the store may have been lost, and the lease since.
                self._clear_away(route.key, route.to, journey.switching, note)
            how = How.FAILED if isinstance(error, Refusal | Unmovable) else How.LATER
            moved = Moved(how=how, error=str(error), calls=journey.calls)
        facts = {"session": route.key, "to": route.to, "reason": moved.error}
        logger.info("session moved" if moved.how is How.MOVED else "session not moved", extra=facts)
        return moved

    def _not_begun(self, reason: NoMove, key: str, to: str, made: str | None, note: Note) -> Moved:
        if made is not None and reason is not NoMove.MOVING:
            # Whoever else is moving it may have just this copy under way.
            self._clear_away(key, to, made, note)
        how, error = _NOT_BEGUN[reason]
        return Moved(how=how, error=error)

    def look(self, key: str, to: str, made: str | None) -> Moved | None:
        """See what became of a session that somebody has left on its way to an instance.

        The copy of that one is deleted, unless it is bound.

        Args:
            key: The session key.
            to: The instance.
            made: The copy; None if there is none.

        Returns:
            ALREADY if it is there, LATER or NOTHING if it is not; None if that cannot be told
            now: the other one is still at it, or somebody else at work on it.

        Raises:
            UnknownInstance: No such instance is configured.
            StoreUnavailable: The store did not answer; repeat the call.
        """
        token, seconds = secrets.token_hex(8), self._tools.settings.lease
        departure = self._moves.depart(key, token, seconds=seconds)
        if departure is NoMove.MOVING:
            return None
        if isinstance(departure, NoMove):
            moved = self._not_begun(departure, key, to, made, _unnoted)
            record = self._registry.get(key)
            arrived = record is not None and record.spec.instance == to
            return replace(moved, how=How.ALREADY) if arrived else moved
        route = Route(key=key, token=token, to=to, made=made)
        journey = Journey(self._deliverer, self._moves, self.kinship, route, _unnoted)
        with self._on_the_way(key, token):
            try:
                return journey.look()
            except (KatoError, NotNow):
                return None

    def _clear_away(self, key: str, to: str, made: str, note: Note) -> None:
        """Delete what an earlier attempt has left over, if nobody is bound to it."""
        record = self._registry.get(key)
        if record is None or record.session_id != made:
            drop_copy(self._tools.client(to), made)
        note(None)
