"""One session on its way: copied ahead, then the rest under its lease, verified and switched."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from kato_tasks.deadlines import first_looks
from kato_tasks.delivery import Deliverer, drop_session, is_as_applied, recall, seen_at
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.memory import Memory, as_symbols, with_head
from kato_tasks.delivery.rehome import OtherSymbols
from kato_tasks.errors import KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.kato import Cognition
from kato_tasks.migration.copies import (
    Copy,
    Unmovable,
    can_go_on,
    catch_up,
    drop_copy,
    give_config,
    make_copy,
    verify,
    verify_percepts,
)
from kato_tasks.migration.kinship import Kinship
from kato_tasks.migration.moved import How, Moved, NotNow
from kato_tasks.models import (
    AnomalyPolicy,
    Claim,
    Departure,
    Intent,
    Kind,
    Learning,
    NoClaim,
    NoMove,
    SessionSpec,
    Switch,
)
from kato_tasks.moves import Moves

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.02
_ROUNDS: Final = 10
"""How often a copy catches up at most before the lease is taken."""
_BEHIND: Final = 0.05
"""Seconds that catching up may have taken for the rest to be left to the time under the lease."""
_WAY: Final = 1.0
"""Seconds for which turns give way to who waits for the lease."""
_LOST: Final = "the lease of its lane was lost on the way"
_NOT_OURS: Final = "somebody else has it by now"
_DOUBT: Final = "its last call is in doubt"
_OTHER: Final = "its server has another memory of it"
_NO_LEASE: Final = {
    NoClaim.BUSY: "somebody was at work on it for long, or its last learn stays in doubt",
    NoClaim.EMPTY: "its lane could not be claimed",
    NoClaim.PARKED: "it was parked meanwhile",
    NoClaim.UNKNOWN: "it is not known any more",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Which session goes where.

    Attributes:
        key: The session key.
        token: Names who moves it.
        to: The instance.
        made: A copy that an earlier attempt may have left at the instance.
    """

    key: str
    token: str
    to: str
    made: str | None = None


