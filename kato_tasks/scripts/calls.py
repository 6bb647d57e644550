"""One typed callable per script; what they take and answer is said in the scripts' headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kato_tasks.errors import LaneFull, SessionConflict
from kato_tasks.keys import SessionKeys
from kato_tasks.models import (
    Accepted,
    Append,
    Appended,
    Bound,
    Claim,
    Command,
    Intent,
    Journal,
    JournalEntry,
    Kind,
    LearnDoubt,
    Lease,
    Life,
    NoClaim,
    Outcome,
    SessionState,
    Settlement,
    Switch,
)
from kato_tasks.scripts.codec import (
    decode_intent,
    decode_learning,
    decode_memory,
    decode_spec,
    delay,
    encode_intent,
    encode_learning,
    encode_outcome,
    encode_spec,
    milliseconds,
    session_keys,
)
from kato_tasks.scripts.runner import Call, Script
from kato_tasks.settings import Settings


def _text(value: bytes) -> str:
    return value.decode()


def read_command(entry: bytes) -> Command:
    """Return the command that a lane's entry stands for."""
    kind, accepted_ms, payload = entry.split(b" ", 2)
    return Command(kind=Kind(_text(kind)), accepted_ms=int(accepted_ms), payload=payload)


def _appended(reply: list[Any]) -> list[Any]:
    return reply


_APPEND: Final = Script.load("append", _appended)


def append(
    keys: SessionKeys, request: Append, settings: Settings, *, following: int = 0
) -> Call[list[Any]]:
    """Accept groups of commands; read the reply with :func:`read_appended`.

    ``following``: how many commands later parts of the same request bring.
    """
    args: list[str | int | bytes] = [
        request.key,
        encode_spec(request.spec),
        request.spec.node,
        request.spec.instance,
        request.node or "",
        request.instance or "",
        int(request.bind),
        milliseconds(settings.wake_grace),
        settings.dedup_ids,
        milliseconds(min(settings.dedup_seconds, settings.retention)),
        milliseconds(settings.retention),
        settings.lane_commands,
        following,
        int(request.keep_alive),
    ]
    for group in request.groups:
        args += (group.command_id, group.kind.value, len(group.payloads), *group.payloads)
    slots = [keys.session, keys.lane, keys.ids, keys.lease, keys.ready, keys.activity]
    slots += [keys.journal, keys.clock]
    return Call(script=_APPEND, keys=slots, args=args)


def read_appended(
    request: Append, reply: list[Any], settings: Settings
) -> Appended | SessionConflict | LaneFull:
    """Return what the append script answered: that it accepted, or why it did not."""
    if reply[0] == b"full":
        return LaneFull(request.key, reply[1], settings.lane_commands)
    if reply[0] == b"conflict":
        field, known = _text(reply[1]), _text(reply[2])
        asked = request.node if field == "node" else request.instance
        return SessionConflict(request.key, field, known, asked or "")
    return Appended(groups=tuple(_accepted(request, reply)), wake=bool(reply[1]))


def _accepted(request: Append, reply: list[Any]) -> Iterator[Accepted]:
    for position, group in enumerate(request.groups):
        first, repeated = reply[2 + 2 * position : 4 + 2 * position]
        yield Accepted(first=first, last=first + len(group.payloads) - 1, repeated=bool(repeated))


@dataclass(frozen=True, kw_only=True, slots=True)
class Restarted:
    """The store was restarted since a session was last claimed.

    Attributes:
        run_id: How it names this run of its own.
    """

    run_id: str


def _claimed(reply: list[Any]) -> NoClaim | Restarted | list[Any]:
    if reply[0] == b"restarted":
        return Restarted(run_id=_text(reply[1]))
    return reply if reply[0] == b"claimed" else NoClaim(_text(reply[0]))


_CLAIM: Final = Script.load("claim", _claimed)
_LONGEST_CALL: Final = 1000
"""Most commands that a call ever carried, whatever the setting is now."""


def claim(  # noqa: PLR0913 - one value per fact that the script takes
    keys: SessionKeys,
    key: str,
    token: str,
    most: int,
    settings: Settings,
    *,
    lossless: str = "",
    doubtful: str = "",
    idle: bool = False,
) -> Call[NoClaim | Restarted | list[Any]]:
    """Take a lane's lease; read the reply with :func:`read_claim`.

    ``lossless`` and ``doubtful`` are run ids of the store: of a run that began with all that the
    one before had answered, and of one that may not have. ``idle``: take it even if there is
    nothing to do.
    """
    return Call(
        script=_CLAIM,
        keys=[
            *(keys.session, keys.lane, keys.lease, keys.ready, keys.stats, keys.journal),
            keys.clock,
        ],
        args=[
            *(key, token, milliseconds(settings.lease), most, milliseconds(settings.retention)),
            *(lossless, doubtful, _LONGEST_CALL, int(idle)),
        ],
    )


