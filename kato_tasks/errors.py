"""Every error that leaves kato_tasks.

::

    KatoTasksError
    ├── InvalidInput            refused before it was accepted; nothing was stored
    │   ├── UnknownInstance     an instance name that the settings do not define
    │   ├── UnknownSession      a session key of which nothing is known, or that has ended
    │   ├── InstanceCordoned    an instance that takes no new session, named for a new one
    │   ├── EveryInstanceCordoned  a new session, and no instance that takes it
    │   ├── UnknownMigration    an id that no migration has
    │   └── SessionsMigrating   sessions that are in a migration already
    ├── SessionConflict         a key that is in use with another node or instance
    ├── LaneFull                too many commands wait already; nothing was accepted
    ├── StoreUnavailable        our Redis did not answer in time
    ├── ReceiptLost             our Redis has lost a command that it had accepted
    ├── WaitTimeout             a wait ended before what it waited for
    ├── CommandRefused          KATO refused a command for good; it is a dead letter
    ├── SessionParked           nothing is sent to a session until somebody unparks it
    ├── NotParked               a session that nobody has to unpark
    ├── LetterGone              a dead letter that is not there, or not any more
    ├── LetterUnreadable        a dead letter that holds no command
    ├── SessionOver             a dead letter whose session has ended since
    ├── SessionNotMoved         a session that was to move, and is where it was
    ├── LedgerUnavailable       the database of migrations did not do what it was asked
    ├── LedgerOutdated          its tables are not those of this release
    └── KatoError               what a KATO server answered, or did not
        ├── Retryable           nothing happened at the server; the same call may be repeated
        │   ├── KatoUnreachable     no connection could be made
        │   │   └── NoFreeConnection    this process uses all that it may have open
        │   └── KatoBusy            the server's connection limit (plain-text 503)
        ├── OutcomeUnknown      the call may have taken effect, now or later: look before repeating
        │   ├── AnswerLost          time-out or broken connection after the request was sent
        │   ├── ServerFault         5xx, or an answer that cannot be read
        │   └── SessionNotFound     404 for a session: gone, or its store is down
        └── Final               the server will never take this call
            ├── CallRejected        400, 422 and other refusals of the request itself
            ├── RouteMissing        the server has no such route
            └── ConfigDropped       a create answered 200 without the config it was sent

The branch decides what happens next (retry, look, dead letter), never the place that catches.
The classes take facts and make the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence


class KatoTasksError(Exception):
    """Base of every error raised by kato_tasks on purpose.

    ``args`` are the facts given to the constructor, so that an error survives pickling and
    Celery's JSON; ``str(error)`` is the sentence.
    """


class InvalidInput(KatoTasksError, ValueError):
    """Input that is refused before it is accepted; nothing was stored.

    Args:
        subject: What was wrong, named as the caller knows it, such as ``"strings[2]"``.
        problem: What is wrong with it, with the value.
        allowed: What is allowed instead.
    """

    def __init__(self, subject: str, problem: str, allowed: str) -> None:
        super().__init__(subject, problem, allowed)
        self.subject = subject
        self.problem = problem
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.subject} {self.problem}; allowed: {self.allowed}."


class UnknownInstance(InvalidInput):
    """An instance name that the settings do not define.

    Args:
        name: The name that was asked for.
        known: The names that the settings define.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        names = ", ".join(sorted(known))
        super().__init__("instance", f"{name!r} is not configured", f"one of {names}")
        self.args = (name, list(known))
        self.name = name


class UnknownSession(InvalidInput):
    """A session key of which nothing is known, or whose session has ended.

    Args:
        key: The session key.
    """

    def __init__(self, key: str) -> None:
        problem = f"{key!r} is not known, or has ended"
        super().__init__("session", problem, "the key of a session that lives")
        self.args = (key,)
        self.key = key


class InstanceCordoned(InvalidInput):
    """An instance on which no new session is made, named for a new one.

    Args:
        instance: Its name.
        key: The session key.
    """

    def __init__(self, instance: str, key: str) -> None:
        problem = f"{instance!r} takes no new session, and {key!r} would be one"
        super().__init__("instance", problem, "another one, or none; or kato-tasks uncordon")
        self.args = (instance, key)
        self.instance = instance
        self.key = key


class EveryInstanceCordoned(InvalidInput):
    """A new session while no instance takes one.

    Args:
        instances: The names of the instances, all cordoned.
        key: The session key.
    """

    def __init__(self, instances: Sequence[str], key: str) -> None:
        problem = f"{key!r} would be new, and every instance is cordoned: "
        allowed = "sessions that are known; new ones after kato-tasks uncordon INSTANCE"
        super().__init__("session", problem + ", ".join(sorted(instances)), allowed)
        self.args = (list(instances), key)
        self.instances = list(instances)
        self.key = key


