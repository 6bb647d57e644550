"""The error tree."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import pytest

from kato_tasks import errors
from kato_tasks.errors import (
    CommandRefused,
    EveryInstanceCordoned,
    Final,
    InstanceCordoned,
    InvalidInput,
    KatoError,
    KatoTasksError,
    LaneFull,
    LedgerOutdated,
    LedgerUnavailable,
    LetterGone,
    LetterUnreadable,
    NotParked,
    OutcomeUnknown,
    ReceiptLost,
    Retryable,
    SessionConflict,
    SessionNotMoved,
    SessionOver,
    SessionParked,
    SessionsMigrating,
    StoreUnavailable,
    UnknownInstance,
    UnknownMigration,
    UnknownSession,
    WaitTimeout,
)


def tree(root: type[KatoTasksError]) -> Iterator[type[KatoTasksError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


CALL = "POST /sessions/{id}/observe"
SENTENCES: list[tuple[KatoTasksError, str]] = [
    (InvalidInput("ttl", "is 0", "more"), "ttl is 0; allowed: more."),
    (UnknownInstance("x", ("b", "a")), "instance 'x' is not configured; allowed: one of a, b."),
    (
        UnknownSession("k"),
        "session 'k' is not known, or has ended; allowed: the key of a session that lives.",
    ),
    (
        InstanceCordoned("blue", "k"),
        (
            "instance 'blue' takes no new session, and 'k' would be one; allowed: another one, or "
            "none; or kato-tasks uncordon."
        ),
    ),
    (
        EveryInstanceCordoned(["green", "blue"], "k"),
        (
            "session 'k' would be new, and every instance is cordoned: blue, green; allowed: "
            "sessions that are known; new ones after kato-tasks uncordon INSTANCE."
        ),
    ),
    (
        UnknownMigration("m", ["n"]),
        "migration 'm' is not known; allowed: the id of a migration; the latest: n.",
    ),
    (
        SessionsMigrating(2, "k", "m"),
        (
            "session 'k' and 1 more cannot be taken: the migration m has not done with it; "
            "allowed: wait for it, or cancel the migration m."
        ),
    ),
    (SessionNotMoved("k", "why"), "Session 'k' was not moved: why."),
    (LedgerUnavailable("sqlite:///x", "gone"), "The ledger at sqlite:///x is not available: gone."),
    (
        LedgerOutdated("u", "none", "0001"),
        ("The ledger at u has the revision none and needs 0001; run kato-tasks db upgrade."),
    ),
    (
        SessionConflict("k", "node", "a", "b"),
        (
            "Session 'k' already has the node 'a', not 'b'; leave node out, or delete the session "
            "and wait for that."
        ),
    ),
    (StoreUnavailable("redis://h", "gone"), "The store at redis://h is not available: gone."),
    (
        StoreUnavailable("redis://h", "gone", ["c1"]),
        (
            "The store at redis://h is not available: gone. The commands may or may not have been "
            "accepted; repeating them with the same command_id is safe."
        ),
    ),
    (
        WaitTimeout("command 1 of session 'k'", 0.5, "is a worker running?"),
        "Waited 0.5 s in vain for command 1 of session 'k'; is a worker running?.",
    ),
    (CommandRefused("k", 3, "no"), "KATO refused command 3 of session 'k': no"),
    (
        SessionParked("k", "lost"),
        (
            "Session 'k' is parked (lost); its commands, those just accepted too, are kept in "
            "order and none is sent until 'kato-tasks lanes unpark' is told."
        ),
    ),
    (NotParked("k"), "Session 'k' is not parked; nothing was done."),
    (
        LetterGone("1:2-3"),
        (
            "There is no dead letter '1:2-3', or not any more: somebody has replayed or discarded "
            "it or let its lane go on, or newer ones have taken its room. Nothing was done."
        ),
    ),
    (
        LetterUnreadable("1:2-3"),
        (
            "Dead letter '1:2-3' cannot be replayed: what stands there is no command that can be "
            "read. Discard it."
        ),
    ),
    (
        SessionOver("k", "1:2-3"),
        (
            "Session 'k' of dead letter '1:2-3' has ended since, or is known no more; nothing was "
            "done. With --recreate the command goes to the session that has the key now, or begins "
            "a new one."
        ),
    ),
    (
        LaneFull("k", 7, 8),
        (
            "7 commands of session 'k' wait already, of 8 that may (KATO_TASKS_LANE_COMMANDS); "
            "nothing was accepted. Repeat the call later, or see why its server does not take "
            "them (kato-tasks doctor)."
        ),
    ),
    (
        ReceiptLost("k", "c", 7),
        (
            "The store has lost command 7 of session 'k' (command_id 'c'), which it had accepted; "
            "send it again."
        ),
    ),
    (KatoError(CALL, "time-out"), f"{CALL} got no answer: time-out"),
    (KatoError(CALL, "bad", 422), f"{CALL} answered 422: bad"),
]
EVERY = [error for error, _ in SENTENCES] + [
    kind(CALL, "reason", 500) for kind in tree(KatoError) if kind is not KatoError
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_an_error_makes_its_sentence_of_facts(error: KatoTasksError, sentence: str) -> None:
    assert str(error) == sentence


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_celerys_json(error: KatoTasksError) -> None:
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    remade = type(error)(*json.loads(json.dumps(error.args)))
    for copy in (pickled, remade):
        assert type(copy) is type(error)
        assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))


def test_every_error_is_tried_here() -> None:
    assert {type(error) for error in EVERY} == set(tree(KatoTasksError)) - {KatoTasksError}


def test_every_answer_of_a_server_is_on_one_of_three_branches() -> None:
    branches = (Retryable, OutcomeUnknown, Final)
    leaves = [kind for kind in tree(KatoError) if not kind.__subclasses__()]
    assert all(sum(issubclass(leaf, branch) for branch in branches) == 1 for leaf in leaves)
    assert set(KatoError.__subclasses__()) == set(branches)


def test_the_tree_is_drawn_in_full() -> None:
    assert all(kind.__name__ in str(errors.__doc__) for kind in tree(KatoTasksError))


def test_builtin_kinds_are_caught_too() -> None:
    assert issubclass(InvalidInput, ValueError)
    assert issubclass(WaitTimeout, TimeoutError)