def read_claim(key: str, token: str, most: int, reply: list[Any]) -> Claim:
    """Return what the claim script answered when the lane is ours."""
    _, now_ms, spec, sid, time, events, epoch, applied, lowered, attempts, *rest = reply
    learning, intent, intent_ms, suspect, failures, ruling, *rest = rest
    state, lifetime, fresh_ms, ends_ms, keep, used_ms, stm, replays, wrote_ms, *rest = rest
    node, instance, adopted, entries = rest
    return Claim(
        lease=Lease(key=key, token=token, epoch=int(epoch)),
        spec=decode_spec(spec, node=_text(node), instance=_text(instance)),
        session_id=_text(sid) or None,
        time=int(time),
        events=int(events),
        learning=decode_learning(learning),
        applied=int(applied),
        most=int(lowered or most),
        attempts=int(attempts or 0),
        commands=tuple(map(read_command, entries)),
        now_ms=now_ms,
        intent=decode_intent(intent) if intent else None,
        intent_ms=int(intent_ms),
        suspect=_text(suspect) or None,
        failures=int(failures),
        ruling=LearnDoubt(_text(ruling)) if ruling else None,
        asleep=_text(state) == SessionState.HIBERNATED,
        stm=decode_memory(stm),
        replays=int(replays),
        adopted=bool(adopted),
        life=Life(
            lifetime=int(lifetime) if lifetime else None,
            fresh_ms=int(fresh_ms),
            ends_ms=int(ends_ms) if ends_ms else None,
            keep=bool(keep),
            used_ms=int(used_ms),
            wrote_ms=int(wrote_ms),
        ),
    )


_BIND: Final = Script.load("bind", int)


def bind(keys: SessionKeys, lease: Lease, to: Bound) -> Call[int]:
    """Bind a session; answers the new epoch, or 0 if the lease is not ours."""
    return Call(
        script=_BIND,
        keys=[keys.session, keys.lease, keys.idle, keys.refresh, keys.clock],
        args=[
            *(lease.token, lease.epoch, to.session_id, encode_learning(to.learning), lease.key),
            to.lifetime or "",
            *(delay(to.ends), delay(to.looks.idle), delay(to.looks.refresh)),
        ],
    )


_INTEND: Final = Script.load("intend", bool)


def intend(keys: SessionKeys, lease: Lease, intent: Intent) -> Call[bool]:
    """Write an intent; answers False if the lease is not ours."""
    return Call(
        script=_INTEND,
        keys=[keys.session, keys.lease, keys.clock],
        args=[lease.token, lease.epoch, intent.first, encode_intent(intent, lease.token)],
    )


_WITHDRAW: Final = Script.load("withdraw", int)


def withdraw(keys: SessionKeys, lease: Lease) -> Call[int]:
    """Take an intent back; answers the new epoch, or 0 if the lease is not ours."""
    return Call(script=_WITHDRAW, keys=[keys.session, keys.lease], args=[lease.token, lease.epoch])


_KEPT: Final = "k"
"""The mark in a journal of what the server has learned; observations have that of their kind."""


def _read_entry(entry: bytes) -> JournalEntry:
    kind, _, rest = entry.split(b" ", 2)
    if _text(kind) == _KEPT:
        return JournalEntry(kept=int(rest))
    return JournalEntry(payload=rest)


def read_journal(cut: int, entries: list[bytes]) -> Journal:
    """Return the journal that these entries are."""
    return Journal(entries=tuple(map(_read_entry, entries)), cut=cut)


def _journal(reply: list[Any]) -> Journal | None:
    return read_journal(*reply) if reply else None


_JOURNAL: Final = Script.load("journal", _journal)


def journal(keys: SessionKeys, lease: Lease, applied: int) -> Call[Journal | None]:
    """Read a journal; answers None if the lease is not ours."""
    return Call(
        script=_JOURNAL,
        keys=[keys.session, keys.lease, keys.journal],
        args=[lease.token, lease.epoch, applied],
    )


_SWITCH: Final = Script.load("switch", int)


def switch(keys: SessionKeys, lease: Lease, applied: int, to: Switch) -> Call[int]:
    """Bind a session anew; answers the new epoch, or 0 if the lease is not ours."""
    intent = "" if to.intent is None else encode_intent(to.intent, lease.token)
    return Call(
        script=_SWITCH,
        keys=[keys.session, keys.lease, keys.stats, keys.idle, keys.refresh, keys.clock],
        args=[
            *(lease.token, lease.epoch, applied),
            *(to.session_id, to.time, to.events, to.reason, intent, lease.key),
            to.lifetime or "",
            *(delay(to.looks.idle), delay(to.looks.refresh), to.instance or ""),
            "" if to.learning is None else encode_learning(to.learning),
        ],
    )


def _settled(reply: list[Any]) -> tuple[int, tuple[Command, ...]] | None:
    if not reply[0]:
        return None
    return reply[1], tuple(map(read_command, reply[2]))


_SETTLE: Final = Script.load("settle", _settled)
_OUTCOMES_KEPT: Final = 86_400.0
"""A day, unless the record itself goes sooner: positions begin anew with a new record."""


