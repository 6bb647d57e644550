"""Makes the one call of a batch, and says what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kato_tasks.delivery.effect import Done, config_of, effect, with_config
from kato_tasks.delivery.memory import STM_EVENTS, Memory, follow
from kato_tasks.delivery.work import Planned
from kato_tasks.errors import (
    Final,
    KatoError,
    OutcomeUnknown,
    Retryable,
    RouteMissing,
    ServerFault,
    SessionNotFound,
)
from kato_tasks.kato import TIME_UNKNOWN, Cognition, KatoClient, effective_differences
from kato_tasks.models import Claim, Command, Kind, Learning, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class NotDone:
    """The call did not take effect; it may be made again."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The server will never take this call."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The server failed at the call and took nothing of it (a 500 on an observe; kato-api 4)."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """The call may or may not have taken effect, now or later.

    Attributes:
        reason: Why that is not known.
        failed: True if the server answered that it failed: it will fail again, if it is poison.
        unlearned: True if nothing was learned by it, whatever has become of the session.
    """

    reason: str
    failed: bool = False
    unlearned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Anomaly:
    """The call was answered, and its session is not what it must be then.

    Attributes:
        reason: What is wrong with it.
        done: The call as it was, with what the server says of the session; None if it was not
            taken.
        counted: True if it took effect all the same, and must not be made again: a learn that was
            answered with the name of another pattern.
    """

    reason: str
    done: Done | None = None
    counted: bool = False


_REFUSALS = frozenset({400, 413, 422})
_FAILED = 500

Sent = Done | NotDone | Refused | Failed | Doubt | Anomaly


def send(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    """Make one call, once.

    Args:
        client: Of the session's instance.
        claim: The session, which has a server-side one.
        call: Consecutive observes, or one other command.
    """
    try:
        return _VERBS[call.intent.kind](client, claim, call)
    except Retryable as error:
        return NotDone(reason=str(error))
    except Final as error:
        return _final(error)
    except SessionNotFound as error:
        # The session is looked up before anything else is done with it (kato-api 1).
        return Doubt(reason=str(error), unlearned=True)
    except OutcomeUnknown as error:
        failed = isinstance(error, ServerFault) and error.status == _FAILED
        if failed and call.intent.kind is Kind.OBSERVE and call.intent.pattern is None:
            return Failed(reason=str(error))
        # What makes the server learn may have counted all the same.
        return Doubt(reason=str(error), failed=failed)


def confirm(client: KatoClient, claim: Claim, call: Planned, done: Done) -> Sent:
    """Look whether a call that was answered has left what it must.

    A server whose store is full answers 200 and stores nothing (kato-api 9). Most often the next
    call shows it; the last one of a lane has none.
    """
    if call.intent.kind in (Kind.CONFIGURE, Kind.DELETE):
        return done
    try:
        seen = client.look(claim.session_id or "")
    except KatoError as error:
        return Doubt(reason=str(error))
    reason = _unlike(seen, time=done.time, events=done.events)
    if reason is None and not _tail(call, done).ends(seen.stm):
        reason = "the newest events are not those that were sent"
    if reason is None:
        return done
    time = done.time if seen.time == TIME_UNKNOWN else seen.time
    return Anomaly(reason=reason, done=replace(done, time=time, events=len(seen.stm)))


def still(client: KatoClient, claim: Claim, sent: Refused | Failed) -> Sent:
    """Look whether the session of a call that was not taken is what it was before.

    Such a call does not show whether the one before it was stored.
    """
    try:
        seen = client.look(claim.session_id or "")
    except SessionNotFound as error:
        # A server may refuse what it is sent before it asks whose it is (422; kato-api 4).
        return Doubt(reason=str(error))
    except KatoError as error:
        return NotDone(reason=str(error))
    reason = _unlike(seen, time=claim.time, events=claim.events)
    return sent if reason is None else Anomaly(reason=reason)


def _unlike(seen: Cognition, *, time: int, events: int) -> str | None:
    if seen.time not in (time, TIME_UNKNOWN):
        return f"the server's time is {seen.time}, not {time}"
    if len(seen.stm) != events:
        return f"the server's number of events is {len(seen.stm)}, not {events}"
    return None


def _tail(call: Planned, done: Done) -> Memory:
    if call.intent.kind is not Kind.OBSERVE or done.learned is not None:
        return Memory()
    return follow(Memory(), call.batch, Learning())


def _final(error: Final) -> Sent:
    # Only these refuse the commands themselves. A gateway's 401 or 429, or a wrong URL, says
    # nothing of them: they stay in the lane until the server is there again. A call that the
    # dialect does not have was not sent, and never will be.
    unsent = isinstance(error, RouteMissing) and error.status is None
    refused = unsent or error.status in _REFUSALS
    return (Refused if refused else NotDone)(reason=str(error))


def _other(what: str, found: int, expected: int, done: Done) -> Anomaly:
    return Anomaly(reason=f"the server's {what} is {found}, not {expected}", done=done)


def _observe(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    payloads = [command.payload for command in call.batch]
    session_id = call.intent.session_id
    if len(payloads) == 1:
        observed = client.observe(session_id, payloads[0])
    else:
        observed = client.observe_sequence(session_id, payloads)
    done = effect(claim, call.batch, call.intent)
    length = done.events if observed.stm_length < 0 else min(STM_EVENTS, observed.stm_length)
    found = replace(done, events=length)
    if observed.applied != len(payloads):
        return _other("count of observations", observed.applied, len(payloads), found)
    if done.time == TIME_UNKNOWN:
        # Of a session that somebody else has made, the first answer may be what shows it.
        done = replace(done, time=observed.time)
    if observed.time not in (done.time, TIME_UNKNOWN):
        # Something was lost, was not stored, or somebody else writes (kato-api 0). Where the
        # dialect has no time there is nothing to check.
        return _other("time", observed.time, done.time, replace(found, time=observed.time))
    if length != done.events:
        return _other("number of events", length, done.events, found)
    return done


def _learn(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    name = client.learn(call.intent.session_id)
    done = replace(effect(claim, call.batch, call.intent), outcome=Outcome(pattern=name))
    if call.intent.frequency >= 0 and name != call.intent.pattern:
        reason = f"it learned {name!r}, not {call.intent.pattern!r}"
        return Anomaly(reason=reason, done=done, counted=True)
    return done


def _clear_stm(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    client.clear_stm(call.intent.session_id)
    return effect(claim, call.batch, call.intent)


def _configure(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    config = config_of(call.batch[0])
    client.update_config(call.intent.session_id, config)
    try:
        effective = client.get_config(call.intent.session_id)
    except KatoError as error:
        return Doubt(reason=str(error))
    done = with_config(effect(claim, call.batch, call.intent), effective)
    missing = effective_differences(config, effective)
    if missing:
        return Anomaly(reason=f"the server does not have {', '.join(missing)} of it", done=done)
    return done


def _delete(client: KatoClient, claim: Claim, call: Planned) -> Sent:
    try:
        client.delete_session(call.intent.session_id)
    except SessionNotFound as error:
        # With KATO's own store down every session is "not found"; exists then fails (kato-api 9).
        # Deleting again later does no harm, whatever became of this.
        if _exists(client, call.intent.session_id) is not False:
            return NotDone(reason=str(error))
    return effect(claim, call.batch, call.intent)


def _exists(client: KatoClient, session_id: str) -> bool | None:
    try:
        return client.exists(session_id)
    except KatoError:
        return None


_VERBS = {
    Kind.OBSERVE: _observe,
    Kind.LEARN: _learn,
    Kind.CLEAR_STM: _clear_stm,
    Kind.CONFIGURE: _configure,
    Kind.DELETE: _delete,
}


def nothing_to_do(claim: Claim, batch: Sequence[Command]) -> bool:
    """Tell whether a command needs no call: an empty session is clear, an unmade one deleted."""
    match batch[0].kind:
        case Kind.DELETE:
            return claim.session_id is None
        case Kind.CLEAR_STM:
            return claim.time == 0 and claim.events == 0
        case _:
            return False