class UnknownMigration(InvalidInput):
    """An id that no migration has.

    Args:
        migration: The id.
        recent: The ids of the latest migrations.
    """

    def __init__(self, migration: str, recent: Sequence[str]) -> None:
        known = ", ".join(recent) if recent else "there was none yet"
        allowed = f"the id of a migration; the latest: {known}"
        super().__init__("migration", f"{migration!r} is not known", allowed)
        self.args = (migration, list(recent))
        self.migration = migration


class SessionsMigrating(InvalidInput):
    """Sessions that are in a migration already.

    Args:
        count: How many.
        first: One of their keys.
        migration: The migration that has that one.
    """

    def __init__(self, count: int, first: str, migration: str) -> None:
        others = "" if count == 1 else f" and {count - 1} more"
        by = f"the migration {migration}" if migration else "another migration"
        problem = f"{first!r}{others} cannot be taken: {by} has not done with it"
        super().__init__("session", problem, f"wait for it, or cancel {by}")
        self.args = (count, first, migration)
        self.first = first
        self.migration = migration


class SessionNotMoved(KatoTasksError):
    """A session that was to move to another instance, and is where it was.

    Args:
        key: The session key.
        reason: Why.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"Session {self.key!r} was not moved: {self.reason}."


class LedgerUnavailable(KatoTasksError):
    """The ledger's database did not do what it was asked.

    Args:
        url: Where it is, without a password.
        reason: What it said.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"The ledger at {self.url} is not available: {self.reason}."


class LedgerOutdated(KatoTasksError):
    """The ledger's tables are not those of this release.

    Args:
        url: Where it is, without a password.
        current: The revision that they have.
        newest: The one that they need.
    """

    def __init__(self, url: str, current: str, newest: str) -> None:
        super().__init__(url, current, newest)
        self.url = url

    def __str__(self) -> str:
        url, current, newest = self.args
        return (
            f"The ledger at {url} has the revision {current} and needs {newest}; run "
            "kato-tasks db upgrade."
        )


class SessionConflict(KatoTasksError):
    """A session key that is already in use with another node or instance.

    Args:
        key: The session key.
        field: ``"node"`` or ``"instance"``.
        known: The value the session has.
        asked: The value the caller gave.
    """

    def __init__(self, key: str, field: str, known: str, asked: str) -> None:
        super().__init__(key, field, known, asked)
        self.key = key
        self.field = field
        self.known = known
        self.asked = asked

    def __str__(self) -> str:
        return (
            f"Session {self.key!r} already has the {self.field} {self.known!r}, "
            f"not {self.asked!r}; leave {self.field} out, or delete the session and wait for that."
        )


class LaneFull(KatoTasksError):
    """Too many commands of a session wait for delivery; nothing of the call was accepted.

    The same call, with the same ``command_id``, may be repeated later.

    Args:
        key: The session key.
        waiting: How many commands wait.
        limit: How many may.
    """

    def __init__(self, key: str, waiting: int, limit: int) -> None:
        super().__init__(key, waiting, limit)
        self.key = key
        self.waiting = waiting
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"{self.waiting} commands of session {self.key!r} wait already, of {self.limit} that "
            "may (KATO_TASKS_LANE_COMMANDS); nothing was accepted. Repeat the call later, or see "
            "why its server does not take them (kato-tasks doctor)."
        )


class StoreUnavailable(KatoTasksError):
    """Our Redis (or Valkey) did not answer in time.

    A command whose append raised this may or may not have been accepted. Repeating it with the
    same ``command_id`` is safe: an append that had happened answers its first receipt.

    Args:
        url: Where the store was looked for, without a password.
        reason: What the store or the network said.
        command_ids: The ids of the commands whose acceptance is unknown; empty for reads.
    """

    def __init__(self, url: str, reason: str, command_ids: Sequence[str] = ()) -> None:
        super().__init__(url, reason, list(command_ids))
        self.url = url
        self.reason = reason
        self.command_ids = tuple(command_ids)

    def __str__(self) -> str:
        sentence = f"The store at {self.url} is not available: {self.reason}."
        if not self.command_ids:
            return sentence
        return (
            f"{sentence} The commands may or may not have been accepted; "
            "repeating them with the same command_id is safe."
        )


class ReceiptLost(KatoTasksError):
    """A command that was accepted, and that the store knows nothing of any more.

    The store has lost its last moments: it was restarted without its data, or another one has
    taken its place (see docs/guarantees.md). Sending the command again is safe.

    Args:
        key: The session key.
        command_id: The command's id.
        seq: The position that its receipt names.
    """

    def __init__(self, key: str, command_id: str, seq: int) -> None:
        super().__init__(key, command_id, seq)
        self.key = key
        self.command_id = command_id
        self.seq = seq

    def __str__(self) -> str:
        return (
            f"The store has lost command {self.seq} of session {self.key!r} "
            f"(command_id {self.command_id!r}), which it had accepted; send it again."
        )