def settle(
    keys: SessionKeys, lease: Lease, settlement: Settlement, settings: Settings
) -> Call[tuple[int, tuple[Command, ...]] | None]:
    """Settle a call; answers the epoch and the next commands, or None if refused."""
    args: list[str | int | bytes] = [
        lease.key,
        lease.token,
        lease.epoch,
        settlement.first,
        settlement.count,
        settlement.time,
        settlement.events,
        encode_outcome(settlement.outcome),
        int(settlement.refused),
        int(settlement.unbind),
        settlement.keep.value,
        "" if settlement.learned is None else f"{_KEPT} 0 {settlement.learned}",
        settings.journal_entries,
        "" if settlement.spec is None else encode_spec(settlement.spec),
        "" if settlement.learning is None else encode_learning(settlement.learning),
        settlement.more,
        milliseconds(settings.lease),
        settings.outcomes,
        milliseconds(min(_OUTCOMES_KEPT, settings.retention)),
        settings.dead_letters,
        milliseconds(settings.retention),
        milliseconds(settings.wake_grace),
    ]
    for name, increment in settlement.counts.items():
        args += (name, increment)
    slots = [keys.session, keys.lane, keys.lease, keys.ready]
    slots += [keys.activity, keys.outcomes, keys.dead, keys.stats, keys.journal]
    slots += [keys.idle, keys.refresh, keys.clock]
    return Call(script=_SETTLE, keys=slots, args=args)


_RELEASE: Final = Script.load("release", bool)


def release(  # noqa: PLR0913 - one value per fact that the script takes
    keys: SessionKeys,
    lease: Lease,
    *,
    pause: float,
    most: int | None,
    failed: bool,
    poison: bool,
    unfaithful: bool,
    doubt: str,
    settings: Settings,
) -> Call[bool]:
    """Give a lease back with work left."""
    return Call(
        script=_RELEASE,
        keys=[keys.session, keys.lane, keys.lease, keys.ready, keys.journal, keys.clock],
        args=[
            lease.key,
            lease.token,
            round(pause * 1000),
            most or "",
            3 if unfaithful else 2 if poison else int(failed),
            milliseconds(settings.retention),
            doubt,
        ],
    )


_PARK: Final = Script.load("park", bool)


def park(
    keys: SessionKeys, lease: Lease, reason: str, outcome: Outcome | None, settings: Settings
) -> Call[bool]:
    """Park a lane, for its first command if there is an outcome of that."""
    return Call(
        script=_PARK,
        keys=[keys.session, keys.lane, keys.lease, keys.ready, keys.dead, keys.stats],
        args=[lease.key, lease.token, reason, encode_outcome(outcome), settings.dead_letters],
    )


_UNPARK: Final = Script.load("unpark", bool)


def unpark(
    keys: SessionKeys, key: str, *, drop: bool, entry: str, settings: Settings
) -> Call[bool]:
    """Let a parked lane go on; answers False if it is not parked.

    ``entry``: the dead letter's id in its stream at which it must be parked, or ``""``.
    """
    return Call(
        script=_UNPARK,
        keys=[
            *(keys.session, keys.lane, keys.ready, keys.dead, keys.outcomes, keys.journal),
            keys.clock,
        ],
        args=[
            *(key, int(drop), settings.outcomes),
            milliseconds(min(_OUTCOMES_KEPT, settings.retention)),
            entry,
            milliseconds(settings.retention),
        ],
    )


_COUNT: Final = Script.load("count", int)


def count(keys: SessionKeys, counts: Mapping[str, int]) -> Call[int]:
    """Raise counters."""
    args = [part for pair in counts.items() for part in pair]
    return Call(script=_COUNT, keys=[keys.stats], args=args)


_RENEW: Final = Script.load("renew", bool)


def renew(lease_key: str, token: str, seconds: float) -> Call[bool]:
    """Renew a lease; answers False if it is not ours any more."""
    return Call(script=_RENEW, keys=[lease_key], args=[token, milliseconds(seconds)])


_UNLOCK: Final = Script.load("unlock", bool)


def unlock(lease_key: str, token: str) -> Call[bool]:
    """Give back a lease that guards no lane."""
    return Call(script=_UNLOCK, keys=[lease_key], args=[token])


_OVERDUE: Final = Script.load("overdue", session_keys)


def overdue(ready: str, clock: str, lease_prefix: str, settings: Settings) -> Call[tuple[str, ...]]:
    """Find lanes with work that nobody works on."""
    return Call(
        script=_OVERDUE,
        keys=[ready, clock],
        args=[
            *(lease_prefix, settings.sweep_lanes, milliseconds(settings.wake_grace)),
            milliseconds(settings.longest_pause),
        ],
    )


_FORGET: Final = Script.load("forget", int)


def forget(activity: str, clock: str, session_prefix: str, settings: Settings) -> Call[int]:
    """Take sessions whose record has run out from the index; answers how many."""
    return Call(
        script=_FORGET,
        keys=[activity, clock],
        args=[session_prefix, milliseconds(settings.retention), settings.sweep_lanes],
    )
