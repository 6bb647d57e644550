"""Makes a session anew of its journal, and switches its binding: the fence of the protocol.

The server-side session id is the only fence that KATO gives. After doubt nothing is sent to it any
more: a late or frozen writer then writes to an orphan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kato_tasks.deadlines import first_looks
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.making import Made, drop_session, give_voice, make_session
from kato_tasks.delivery.memory import Memory
from kato_tasks.delivery.settling import park, pause
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import KatoError, KatoTasksError
from kato_tasks.instrumentation import logger
from kato_tasks.kato import TIME_UNKNOWN, KatoClient
from kato_tasks.models import Intent, Lease, Switch, Turn

_CALLS: Final = 4
_REPLAYS: Final = 5

Seen = Sequence[Sequence[str]]
"""A short-term memory as a server shows it."""


class Unfaithful(KatoTasksError):
    """A replay gave another memory than it must."""


class OtherSymbols(Unfaithful):
    """A replay gave the memory that it must, but for the symbols of its vectors."""


def rehome(  # noqa: PLR0913 - what it is made of, why, and what stays open
    tools: Tools,
    work: Work,
    memory: Memory,
    reason: str,
    *,
    old: Seen | None = None,
    intent: Intent | None = None,
) -> Work | Turn:
    """Make a session anew and go on with it.

    Args:
        tools: What to work with.
        work: The lane.
        memory: What the session must remember.
        reason: Why it is made anew.
        old: The memory of the session so far, where the symbols of vectors can be compared with.
        intent: A call that stays in doubt.

    Raises:
        OtherSymbols: Vectors are in the memory, and have other neighbours now than in ``old``.
    """
    claim = work.claim
    client = tools.client(claim.spec.instance)
    try:
        made = _make(client, work, memory, old)
    except KatoError as error:
        return pause(tools, work, str(error), doubt=reason)
    except OtherSymbols:
        raise
    except Unfaithful as error:
        return _give_up(tools, work, reason, error)
    if intent is not None:
        intent = replace(intent, session_id=made.session_id, time=memory.time, rehomed=True)
    to = Switch(
        session_id=made.session_id,
        time=memory.time,
        events=len(memory.events),
        reason=reason,
        intent=intent,
        lifetime=made.lifetime,
        looks=first_looks(claim.spec, made.lifetime, tools.settings),
    )
    lease = insist(lambda: tools.lanes.switch(claim.lease, claim.applied, to))
    if lease is None:
        drop_session(client, made.session_id)
        return Turn.LOST
    logger.warning("session made anew", extra={"session": work.key, "reason": reason})
    if claim.session_id:
        drop_session(client, claim.session_id)
    return _moved(work, lease, to)


def _moved(work: Work, lease: Lease, to: Switch) -> Work:
    """Return the lane as it is after a switch."""
    now = round(work.now_ms)
    after = replace(
        work.claim,
        lease=lease,
        session_id=to.session_id,
        time=to.time,
        events=to.events,
        intent=to.intent,
        intent_ms=now,
        suspect=None,
        asleep=False,
        life=replace(work.claim.life, lifetime=to.lifetime, fresh_ms=now),
    )
    return replace(work, claim=after, calls=work.calls + _CALLS, anew=True)


def _make(client: KatoClient, work: Work, memory: Memory, old: Seen | None) -> Made:
    """Make a server-side session with a memory; none is left over if that fails."""
    spec, learning = work.claim.spec, work.claim.learning
    made = make_session(client, spec, work.key, quiet=client.can_configure)
    try:
        if memory.replay:
            client.replay(made.session_id, memory.replay)
            _verify(client, made.session_id, memory, old)
        if client.can_configure:
            give_voice(client, made.session_id, spec, learning)
    except (KatoError, Unfaithful):
        drop_session(client, made.session_id)
        raise
    return made


def _verify(client: KatoClient, session_id: str, memory: Memory, old: Seen | None) -> None:
    seen = client.look(session_id)
    if seen.time not in (memory.time, TIME_UNKNOWN):
        raise Unfaithful(f"a replay came to time {seen.time}, not {memory.time}")
    if not memory.equals(seen.stm):
        raise Unfaithful(f"a replay gave {len(seen.stm)} events that are not those it must give")
    if not memory.exact and old is not None and list(seen.stm) != list(old):
        raise OtherSymbols("a replay of vectors gave other symbols than the session had")


def _give_up(tools: Tools, work: Work, reason: str, error: Unfaithful) -> Turn:
    # Attempts at which the server was not there say nothing of its replays.
    if work.claim.replays + 1 < _REPLAYS:
        return pause(tools, work, str(error), unfaithful=True, doubt=reason)
    return park(tools, work, f"{reason}; {error}")
