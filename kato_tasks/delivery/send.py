"""Makes the one call of a batch, and says what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kato_tasks.errors import Final, KatoError, OutcomeUnknown, Retryable, SessionNotFound
from kato_tasks.kato import TIME_UNKNOWN, KatoClient
from kato_tasks.models import Command, Kind, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The call took effect.

    Attributes:
        time: KATO's ``time`` after it.
        outcome: What waiting callers are told beyond "applied".
        unbind: True if the server-side session is gone by our own wish.
    """

    time: int
    outcome: Outcome | None = None
    unbind: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NotDone:
    """The call did not take effect; it may be made again."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The server will never take this call."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """The call may or may not have taken effect, now or later."""

    reason: str


_REFUSALS = frozenset({400, 413, 422})

Sent = Done | NotDone | Refused | Doubt


def send(client: KatoClient, session_id: str, batch: Sequence[Command], time: int) -> Sent:
    """Make one call, once.

    Args:
        client: Of the session's instance.
        session_id: The server-side session.
        batch: Consecutive observes, or one other command.
        time: KATO's ``time`` before the call.
    """
    try:
        return _VERBS[batch[0].kind](client, session_id, batch, time)
    except Retryable as error:
        return NotDone(reason=str(error))
    except Final as error:
        # Only these refuse the commands themselves. A gateway's 401 or 429, or a wrong URL, says
        # nothing of them: they stay in the lane until the server is there again.
        return (Refused if error.status in _REFUSALS else NotDone)(reason=str(error))
    except OutcomeUnknown as error:
        return Doubt(reason=str(error))


def _observe(client: KatoClient, session_id: str, batch: Sequence[Command], time: int) -> Sent:
    payloads = [command.payload for command in batch]
    if len(payloads) == 1:
        observed = client.observe(session_id, payloads[0])
    else:
        observed = client.observe_sequence(session_id, payloads)
    expected = time + len(payloads)
    if observed.applied != len(payloads):
        return Doubt(reason=f"the server applied {observed.applied} of {len(payloads)}")
    if observed.time not in (expected, TIME_UNKNOWN):
        # Something was lost, was not stored, or somebody else writes (kato-api 0). Where the
        # dialect has no time there is nothing to check.
        return Doubt(reason=f"the server's time is {observed.time}, not {expected}")
    return Done(time=expected)


def _learn(client: KatoClient, session_id: str, _: Sequence[Command], time: int) -> Sent:
    return Done(time=time, outcome=Outcome(pattern=client.learn(session_id)))


def _clear_stm(client: KatoClient, session_id: str, _: Sequence[Command], __: int) -> Sent:
    client.clear_stm(session_id)
    return Done(time=0)


def _delete(client: KatoClient, session_id: str, _: Sequence[Command], __: int) -> Sent:
    try:
        client.delete_session(session_id)
    except SessionNotFound as error:
        # With KATO's own store down every session is "not found"; exists then fails (kato-api 9).
        if _exists(client, session_id) is not False:
            return Doubt(reason=str(error))
    return Done(time=0, unbind=True)


def _exists(client: KatoClient, session_id: str) -> bool | None:
    try:
        return client.exists(session_id)
    except KatoError:
        return None


_VERBS = {
    Kind.OBSERVE: _observe,
    Kind.LEARN: _learn,
    Kind.CLEAR_STM: _clear_stm,
    Kind.DELETE: _delete,
}
