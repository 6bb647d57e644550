"""What runs every so often, and the lease under which one beat of many has it run.

However many beats there are, one has the *lease* of the schedule: the others look again and again
whether it has ended. A tick is taken by a script that compares the lease, asks the store's clock
whether the entry is due, and writes down that it ran, before a message is sent. So a tick is sent
at most once, by however many beats; one that is lost after that is made up by the next. After a
pause of any length an entry runs once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner, schedule_calls
from kato_tasks.settings import Settings

LOOKS: Final = 10
"""How often within one lease a beat renews it, or looks whether it can have it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A task that runs every so often.

    Attributes:
        name: Its name in the schedule. Its last run is kept under it.
        task: The task's name; that decides its queue.
        every: Seconds between two ticks. A message of one that nobody took by then expires.
    """

    name: str
    task: str
    every: float


def entries(settings: Settings) -> tuple[Entry, ...]:
    """Return the schedule: all entries, each with a name of its own."""
    return (
        Entry(name="sweep", task="kato_tasks.sweep", every=settings.beat_sweep_interval),
        Entry(name="refresh", task="kato_tasks.refresh_ttls", every=settings.refresh_interval),
        Entry(name="cleanup", task="kato_tasks.cleanup_idle", every=settings.cleanup_interval),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """An entry, and when it runs; epoch seconds by the store's clock.

    Attributes:
        entry: The entry.
        last: When its last tick was sent; None if none ever was.
        next: When the next one is due; a moment that is past if nobody holds the lease.
    """

    entry: Entry
    last: float | None
    next: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleView:
    """The schedule as it is now, to be shown.

    Attributes:
        holder: Who has the lease; None if nobody has.
        until: Until when, unless it is renewed, epoch seconds by the store's clock.
        runs: The entries, in the order of :func:`entries`.
    """

    holder: str | None
    until: float | None
    runs: Sequence[Run]


class Schedule(Protocol):
    """The schedule of all beats. Every verb may raise StoreUnavailable, and may be repeated."""

    def hold(self, token: str, holder: str, seconds: float) -> bool:
        """Take the lease, or renew it.

        Args:
            token: Names this beat; no other one ever has it.
            holder: Who that is, as people read it.
            seconds: How long the lease lasts.

        Returns:
            Whether this beat has it now.
        """
        ...

    def release(self, token: str) -> bool:
        """Give the lease back; False if it was not this beat's any more."""
        ...

    def fire(self, token: str, name: str, every: float) -> float | None:
        """Take the tick of an entry, if it is due.

        A last run that lies in the future counts as none: a clock that was set back stops nothing.

        Args:
            token: Of who has the lease.
            name: The entry.
            every: Its interval.

        Returns:
            0.0 if the caller has to send the tick: it is written down as run, and nobody else will.
            Else in how many seconds it is due; None if the lease is not the caller's.
        """
        ...

    def view(self) -> ScheduleView:
        """Return the schedule as it is now."""
        ...


class RedisSchedule:
    """The schedule in Redis or Valkey. Thread-safe.

    Args:
        runner: Reaches the store.
        settings: The entries, and the prefix of the keys.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._entries = entries(settings)
        keys = Keys(prefix=settings.prefix, shards=settings.shards)
        self._lease, self._runs = keys.schedule_lease, keys.schedule_runs

    def hold(self, token: str, holder: str, seconds: float) -> bool:
        """See :meth:`Schedule.hold`."""
        call = schedule_calls.hold_schedule(self._lease, token, holder, seconds)
        return self._runner.run(call)

    def release(self, token: str) -> bool:
        """See :meth:`Schedule.release`."""
        return self._runner.run(schedule_calls.release_schedule(self._lease, token))

    def fire(self, token: str, name: str, every: float) -> float | None:
        """See :meth:`Schedule.fire`."""
        keys = (self._lease, self._runs)
        return self._runner.run(schedule_calls.fire_entry(keys, token, name, every))

    def view(self) -> ScheduleView:
        """See :meth:`Schedule.view`."""
        names = [entry.name for entry in self._entries]
        # One transaction: a lease that ends in between must not be shown by half.
        with self._runner.translated(), self._runner.client.pipeline() as pipe:
            pipe.time()
            pipe.hget(self._lease, "holder")
            pipe.pttl(self._lease)
            pipe.hmget(self._runs, names)
            (seconds, micros), holder, left, lasts = pipe.execute()
        now = seconds + micros / 1e6
        runs = [
            run_of(entry, None if last is None else int(last) / 1000, now)
            for entry, last in zip(self._entries, lasts, strict=True)
        ]
        return ScheduleView(
            holder=None if holder is None else holder.decode(),
            until=None if holder is None else now + left / 1000,
            runs=runs,
        )


def run_of(entry: Entry, last: float | None, now: float) -> Run:
    """Return when an entry runs, of its last run and the time by the store's clock."""
    due = now if last is None or last > now else last + entry.every
    return Run(entry=entry, last=last, next=due)
