"""Looks after one session that nobody is at work on: claim, act, give back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from kato_tasks.delivery import LeaseKeeper, Tools, Work
from kato_tasks.errors import InvalidInput, KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.lifecycle.giving_back import Care, go_on, make_anew, try_later
from kato_tasks.lifecycle.idle import rest_or_end
from kato_tasks.lifecycle.refresh import keep_alive, live_on
from kato_tasks.lives import Index
from kato_tasks.models import NoClaim

Act = Callable[[Tools, Work], Care]

_ACTS: Final[dict[Index, Act]] = {Index.IDLE: rest_or_end, Index.REFRESH: keep_alive}


class Caretaker:
    """Looks after sessions, one at a time.

    Args:
        tools: What a delivery works with.
        keeper: Renews leases meanwhile.
    """

    def __init__(self, tools: Tools, keeper: LeaseKeeper) -> None:
        self._tools = tools
        self._keeper = keeper

    def look(self, index: Index, key: str) -> Care:
        """Look at a session that is due.

        Args:
            index: What for.
            key: The session key.

        Raises:
            StoreUnavailable: The store did not answer. What was not noted is looked at again.
        """
        return self._care(_ACTS[index], key)

    def extend(self, key: str) -> Care:
        """Let a session live on for its own time to live from now on, whether that is due or not.

        One with an end of its own ends that much later; one that is over ends. What waits in its
        lane comes first, and so does what is in doubt: then it is not extended.

        Args:
            key: The session key.

        Returns:
            EXTENDED also for a session that sleeps, or that no server has yet: nothing forgets it.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._care(live_on, key)

    def _care(self, act: Act, key: str) -> Care:
        claim = self._tools.lanes.claim(key, most=1, idle=True)
        if isinstance(claim, NoClaim):
            return Care.LEFT
        now = time.monotonic()
        work = Work(claim=claim, ends=now, clock_ms=claim.now_ms - now * 1000)
        with self._keeper.keeping(partial(self._tools.lanes.renew, claim.lease)):
            try:
                return self._with_node(act, work)
            except (KatoError, InvalidInput) as error:
                logger.warning("not looked after", extra={"session": key, "reason": str(error)})
                return try_later(self._tools, work)

    def _with_node(self, act: Act, work: Work) -> Care:
        tools, claim = self._tools, work.claim
        if claim.commands:
            # Its delivery comes first, and is a use.
            return go_on(tools, work)
        if claim.intent is not None or (claim.suspect is not None and act is not rest_or_end):
            return make_anew(tools, work, claim.suspect or "its last call is in doubt")
        if tools.watch.ask(claim.spec.instance) > 0:
            return try_later(tools, work)
        try:
            hold = tools.nodes.acquire(claim.spec, wait=tools.settings.node_wait)
            if hold is None:
                return try_later(tools, work)
            with self._keeper.keeping(partial(tools.nodes.renew, hold)):
                try:
                    return act(tools, work)
                finally:
                    tools.nodes.release(hold)
        finally:
            tools.watch.done(claim.spec.instance)
