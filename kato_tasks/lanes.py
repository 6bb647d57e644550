"""Lanes: the ordered queue of each session's commands, and the leases on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from kato_tasks.errors import SessionConflict
from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.models import (
    PART,
    Append,
    Appended,
    Claim,
    Command,
    Group,
    Intent,
    Lease,
    NoClaim,
    Settlement,
)
from kato_tasks.scripts import Runner, calls
from kato_tasks.settings import Settings

_COMMANDS_PER_SCRIPT: Final = 2_000


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

    def append(self, requests: Sequence[Append]) -> list[Appended | SessionConflict]:
        """Accept commands, each group once per ``command_id``, in one round trip.

        The requests of one call are accepted in order, one by one: when one is refused, those
        before and after it stand.

        Returns:
            One answer per request, in order: that it was accepted, or, as a value and not
            raised, the conflict for which it was refused.

        Raises:
            StoreUnavailable: No answer in time; repeating the same call is safe.
        """
        ...

    def claim(self, key: str, *, most: int) -> Claim | NoClaim:
        """Take the lease of a lane and read up to ``most`` of its commands."""
        ...

    def bind(self, lease: Lease, session_id: str, *, learns: bool = False) -> Lease | None:
        """Bind a session to the server-side session that was made for it.

        Args:
            lease: The lease.
            session_id: The server's name for it.
            learns: True if the server learns by itself in this session.

        Returns:
            The lease to go on with, or None if it is lost.
        """
        ...

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """Write down what is about to be sent; False if the lease is lost: send nothing."""
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

    def release(
        self, lease: Lease, *, pause: float = 0.0, most: int | None = None, failed: bool = False
    ) -> bool:
        """Give a lease back with work left; False if it was lost already.

        Args:
            lease: The lease.
            pause: Seconds before the sweep looks at the lane again.
            most: Commands per call from now on, until one is settled.
            failed: Count a failed attempt.
        """
        ...

    def hold(self, lease: Lease, reason: str) -> bool:
        """Hold a session in doubt: nothing is sent to it; False if the lease was lost."""
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

    def append(self, requests: Sequence[Append]) -> list[Appended | SessionConflict]:
        """See :meth:`Lanes.append`."""
        if not requests:
            return []
        parts = [list(_parts(request)) for request in requests]
        ready = [
            calls.append(self._of(part.key), part, self._settings)
            for request in parts
            for part in request
        ]
        replies = iter(self._runner.run_all(ready, command_ids=_command_ids(requests)))
        return [
            _whole([calls.read_appended(part, next(replies)) for part in request])
            for request in parts
        ]

    def claim(self, key: str, *, most: int) -> Claim | NoClaim:
        """See :meth:`Lanes.claim`."""
        token = secrets.token_hex(8)
        reply = self._runner.run(calls.claim(self._of(key), key, token, most, self._settings))
        if isinstance(reply, NoClaim):
            return reply
        return calls.read_claim(key, token, most, reply)

    def bind(self, lease: Lease, session_id: str, *, learns: bool = False) -> Lease | None:
        """See :meth:`Lanes.bind`."""
        call = calls.bind(self._of(lease.key), lease, session_id, learns=learns)
        epoch = self._runner.run(call)
        return Lease(key=lease.key, token=lease.token, epoch=epoch) if epoch else None

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """See :meth:`Lanes.intend`."""
        return self._runner.run(calls.intend(self._of(lease.key), lease, intent))

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

    def release(
        self, lease: Lease, *, pause: float = 0.0, most: int | None = None, failed: bool = False
    ) -> bool:
        """See :meth:`Lanes.release`."""
        call = calls.release(
            self._of(lease.key),
            lease,
            pause=pause,
            most=most,
            failed=failed,
            settings=self._settings,
        )
        return self._runner.run(call)

    def hold(self, lease: Lease, reason: str) -> bool:
        """See :meth:`Lanes.hold`."""
        return self._runner.run(calls.hold(self._of(lease.key), lease, reason))

    def renew(self, lease: Lease) -> bool:
        """See :meth:`Lanes.renew`."""
        key = self._of(lease.key).lease
        return self._runner.run(calls.renew(key, lease.token, self._settings.lease))

    def overdue(self) -> tuple[str, ...]:
        """See :meth:`Lanes.overdue`."""
        looks = [
            calls.overdue(self._keys.ready(shard), self._keys.lease_prefix(shard), self._settings)
            for shard in range(self._settings.shards)
        ]
        return tuple(key for found in self._runner.run_all(looks) for key in found)

    def forget(self) -> int:
        """See :meth:`Lanes.forget`."""
        looks = [
            calls.forget(
                self._keys.activity(shard), self._keys.session_prefix(shard), self._settings
            )
            for shard in range(self._settings.shards)
        ]
        return sum(self._runner.run_all(looks))

    def _of(self, key: str) -> SessionKeys:
        return self._keys.session(key)


def _parts(request: Append) -> Iterator[Append]:
    """Cut a long request, so that one script runs for some milliseconds only."""
    groups: list[Group] = []
    commands = 0
    for group in request.groups:
        if groups and commands + len(group.payloads) > _COMMANDS_PER_SCRIPT:
            yield replace(request, groups=tuple(groups))
            groups, commands = [], 0
        groups.append(group)
        commands += len(group.payloads)
    yield replace(request, groups=tuple(groups))


def _whole(answers: Sequence[Appended | SessionConflict]) -> Appended | SessionConflict:
    """Return one answer for all parts of a request."""
    accepted = [answer for answer in answers if isinstance(answer, Appended)]
    if len(accepted) < len(answers):
        return next(answer for answer in answers if isinstance(answer, SessionConflict))
    return Appended(
        groups=tuple(group for answer in accepted for group in answer.groups),
        wake=any(answer.wake for answer in accepted),
    )


def _command_ids(requests: Sequence[Append]) -> tuple[str, ...]:
    """Return the ids as the callers know them, each once."""
    names = (group.command_id for request in requests for group in request.groups)
    return tuple(dict.fromkeys(name.partition(PART)[0] for name in names))