class WaitTimeout(KatoTasksError, TimeoutError):
    """A wait ended before what it waited for had happened.

    Args:
        what: What was waited for, such as ``"command 17 of session 'a'"``.
        seconds: How long was waited.
        hint: What to do or to look at, as a clause.
    """

    def __init__(self, what: str, seconds: float, hint: str) -> None:
        super().__init__(what, seconds, hint)
        self.args = (what, seconds, hint)  # OSError takes the third for a file name
        self.what = what
        self.seconds = seconds
        self.hint = hint

    def __str__(self) -> str:
        return f"Waited {self.seconds:g} s in vain for {self.what}; {self.hint}."


class CommandRefused(KatoTasksError):
    """A command that KATO refused for good; the lane went on without it.

    Args:
        key: The session key.
        seq: The command's position in its lane, from 1.
        reason: What the server answered.
    """

    def __init__(self, key: str, seq: int, reason: str) -> None:
        super().__init__(key, seq, reason)
        self.key = key
        self.seq = seq
        self.reason = reason

    def __str__(self) -> str:
        return f"KATO refused command {self.seq} of session {self.key!r}: {self.reason}"


class SessionParked(KatoTasksError):
    """A session to which nothing is sent until somebody unparks it.

    Args:
        key: The session key.
        reason: Why it is parked.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Session {self.key!r} is parked ({self.reason}); its commands, those just accepted "
            "too, are kept in order and none is sent until 'kato-tasks lanes unpark' is told."
        )


class NotParked(KatoTasksError):
    """A session that is not parked, so that there is nothing to unpark.

    Args:
        key: The session key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"Session {self.key!r} is not parked; nothing was done."


class LetterGone(KatoTasksError):
    """A dead letter that is not there: nothing was done with it.

    Args:
        letter: Its id.
    """

    def __init__(self, letter: str) -> None:
        super().__init__(letter)
        self.letter = letter

    def __str__(self) -> str:
        return (
            f"There is no dead letter {self.letter!r}, or not any more: somebody has replayed or "
            "discarded it or let its lane go on, or newer ones have taken its room. "
            "Nothing was done."
        )


class LetterUnreadable(KatoTasksError):
    """A dead letter that holds no command, so that it cannot be replayed.

    Args:
        letter: Its id.
    """

    def __init__(self, letter: str) -> None:
        super().__init__(letter)
        self.letter = letter

    def __str__(self) -> str:
        return (
            f"Dead letter {self.letter!r} cannot be replayed: what stands there is no command "
            "that can be read. Discard it."
        )


class SessionOver(KatoTasksError):
    """A dead letter that was not replayed, because its session has ended since.

    Args:
        key: The session key.
        letter: The id of the dead letter.
    """

    def __init__(self, key: str, letter: str) -> None:
        super().__init__(key, letter)
        self.key = key
        self.letter = letter

    def __str__(self) -> str:
        return (
            f"Session {self.key!r} of dead letter {self.letter!r} has ended since, or is known no "
            "more; nothing was done. With --recreate the command goes to the session that has the "
            "key now, or begins a new one."
        )


class KatoError(KatoTasksError):
    """What a KATO server answered to a call, or that it did not.

    Args:
        call: Method and route, such as ``"POST /sessions/{id}/observe"``.
        reason: The server's or the network's words.
        status: The HTTP status, or None if there was no answer.
    """

    def __init__(self, call: str, reason: str, status: int | None = None) -> None:
        super().__init__(call, reason, status)
        self.call = call
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        answered = "got no answer" if self.status is None else f"answered {self.status}"
        return f"{self.call} {answered}: {self.reason}"


class Retryable(KatoError):
    """Nothing happened at the server; the same call may be repeated."""


class KatoUnreachable(Retryable):
    """No connection to the server could be made."""


class NoFreeConnection(KatoUnreachable):
    """This process has as many calls under way as it may; says nothing of the server."""


class KatoBusy(Retryable):
    """The server is at its connection limit (a plain-text 503 was never applied; kato-api 9)."""


class OutcomeUnknown(KatoError):
    """The call may have taken effect, now or later; look before repeating anything."""


class AnswerLost(OutcomeUnknown):
    """A time-out or a broken connection after the request was sent."""


class ServerFault(OutcomeUnknown):
    """A 5xx other than the connection limit, or an answer that cannot be read."""


class SessionNotFound(OutcomeUnknown):
    """A 404 for a session: it is gone, or the server's own store is down (kato-api 9)."""


class Final(KatoError):
    """The server will never take this call."""


class CallRejected(Final):
    """The server refused the request itself (400, 422, other 4xx)."""


class RouteMissing(Final):
    """The server has no such route."""


class ConfigDropped(Final):
    """A create was answered 200, but without the config that was sent (kato-api 3)."""