class Journey:
    """One attempt at moving a session.

    Args:
        deliverer: Settles what is in doubt at the source, and has the tools of a delivery.
        moves: Says which sessions are on their way.
        kinship: Tells what two instances have in common.
        route: Which session goes where.
        note: Told of copies; answers False if the session is not this one's to move any more.

    Attributes:
        calls: HTTP calls that were made for it.
        switching: The copy that a switch was tried to, and that may be bound therefore.
    """

    def __init__(
        self,
        deliverer: Deliverer,
        moves: Moves,
        kinship: Kinship,
        route: Route,
        note: Callable[[str | None], object],
    ) -> None:
        self.calls = 0
        self.switching: str | None = None
        self._deliverer = deliverer
        self._tools = deliverer.tools
        self._moves = moves
        self._kinship = kinship
        self._route = route
        self._note = note
        self._target = self._tools.client(route.to)
        self._copy: Copy | None = None
        self._stale = route.made
        self._left: tuple[str, str] | None = None
        self._stack = ExitStack()
        self._holds_node = False

    def run(self, departure: Departure) -> Moved:
        """Go all the way.

        The source's session stays where it is until :meth:`leave`.

        Raises:
            KatoError: A server did not answer, or refused.
            NotNow: The lease was lost, or the target's node has no call to spare.
            Unfaithful: The copy is not what it must be.
        """
        with self._stack as stack:
            if self._is_spared(departure):
                self._note_copy(self._stale)
            else:
                self._copy_ahead(departure)
            claim = self._claim()
            if isinstance(claim, NoClaim):
                self.give_up()
                return Moved(how=How.LATER, error=_NO_LEASE[claim], calls=self.calls)
            stack.enter_context(
                self._deliverer.keeper.keeping(partial(self._tools.lanes.renew, claim.lease))
            )
            return self._under_lease(claim)

    def look(self) -> Moved | None:
        """See where a session is that somebody has left on its way, and delete the copy of that.

        Returns:
            None if that cannot be told now: somebody is at work on it for long.

        Raises:
            KatoError: A server did not answer.
            NotNow: Somebody else moves it by now.
        """
        claim = self._claim()
        if isinstance(claim, NoClaim):
            return None if claim is NoClaim.BUSY else Moved(how=How.LATER)
        try:
            self._clear_stale(claim)
        finally:
            self._tools.lanes.release(claim.lease, doubt="" if claim.intent is None else _DOUBT)
        arrived = claim.spec.instance == self._route.to
        return Moved(how=How.ALREADY if arrived else How.LATER, after=claim.session_id)

    def give_up(self) -> None:
        """Delete the copy that nobody is bound to."""
        if self._copy is not None:
            drop_copy(self._target, self._copy.session_id)
            self.calls += 1
            self._forget_copy()

    def leave(self) -> None:
        """Delete the source's session, once nobody is bound to it any more."""
        if self._left is not None:
            instance, session_id = self._left
            drop_session(self._tools.client(instance), session_id)
            self.calls += 1

    def _is_spared(self, departure: Departure) -> bool:
        """Tell whether nothing has to be copied: no server has it, or both show the same."""
        return departure.session_id is None or self._shares(departure.spec)

    def _shares(self, spec: SessionSpec) -> bool:
        return self._kinship.shares_store(spec.instance, self._route.to)

    def _hold_node(self, there: SessionSpec) -> None:
        if self._holds_node:
            return
        nodes = self._tools.nodes
        hold = nodes.acquire(there, wait=self._tools.settings.node_wait)
        if hold is None:
            raise NotNow(f"node {there.node!r} at {there.instance} has no call to spare")
        self._holds_node = True
        self._stack.callback(nodes.release, hold)
        self._stack.enter_context(self._deliverer.keeper.keeping(partial(nodes.renew, hold)))

    # Ahead, while deliveries go on.

    def _copy_ahead(self, departure: Departure) -> None:
        # Asked now, it is known under the lease.
        self._quiet_learning(departure.spec)
        self._begin_copy(replace(departure.spec, instance=self._route.to))
        replay = recall(departure.journal).replay
        for _ in range(_ROUNDS):
            began = time.monotonic()
            copy = self._catch_up(replay)
            if time.monotonic() - began < _BEHIND:
                return
            # Deliveries went on, and what is replayed under the lease has commands wait.
            again = self._moves.depart(
                self._route.key, self._route.token, seconds=self._tools.settings.lease
            )
            if isinstance(again, NoMove):
                return
            replay = recall(again.journal).replay
            if not can_go_on(copy, replace(again.spec, instance=self._route.to), replay):
                return

    def _quiet_learning(self, spec: SessionSpec) -> Learning:
        """Return how the target learns by itself in the session, if it can be kept from it."""
        learning = self._kinship.learning(self._route.to, spec)
        if learning.limit and not self._target.can_configure:
            raise Unmovable(
                "it would learn by itself while it is copied, and cannot be kept from it"
            )
        return learning

    def _begin_copy(self, spec: SessionSpec) -> None:
        self._hold_node(spec)
        self.give_up()
        self._copy = make_copy(self._target, spec, self._route.key)
        self.calls += self._copy.calls
        self._note_copy(self._copy.session_id)

    def _catch_up(self, replay: tuple[bytes, ...]) -> Copy:
        if self._copy is None:
            raise NotNow(_LOST)
        before = self._copy.calls
        self._copy = catch_up(self._target, self._copy, replay)
        self.calls += self._copy.calls - before
        return self._copy

    def _forget_copy(self) -> None:
        self._copy = None
        # What an earlier attempt has left may still be there.
        self._note(self._stale)

    def _note_copy(self, session_id: str | None) -> None:
        if self._note(session_id) is False:
            raise NotNow(_NOT_OURS)

    def _clear_stale(self, claim: Claim) -> None:
        """Delete what an earlier attempt has left, if nobody is bound to it.

        Before this lease that one, frozen meanwhile, might have switched to it still.
        """
        stale, self._stale = self._stale, None
        if stale is not None and stale != claim.session_id:
            drop_copy(self._target, stale)
            self.calls += 1

    # The lease.

    def _claim(self) -> Claim | NoClaim:
        """Take the lease; what is in doubt of a learn is settled at the source before."""
        settings = self._tools.settings
        until, pause = time.monotonic() + 2 * settings.lease + settings.turn, _FIRST_PAUSE
        while True:
            claim = self._tools.lanes.claim(self._route.key, most=1, idle=True)
            if isinstance(claim, Claim) and not _may_have_learned(claim.intent):
                return claim
            if isinstance(claim, Claim):
                self._settle_at_source(claim)
            elif claim is not NoClaim.BUSY:
                return claim
            if time.monotonic() >= until:
                return NoClaim.BUSY
            self._ask_way()
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def _ask_way(self) -> None:
        route, lease = self._route, self._tools.settings.lease
        if not self._moves.on_the_way(route.key, route.token, seconds=lease, give_way=_WAY):
            raise NotNow(_LOST)

    def _settle_at_source(self, claim: Claim) -> None:
        self._tools.lanes.release(claim.lease, doubt=_DOUBT)
        self._deliverer.deliver(self._route.key)

    # Under the lease.

    def _under_lease(self, claim: Claim) -> Moved:
        began, doubt = time.monotonic(), "" if claim.intent is None else _DOUBT
        try:
            self._clear_stale(claim)
            if claim.spec.instance == self._route.to:
                self.give_up()
                return Moved(how=How.ALREADY, after=claim.session_id, calls=self.calls)
            self._see_to_be_the_one()
            spared = claim.session_id is None or (_is_clean(claim) and self._shares(claim.spec))
            after = self._relocate(claim) if spared else self._copy_and_switch(claim)
            # What was in doubt was so at the source; nothing is at the target.
            doubt = ""
        finally:
            self._tools.lanes.release(claim.lease, doubt=doubt)
        if not spared and claim.session_id is not None:
            self._left = (claim.spec.instance, claim.session_id)
        return Moved(
            how=How.MOVED,
            before=claim.session_id,
            after=after,
            pause=time.monotonic() - began,
            calls=self.calls,
            kept=self._left is not None,
        )

    def _see_to_be_the_one(self) -> None:
        """See that nobody else has moved the session since this one began.

        One that was frozen meanwhile may have the lease all the same, after others have moved the
        session, and back.
        """
        route, lease = self._route, self._tools.settings.lease
        if not self._moves.on_the_way(route.key, route.token, seconds=lease):
            raise NotNow(_NOT_OURS)

    def _relocate(self, claim: Claim) -> str | None:
        """Change the binding alone; return the session that is bound."""
        learning = self._kinship.learning(self._route.to, claim.spec)
        lease = insist(
            lambda: self._moves.relocate(claim.lease, claim.applied, self._route.to, learning)
        )
        self.give_up()
        if lease is None:
            raise NotNow(_LOST)
        return claim.session_id

    def _copy_and_switch(self, claim: Claim) -> str:
        """Switch to a copy that has all; return the session that is bound."""
        journal = self._tools.lanes.journal(claim.lease, claim.applied)
        if journal is None:
            raise NotNow(_LOST)
        learning = self._quiet_learning(claim.spec)
        memory = recall(journal)
        # What a journal has not, or never had, cannot be in the copy.
        whole = not (journal.cut or claim.adopted)
        if claim.intent is not None and not memory.exact and self._source_has(claim):
            # What its vectors have become shows there alone, once nothing is in doubt any more.
            raise NotNow(_DOUBT)
        seen = self._trusted(claim, memory, self._look_at_source(claim))
        if seen is not None:
            memory = with_head(memory, seen.stm)
        try:
            copy = self._copied(claim, memory, seen, whole=whole)
        except OtherSymbols:
            memory = as_symbols(memory, seen.stm if seen is not None else ())
            copy = self._copied(claim, memory, seen, whole=whole)
        if seen is not None and whole:
            source = self._tools.client(claim.spec.instance)
            sid = claim.session_id or ""
            self.calls += verify_percepts(source, self._target, sid, copy)
        self.calls += give_config(self._target, copy, learning)
        self._switch(claim, memory, copy, learning)
        return copy.session_id

    def _copied(self, claim: Claim, memory: Memory, seen: Cognition | None, *, whole: bool) -> Copy:
        spec = replace(claim.spec, instance=self._route.to)
        if self._copy is None or not can_go_on(self._copy, spec, memory.replay):
            self._begin_copy(spec)
        copy = self._catch_up(memory.replay)
        self.calls += 1
        verify(self._target, copy, memory, seen, whole=whole)
        return copy

    def _source_has(self, claim: Claim) -> bool:
        self.calls += 1
        try:
            client = self._tools.client(claim.spec.instance)
            return seen_at(client, claim.session_id or "") is not None
        except KatoError:
            return False

    def _look_at_source(self, claim: Claim) -> Cognition | None:
        """Return what the source shows of the session, if that says anything."""
        if not _is_clean(claim):
            return None
        try:
            self.calls += 1
            return seen_at(self._tools.client(claim.spec.instance), claim.session_id or "")
        except KatoError as error:
            # Its journal says what it must be: a session can move away from a dead server.
            facts = {"session": self._route.key, "reason": str(error)}
            logger.warning("source not compared", extra=facts)
            return None

    def _trusted(self, claim: Claim, memory: Memory, seen: Cognition | None) -> Cognition | None:
        """Return what the source shows; None if that is not what the journal says.

        By the setting, the journal is what counts then, or the session stays.
        """
        if seen is None or is_as_applied(claim, memory, seen):
            return seen
        logger.error("anomaly", extra={"session": self._route.key, "reason": _OTHER})
        self._tools.lanes.count(self._route.key, {"anomalies": 1})
        if self._tools.settings.anomaly is not AnomalyPolicy.REHOME:
            raise Unmovable(f"{_OTHER} than it must have")
        return None

    def _switch(self, claim: Claim, memory: Memory, copy: Copy, learning: Learning) -> None:
        to = Switch(
            session_id=copy.session_id,
            time=memory.time,
            events=len(memory.events),
            reason=f"moved to {self._route.to}",
            lifetime=copy.lifetime,
            looks=first_looks(claim.spec, copy.lifetime, self._tools.settings),
            instance=self._route.to,
            learning=learning,
        )
        self._copy, self.switching = None, copy.session_id
        lease = insist(lambda: self._tools.lanes.switch(claim.lease, claim.applied, to))
        if lease is None:
            raise NotNow(_LOST)
        self.switching = None


def _may_have_learned(intent: Intent | None) -> bool:
    return intent is not None and (intent.kind is Kind.LEARN or intent.pattern is not None)


def _is_clean(claim: Claim) -> bool:
    return claim.intent is None and claim.suspect is None
