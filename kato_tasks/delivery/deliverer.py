"""Delivers one lane: claim, then step by step, until it is empty or the turn is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from kato_tasks.breakers import Breakers, Watch
from kato_tasks.deadlines import first_looks, own_end
from kato_tasks.delivery.calling import call
from kato_tasks.delivery.doubt import resolve, suspected
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.keeper import LeaseKeeper
from kato_tasks.delivery.making import drop_session, make_session
from kato_tasks.delivery.settling import pause
from kato_tasks.delivery.waking import wake
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import InvalidInput, KatoError
from kato_tasks.kato import KatoClient
from kato_tasks.lanes import Lanes
from kato_tasks.lives import Lives
from kato_tasks.models import Bound, Claim, Kind, NoClaim, Turn
from kato_tasks.nodes import Nodes
from kato_tasks.retry import Backoff
from kato_tasks.settings import Settings

_NOT_CLAIMED: Final = {
    NoClaim.BUSY: Turn.BUSY,
    NoClaim.EMPTY: Turn.DONE,
    NoClaim.PARKED: Turn.PARKED,
    NoClaim.UNKNOWN: Turn.UNKNOWN,
}


class Deliverer:
    """Delivers lanes to KATO.

    Args:
        lanes: The lanes.
        lives: How long sessions live.
        nodes: Tells who may call a node.
        breakers: Tell whether an instance may be called.
        client: Returns the client of an instance by its name.
        keeper: Renews leases meanwhile.
        settings: Batch, turn and retry limits.

    Attributes:
        tools: All of that, as a turn works with it.
        keeper: Renews leases meanwhile.
        stopping: True once no turn begins any more.
    """

    def __init__(  # noqa: PLR0913 - what a delivery works with
        self,
        *,
        lanes: Lanes,
        lives: Lives,
        nodes: Nodes,
        breakers: Breakers | Watch,
        client: Callable[[str], KatoClient],
        keeper: LeaseKeeper,
        settings: Settings,
    ) -> None:
        self.keeper = keeper
        self.stopping = False
        self.tools = Tools(
            lanes=lanes,
            lives=lives,
            nodes=nodes,
            watch=breakers if isinstance(breakers, Watch) else Watch(breakers),
            client=client,
            settings=settings,
            backoff=Backoff.of(settings),
        )

    def stop(self) -> None:
        """Let every turn end after the call that it is in, and no other begin.

        It takes no lock, so a signal handler may call it.
        """
        self.stopping = True

    def deliver(self, key: str) -> Turn:
        """Deliver one lane for one turn.

        Raises:
            StoreUnavailable: The store did not answer. The lease runs out; whoever claims the lane
                next looks what became of a call that was under way.
        """
        if self.stopping:
            return Turn.MORE
        tools = self.tools
        claim = tools.lanes.claim(key, most=tools.settings.batch_commands + 1)
        if isinstance(claim, NoClaim):
            return _NOT_CLAIMED[claim]
        now = time.monotonic()
        work = Work(claim=claim, ends=now + tools.settings.turn, clock_ms=claim.now_ms - now * 1000)
        with self.keeper.keeping(partial(tools.lanes.renew, claim.lease)):
            try:
                tools.client(claim.spec.instance)
            except InvalidInput as error:
                # Before anything is sent: another worker may know the instance.
                return pause(tools, work, str(error), doubt=_open(claim))
            return self._with_node(work)

    def _with_node(self, work: Work) -> Turn:
        nodes, settings = self.tools.nodes, self.tools.settings
        hold = nodes.acquire(work.claim.spec, wait=settings.node_wait)
        if hold is None:
            self._give_back(work, settings.retry_first)
            return Turn.PAUSED
        with ExitStack() as stack:
            stack.callback(nodes.release, hold)
            stack.enter_context(self.keeper.keeping(partial(nodes.renew, hold)))
            return self._deliver(replace(work, hold=hold))

    def _deliver(self, work: Work) -> Turn:
        step: Work | Turn = work
        while isinstance(step, Work):
            step = self._step(step) if self._may_go_on(step) else self._over(step)
        return step

    def _may_go_on(self, work: Work) -> bool:
        """Tell whether a turn has work left, and the right to do it."""
        claim = work.claim
        if self.stopping or not (claim.commands or _is_wished(claim)):
            return False
        if work.hold.alone:
            return self.tools.nodes.renew(work.hold)
        return not work.going_on or not self.tools.nodes.is_marked(claim.spec)

    def _over(self, work: Work) -> Turn:
        # What came in while the session was made waits for the next turn.
        self._give_back(work, 0.0 if self.stopping else self.tools.settings.wake_grace)
        return Turn.MORE

    def _step(self, work: Work) -> Work | Turn:
        watch, instance = self.tools.watch, work.claim.spec.instance
        seconds = watch.ask(instance)
        if seconds > 0:
            self._give_back(work, seconds)
            return Turn.PAUSED
        try:
            return self._next(work)
        finally:
            watch.done(instance)

    def _next(self, work: Work) -> Work | Turn:
        claim = work.claim
        if claim.suspect is not None and claim.session_id is not None:
            return suspected(self.tools, work, claim.suspect)
        if claim.intent is not None:
            return resolve(self.tools, work)
        if claim.session_id is None and not _ends(claim):
            return wake(self.tools, work) if claim.asleep else self._bind(work)
        return call(self.tools, work)

    def _bind(self, work: Work) -> Work | Turn:
        claim, tools = work.claim, self.tools
        client = tools.client(claim.spec.instance)
        try:
            made = make_session(client, claim.spec, work.key)
        except KatoError as error:
            return pause(tools, work, str(error))
        to = Bound(
            session_id=made.session_id,
            learning=made.learning,
            lifetime=made.lifetime,
            ends=own_end(claim.spec),
            looks=first_looks(claim.spec, made.lifetime, tools.settings),
        )
        lease = insist(lambda: tools.lanes.bind(claim.lease, to))
        if lease is None:
            drop_session(client, made.session_id)
            return Turn.LOST
        bound = replace(
            claim,
            lease=lease,
            session_id=made.session_id,
            time=0,
            events=0,
            learning=made.learning,
            suspect=None,
            life=replace(claim.life, lifetime=made.lifetime, fresh_ms=round(work.now_ms)),
        )
        return replace(work, claim=bound, calls=work.calls + 1)

    def _give_back(self, work: Work, seconds: float) -> None:
        release = self.tools.lanes.release
        insist(lambda: release(work.claim.lease, pause=seconds, doubt=_open(work.claim)))


def _open(claim: Claim) -> str:
    """Return what is in doubt in a lane that is given back as it is."""
    return "" if claim.intent is None else "its last call is in doubt"


def _is_wished(claim: Claim) -> bool:
    """Tell whether there is something to do for a session apart from its commands."""
    unmade = claim.session_id is None and not _ends(claim)
    return unmade or claim.suspect is not None or claim.intent is not None


def _ends(claim: Claim) -> bool:
    return bool(claim.commands) and claim.commands[0].kind is Kind.DELETE
