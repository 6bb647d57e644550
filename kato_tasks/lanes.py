"""Lanes: the ordered queue of each session's commands, and the leases on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from kato_tasks.errors import EveryInstanceCordoned, InstanceCordoned, LaneFull, SessionConflict
from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.models import (
    PART,
    Append,
    Appended,
    Bound,
    Claim,
    Command,
    Group,
    Intent,
    Journal,
    Lease,
    NoClaim,
    Outcome,
    Settlement,
    Switch,
)
from kato_tasks.naming import split_letter_id
from kato_tasks.scripts import Call, Runner, calls
from kato_tasks.settings import Settings

_COMMANDS_PER_SCRIPT: Final = 2_000

Refusal = SessionConflict | LaneFull | InstanceCordoned | EveryInstanceCordoned
"""Why the commands of a request were not accepted."""


class Wake(Protocol):
    """Calls somebody to lanes with work. The core does not know that it is Celery."""

    def __call__(self, keys: Sequence[str]) -> None:
        """Send wake-ups for the lanes of these session keys.

        A wake-up is a hint: one that is lost or doubled does no harm, because the sweep finds
        what is left. So an implementation logs what fails and raises nothing.
        """
        ...


class Lanes(Protocol):
    """What a store of lanes can do. Every verb is atomic, and safe to repeat."""

    def append(self, requests: Sequence[Append]) -> list[Appended | Refusal]:
        """Accept commands, each group once per ``command_id``, in one round trip.

        The requests of one call are accepted in order, one by one: when one is refused, those
        before and after it stand.

        Returns:
            One answer per request, in order: that it was accepted, or, as a value and not
            raised, why it was refused.

        Raises:
            StoreUnavailable: No answer in time; repeating the same call is safe.
        """
        ...

    def claim(self, key: str, *, most: int, idle: bool = False) -> Claim | NoClaim:
        """Take the lease of a lane and read up to ``most`` of its commands.

        Args:
            key: The session key.
            most: Most commands to read.
            idle: Take it even if there is nothing to do.
        """
        ...

    def bind(self, lease: Lease, to: Bound) -> Lease | None:
        """Bind a session to the server-side session that was made for it; None if it is lost.

        Its journal begins anew with it.
        """
        ...

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """Write down what is about to be sent; False if the lease is lost: send nothing."""
        ...

    def withdraw(self, lease: Lease) -> Lease | None:
        """Take an intent back whose call has not happened.

        Returns:
            The lease to go on with, or None if it is lost.
        """
        ...

    def settle(
        self, lease: Lease, settlement: Settlement
    ) -> tuple[Lease, Sequence[Command]] | None:
        """Take delivered commands out of the lane and read the next.

        Returns:
            The lease to go on with and the next commands (none: it was given back), or None
            if the lease is lost.
        """
        ...

    def journal(self, lease: Lease, applied: int) -> Journal | None:
        """Read what made a session what it is; None if the lease is lost.

        Args:
            lease: The lease.
            applied: Position of the last delivered command, as the caller knows it.
        """
        ...

    def switch(self, lease: Lease, applied: int, to: Switch) -> Lease | None:
        """Bind a session to a server-side session that was made anew of its journal.

        An intent goes, unless the switch brings one; so does what the session was suspected of.

        Args:
            lease: The lease.
            applied: Position of the last delivered command, as the caller knows it.
            to: What to bind it to; the session it has, to say that this is what it must be.

        Returns:
            The lease to go on with, or None if it is lost.
        """
        ...

    def release(  # noqa: PLR0913 - one value per fact that the script takes
        self,
        lease: Lease,
        *,
        pause: float = 0.0,
        most: int | None = None,
        failed: bool = False,
        poison: bool = False,
        unfaithful: bool = False,
        doubt: str = "",
    ) -> bool:
        """Give a lease back with work left; False if it was lost already.

        Args:
            lease: The lease.
            pause: Seconds before the sweep looks at the lane again.
            most: Commands per call from now on, until one is settled; failures count anew.
            failed: Count a failed attempt.
            poison: Count it as a failure of the server at the first command, too.
            unfaithful: Count it as a replay that gave another memory, too.
            doubt: What has to be looked at before anything else is sent: the intent stays. If
                it is empty, the intent goes: its call has not happened.
        """
        ...

    def park(self, lease: Lease, reason: str, *, outcome: Outcome | None = None) -> bool:
        """Park a lane: nothing is sent until it is unparked; False if the lease was lost.

        Args:
            lease: The lease.
            reason: Why.
            outcome: What the server says of the first command, if that is the reason: it stays
                in the lane and becomes a dead letter too.
        """
        ...

    def unpark(self, key: str, *, drop: bool = False, letter: str | None = None) -> bool:
        """Let a parked lane go on; False if it is not parked.

        Args:
            key: The session key.
            drop: Drop the command that the server did not take, if it was parked for one; a learn
                of which cannot be told whether it was counted is taken for done then, and sent
                again otherwise.
            letter: The id of the dead letter that it must be parked at, so that a lane that was
                parked anew meanwhile stays as it is; None for whatever it is parked for.

        Raises:
            InvalidInput: ``letter`` is no id of a dead letter.
        """
        ...

    def count(self, key: str, counts: Mapping[str, int]) -> None:
        """Raise counters of the session's shard."""
        ...

    def renew(self, lease: Lease) -> bool:
        """Renew a lease; False if it is lost."""
        ...

    def overdue(self) -> tuple[str, ...]:
        """Return lanes with work that nobody works on, and put off their next look."""
        ...

    def forget(self) -> int:
        """Take sessions whose record has run out from the index; how many there were."""
        ...


