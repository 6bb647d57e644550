"""The dead letters: what is kept of a command that its server did not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import redis
from lane_steps import KEY, LetPass, append, claim, deliver, intend

from kato_tasks.errors import InvalidInput
from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.letters import DeadLetters, RedisDeadLetters
from kato_tasks.models import Command, DeadLetter, Kind, Outcome
from kato_tasks.registry import Registry
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings

REFUSED = Outcome(refusal="no, for a reason")
UNKNOWN = "0:1700000000000-77"


def refuse(lanes: Lanes, *names: str, key: str = KEY) -> None:
    """Append commands, of which the server takes none."""
    for name in names:
        append(lanes, name, key=key)
        deliver(lanes, 1, key=key, refused=True, outcome=REFUSED)


def park(lanes: Lanes, name: str) -> None:
    append(lanes, name)
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.park(claimed.lease, REFUSED.refusal or "", outcome=REFUSED)


def said(letters: Sequence[DeadLetter]) -> list[str]:
    return [letter.command.payload.decode() for letter in letters if letter.command]


def test_a_letter_tells_all_of_a_refused_command(
    lanes: Lanes, letters: DeadLetters, registry: Registry
) -> None:
    append(lanes, "x")
    deliver(lanes, 1)
    refuse(lanes, "ü")
    [letter] = letters.list(limit=10)
    record = registry.get(KEY)
    assert record is not None
    assert letter.command is not None
    command = Command(
        kind=Kind.OBSERVE, accepted_ms=letter.command.accepted_ms, payload="ü".encode()
    )
    assert letter == DeadLetter(
        id=letter.id, key=KEY, seq=2, command=command, outcome=REFUSED, at=letter.at
    )
    assert record.created_at <= letter.at <= record.active_at
    assert letters.get(letter.id) == letter


def test_there_are_none_at_first(letters: DeadLetters) -> None:
    assert letters.list(limit=10) == []
    assert letters.list(key=KEY, limit=10) == []
    assert letters.get(UNKNOWN) is None
    assert not letters.discard(UNKNOWN)
    assert letters.count() == 0


def test_the_newest_come_first_whatever_their_session(
    lanes: Lanes, letters: DeadLetters, let_pass: LetPass
) -> None:
    for number in range(5):
        refuse(lanes, str(number), key=f"key-{number}")
        let_pass(0.002)
    assert said(letters.list(limit=10)) == ["4", "3", "2", "1", "0"]
    assert said(letters.list(limit=2)) == ["4", "3"]
    assert letters.list(limit=0) == []
    assert letters.count() == 5


def test_a_page_begins_where_the_one_before_ended(lanes: Lanes, letters: DeadLetters) -> None:
    """Also where letters of many shards are of one moment, and when the last one is gone since."""
    for number in range(12):
        refuse(lanes, f"{number}", key=f"key-{number % 5}")
    whole = letters.list(limit=100)
    paged: list[DeadLetter] = []
    while page := letters.list(limit=2, before=paged[-1].id if paged else None):
        paged += page
        letters.discard(page[-1].id)
    assert paged == whole
    assert len(whole) == 12
    assert letters.count() == 6


def test_those_of_one_session_are_found_among_many(lanes: Lanes, letters: DeadLetters) -> None:
    refuse(lanes, "mine")
    for number in range(150):
        refuse(lanes, "other's", key=f"key-{number}")
    refuse(lanes, "mine too")
    assert said(letters.list(key=KEY, limit=10)) == ["mine too", "mine"]
    assert said(letters.list(key=KEY, limit=1)) == ["mine too"]
    last = letters.list(key=KEY, limit=1)[-1].id
    assert said(letters.list(key=KEY, limit=10, before=last)) == ["mine"]


def test_a_discarded_letter_is_gone_once(lanes: Lanes, letters: DeadLetters) -> None:
    refuse(lanes, "x", "y")
    newest = letters.list(limit=1)[0].id
    assert letters.discard(newest)
    assert not letters.discard(newest)
    assert letters.get(newest) is None
    assert said(letters.list(limit=10)) == ["x"]


def test_a_letter_tells_that_its_lane_is_parked_at_it(lanes: Lanes, letters: DeadLetters) -> None:
    park(lanes, "x")
    [letter] = letters.list(key=KEY, limit=10)
    assert letter.parked
    assert (letter.seq, said([letter])) == (1, ["x"])
    assert lanes.unpark(KEY)
    assert letters.list(limit=10) == []


def test_a_lane_that_was_parked_anew_is_not_unparked_for_an_older_letter(
    lanes: Lanes, letters: DeadLetters
) -> None:
    """Else who discards a letter that somebody has replayed would drop another command."""
    park(lanes, "x")
    older = letters.list(limit=1)[0].id
    assert lanes.unpark(KEY, drop=True, letter=older)
    park(lanes, "y")
    newer = letters.list(limit=1)[0].id
    assert not lanes.unpark(KEY, drop=True, letter=older)
    assert said(letters.list(limit=10)) == ["y"]
    assert lanes.unpark(KEY, letter=newer)
    assert claim(lanes).commands[0].payload == b"y"


def test_a_lane_that_is_parked_for_no_letter_is_unparked_for_none(lanes: Lanes) -> None:
    append(lanes, "x")
    assert lanes.park(claim(lanes).lease, "an anomaly")
    assert not lanes.unpark(KEY, letter=UNKNOWN)
    assert lanes.unpark(KEY)


@pytest.mark.parametrize("wrong", ["", "x", "1-1", "0:1", "00:1-1", "0:1-01", "0:1-1 ", "0:٣-1"])
def test_what_is_no_id_is_refused_in_a_sentence(
    wrong: str, letters: DeadLetters, lanes: Lanes
) -> None:
    for ask in (
        lambda: letters.get(wrong),
        lambda: letters.discard(wrong),
        lambda: letters.list(limit=1, before=wrong),
        lambda: lanes.unpark(KEY, letter=wrong),
    ):
        with pytest.raises(InvalidInput, match=r"dead letter is .*; allowed: an id as"):
            ask()


GOOD: dict[Any, Any] = {"key": b"g", "seq": b"1", "entry": b"o 5 {}", "outcome": b'{"refusal":"r"}'}


def test_letters_of_one_moment_have_an_order_too(store: redis.Redis, settings: Settings) -> None:
    """Shards mint their ids apart from each other; no page may lose or repeat one."""
    keys = Keys(prefix=settings.prefix, shards=settings.shards)
    ids = [f"{shard}:5-{number}" for number in (1, 0) for shard in (7, 3, 0)]
    for letter in reversed(ids):
        shard, _, entry = letter.partition(":")
        store.xadd(keys.dead(int(shard)), GOOD, id=entry)
    letters = RedisDeadLetters(Runner(store, settings.redis_url), settings)
    paged = [letters.list(limit=1, before=before)[0].id for before in (None, *ids[:-1])]
    assert paged == ids
    assert letters.list(limit=9, before=ids[-1]) == []


MALFORMED: list[tuple[dict[Any, Any], tuple[str, int, str | None]]] = [
    ({"nothing": b"known"}, ("", 0, None)),
    ({"key": b"a\xff", "seq": b"x", "entry": b"x", "outcome": b"{"}, ("a\ufffd", 0, None)),
    ({"key": b"b", "seq": b"9" * 5000, "entry": b"z 1 x", "outcome": b"[]"}, ("b", 0, None)),
    ({"key": b"b", "seq": b"7", "entry": b"o x y", "outcome": b"[" * 99_999}, ("b", 7, None)),
    ({"key": b"c", "entry": b"o %d {}" % 10**30}, ("c", 0, None)),
    ({"key": b"c", "entry": b"\xff", "outcome": b'{"refusal":"no"}'}, ("c", 0, "no")),
]


@pytest.mark.parametrize(("fields", "shown"), MALFORMED)
def test_of_a_malformed_entry_is_shown_what_can_be_read(
    fields: dict[Any, Any],
    shown: tuple[str, int, str | None],
    store: redis.Redis,
    settings: Settings,
) -> None:
    """And those around it are shown as ever."""
    dead = Keys(prefix=settings.prefix, shards=settings.shards).dead(3)
    for entry in (GOOD, fields, GOOD):
        store.xadd(dead, entry)
    letters = RedisDeadLetters(Runner(store, settings.redis_url), settings)
    newest, malformed, oldest = letters.list(limit=10)
    assert (newest.key, oldest.key, malformed.command) == ("g", "g", None)
    assert (malformed.key, malformed.seq, malformed.outcome.refusal) == shown
    assert letters.get(malformed.id) == malformed
    assert letters.discard(malformed.id)