class RedisLanes:
    """Lanes in Redis or Valkey.

    Args:
        runner: Runs the scripts.
        settings: Lease, dedup and retention times.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._settings = settings
        self._keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._lossless = ""

    def append(self, requests: Sequence[Append]) -> list[Appended | Refusal]:
        """See :meth:`Lanes.append`."""
        if not requests:
            return []
        parts = [list(_parts(request)) for request in requests]
        ready = [self._append(part, following) for request in parts for part, following in request]
        replies = iter(self._runner.run_all(ready, command_ids=_command_ids(requests)))
        return [
            _whole(
                [calls.read_appended(part, next(replies), self._settings) for part, _ in request]
            )
            for request in parts
        ]

    def claim(self, key: str, *, most: int, idle: bool = False) -> Claim | NoClaim:
        """See :meth:`Lanes.claim`."""
        token = secrets.token_hex(8)
        reply = self._claim(key, token, most, idle=idle)
        if isinstance(reply, calls.Restarted):
            if self._runner.lost_nothing():
                self._lossless = reply.run_id
                reply = self._claim(key, token, most, idle=idle)
            else:
                reply = self._claim(key, token, most, idle=idle, doubtful=reply.run_id)
        if isinstance(reply, NoClaim):
            return reply
        if isinstance(reply, calls.Restarted):
            # Once more in between; the next claim sees to it.
            return NoClaim.BUSY
        return calls.read_claim(key, token, most, reply)

    def bind(self, lease: Lease, to: Bound) -> Lease | None:
        """See :meth:`Lanes.bind`."""
        call = calls.bind(self._of(lease.key), lease, to)
        return _with_epoch(lease, self._runner.run(call))

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """See :meth:`Lanes.intend`."""
        return self._runner.run(calls.intend(self._of(lease.key), lease, intent))

    def withdraw(self, lease: Lease) -> Lease | None:
        """See :meth:`Lanes.withdraw`."""
        call = calls.withdraw(self._of(lease.key), lease)
        return _with_epoch(lease, self._runner.run(call))

    def settle(
        self, lease: Lease, settlement: Settlement
    ) -> tuple[Lease, Sequence[Command]] | None:
        """See :meth:`Lanes.settle`."""
        settled = self._runner.run(
            calls.settle(self._of(lease.key), lease, settlement, self._settings)
        )
        if settled is None:
            return None
        epoch, commands = settled
        return Lease(key=lease.key, token=lease.token, epoch=epoch), commands

    def journal(self, lease: Lease, applied: int) -> Journal | None:
        """See :meth:`Lanes.journal`."""
        return self._runner.run(calls.journal(self._of(lease.key), lease, applied))

    def switch(self, lease: Lease, applied: int, to: Switch) -> Lease | None:
        """See :meth:`Lanes.switch`."""
        call = calls.switch(self._of(lease.key), lease, applied, to)
        return _with_epoch(lease, self._runner.run(call))

    def release(  # noqa: PLR0913 - one value per fact that the script takes
        self,
        lease: Lease,
        *,
        pause: float = 0.0,
        most: int | None = None,
        failed: bool = False,
        poison: bool = False,
        unfaithful: bool = False,
        doubt: str = "",
    ) -> bool:
        """See :meth:`Lanes.release`."""
        call = calls.release(
            self._of(lease.key),
            lease,
            pause=pause,
            most=most,
            failed=failed,
            poison=poison,
            unfaithful=unfaithful,
            doubt=doubt,
            settings=self._settings,
        )
        return self._runner.run(call)

    def park(self, lease: Lease, reason: str, *, outcome: Outcome | None = None) -> bool:
        """See :meth:`Lanes.park`."""
        call = calls.park(self._of(lease.key), lease, reason, outcome, self._settings)
        return self._runner.run(call)

    def unpark(self, key: str, *, drop: bool = False, letter: str | None = None) -> bool:
        """See :meth:`Lanes.unpark`."""
        entry = "" if letter is None else split_letter_id(letter)[1]
        call = calls.unpark(self._of(key), key, drop=drop, entry=entry, settings=self._settings)
        return self._runner.run(call)

    def count(self, key: str, counts: Mapping[str, int]) -> None:
        """See :meth:`Lanes.count`."""
        self._runner.run(calls.count(self._of(key), counts))

    def renew(self, lease: Lease) -> bool:
        """See :meth:`Lanes.renew`."""
        key = self._of(lease.key).lease
        return self._runner.run(calls.renew(key, lease.token, self._settings.lease))

    def overdue(self) -> tuple[str, ...]:
        """See :meth:`Lanes.overdue`."""
        looks = [
            calls.overdue(
                self._keys.ready(shard),
                self._keys.clock(shard),
                self._keys.lease_prefix(shard),
                self._settings,
            )
            for shard in range(self._settings.shards)
        ]
        return tuple(key for found in self._runner.run_all(looks) for key in found)

    def forget(self) -> int:
        """See :meth:`Lanes.forget`."""
        looks = [
            calls.forget(
                self._keys.activity(shard),
                self._keys.clock(shard),
                self._keys.session_prefix(shard),
                self._settings,
            )
            for shard in range(self._settings.shards)
        ]
        return sum(self._runner.run_all(looks))

    def _of(self, key: str) -> SessionKeys:
        return self._keys.session(key)

    def _append(self, part: Append, following: int) -> Call[list[Any]]:
        return calls.append(self._of(part.key), part, self._settings, following=following)

    def _claim(
        self, key: str, token: str, most: int, *, idle: bool, doubtful: str = ""
    ) -> NoClaim | calls.Restarted | list[Any]:
        call = calls.claim(
            self._of(key),
            key,
            token,
            most,
            self._settings,
            lossless=self._lossless,
            doubtful=doubtful,
            idle=idle,
        )
        return self._runner.run(call)


def _with_epoch(lease: Lease, epoch: int) -> Lease | None:
    return replace(lease, epoch=epoch) if epoch else None


def _parts(request: Append) -> Iterator[tuple[Append, int]]:
    """Cut a long request, so that one script runs for some milliseconds only.

    Yields:
        Each part, and how many commands the later ones bring.
    """
    left = sum(len(group.payloads) for group in request.groups)
    groups: list[Group] = []
    commands = 0
    for group in request.groups:
        if groups and commands + len(group.payloads) > _COMMANDS_PER_SCRIPT:
            left -= commands
            yield replace(request, groups=tuple(groups)), left
            groups, commands = [], 0
        groups.append(group)
        commands += len(group.payloads)
    yield replace(request, groups=tuple(groups)), 0


def _whole(answers: Sequence[Appended | Refusal]) -> Appended | Refusal:
    """Return one answer for all parts of a request."""
    accepted = [answer for answer in answers if isinstance(answer, Appended)]
    if len(accepted) < len(answers):
        return next(answer for answer in answers if not isinstance(answer, Appended))
    return Appended(
        groups=tuple(group for answer in accepted for group in answer.groups),
        wake=any(answer.wake for answer in accepted),
    )


def _command_ids(requests: Sequence[Append]) -> tuple[str, ...]:
    """Return the ids as the callers know them, each once."""
    names = (group.command_id for request in requests for group in request.groups)
    return tuple(dict.fromkeys(name.partition(PART)[0] for name in names))
