"""A session that its server has already becomes one of ours, with what it remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lane_steps import KEY, SPEC, LetPass, append, claim, end, intend, request, settlement

from kato_tasks.lanes import Lanes
from kato_tasks.lives import Index, Lives
from kato_tasks.models import (
    Adoption,
    Bound,
    IdlePolicy,
    Journal,
    JournalEntry,
    Keep,
    Learning,
    Looks,
    PredictionMode,
    SessionState,
)
from kato_tasks.registry import Registry

JOURNAL = (b'{"strings":["a"]}', b'{"strings":["b"]}')
FOUND = Adoption(
    key=KEY,
    spec=replace(
        SPEC,
        config={"recall_threshold": 0.5},
        ttl=70,
        tags=("old",),
        predictions=PredictionMode.ALWAYS,
        idle=IdlePolicy.KEEP,
    ),
    to=Bound(
        session_id="theirs",
        learning=Learning(limit=4, rolling=True),
        lifetime=70,
        looks=Looks(idle=900.0),
    ),
    time=9,
    journal=JOURNAL,
    older=7,
)


def entries(*payloads: bytes) -> tuple[JournalEntry, ...]:
    return tuple(JournalEntry(payload=payload) for payload in payloads)


def test_it_is_known_as_one_that_was_bound(lanes: Lanes, lives: Lives, registry: Registry) -> None:
    assert lives.adopt(FOUND)
    record = registry.get(KEY)
    assert record is not None
    assert record.spec == FOUND.spec
    assert (record.state, record.session_id) == (SessionState.ACTIVE, "theirs")
    assert (record.time, record.epoch, record.appended, record.applied) == (9, 1, 0, 0)
    assert (record.life.lifetime, record.life.ends_ms, record.life.keep) == (70, None, False)
    assert record.created_at == record.active_at > 0
    assert [one.key for one in registry.recent(limit=9)] == [KEY]
    assert registry.stats().counts["adopted"] == 1
    append(lanes, "x")
    claimed = claim(lanes)
    assert (claimed.session_id, claimed.time, claimed.events) == ("theirs", 9, 2)
    assert claimed.learning == Learning(limit=4, rolling=True)
    journal = lanes.journal(claimed.lease, claimed.applied)
    assert journal == Journal(entries=entries(*JOURNAL), cut=7)


def test_one_session_becomes_ours_under_one_key(lives: Lives, registry: Registry) -> None:
    """Under two, both lanes would write to it."""
    assert lives.adopt(FOUND)
    assert not lives.adopt(replace(FOUND, key="another"))
    assert registry.get("another") is None
    assert lives.adopt(FOUND)
    elsewhere = replace(FOUND, key="another", spec=replace(FOUND.spec, instance="elsewhere"))
    assert lives.adopt(elsewhere)


def test_its_commands_are_delivered_after_what_it_remembers(lanes: Lanes, lives: Lives) -> None:
    lives.adopt(FOUND)
    append(lanes, "x")
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    assert lanes.settle(claimed.lease, settlement(claimed, time=10, events=3, keep=Keep.COMMANDS))
    append(lanes, "y")
    again = claim(lanes)
    journal = lanes.journal(again.lease, again.applied)
    assert journal == Journal(entries=entries(*JOURNAL, b"x"), cut=7)


def test_it_may_be_repeated_and_changes_nothing_then(lives: Lives, registry: Registry) -> None:
    assert lives.adopt(FOUND)
    before = registry.get(KEY)
    assert lives.adopt(FOUND)
    after = registry.get(KEY)
    assert before is not None
    assert after is not None
    assert replace(after, read_ms=0) == replace(before, read_ms=0)
    assert registry.stats().counts["adopted"] == 1


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_key_in_use_stays_what_it_is(
    lanes: Lanes, lives: Lives, registry: Registry, *, is_bound: bool
) -> None:
    lanes.append([request(KEY)])
    if is_bound:
        append(lanes, "x")
        lanes.bind(claim(lanes).lease, Bound(session_id="ours"))
    before = registry.get(KEY)
    assert before is not None
    assert not lives.adopt(FOUND)
    after = registry.get(KEY)
    assert after is not None
    assert (after.session_id, after.spec, after.epoch) == (
        *(before.session_id, before.spec),
        before.epoch,
    )


def test_the_key_of_an_ended_session_is_free_and_its_positions_go_on(
    lanes: Lanes, lives: Lives, registry: Registry
) -> None:
    append(lanes, "x")
    end(lanes)
    ended = registry.get(KEY)
    assert ended is not None
    assert lives.adopt(FOUND)
    record = registry.get(KEY)
    assert record is not None
    assert (record.appended, record.applied) == (ended.appended, ended.applied)
    assert record.epoch == ended.epoch + 1
    assert (record.state, record.session_id) == (SessionState.ACTIVE, "theirs")


def test_an_ended_session_for_which_commands_wait_is_in_use(lanes: Lanes, lives: Lives) -> None:
    append(lanes, "x")
    end(lanes)
    append(lanes, "y")
    assert not lives.adopt(FOUND)


def test_a_session_whose_own_time_is_over_makes_room(
    lanes: Lanes, lives: Lives, registry: Registry, let_pass: LetPass
) -> None:
    lives.adopt(replace(FOUND, to=replace(FOUND.to, session_id="before", ends=0.02)))
    let_pass(0.04)
    assert lives.adopt(FOUND)
    record = registry.get(KEY)
    assert record is not None
    assert (record.session_id, record.epoch, record.life.ends_ms) == ("theirs", 2, None)
    append(lanes, "x")
    journal = lanes.journal(claim(lanes).lease, 0)
    assert journal == Journal(entries=entries(*JOURNAL), cut=7)


def test_a_memory_as_long_as_there_is_any_is_kept_whole(lanes: Lanes, lives: Lives) -> None:
    payloads = tuple(b'{"strings":["%d"]}' % number for number in range(1000))
    lives.adopt(replace(FOUND, journal=payloads, older=0, time=1000))
    append(lanes, "x")
    claimed = claim(lanes)
    assert claimed.events == 1000
    assert lanes.journal(claimed.lease, 0) == Journal(entries=entries(*payloads))


def test_it_is_looked_at_when_it_may_be_idle(lives: Lives, let_pass: LetPass) -> None:
    lives.adopt(replace(FOUND, to=replace(FOUND.to, looks=Looks(idle=0.0))))
    let_pass(0.005)
    assert lives.due(Index.IDLE, most=9) == [(KEY,)]
    assert lives.due(Index.REFRESH, most=9) == []


def test_its_lifetime_runs_since_before_it_was_adopted(lives: Lives, registry: Registry) -> None:
    lives.adopt(replace(FOUND, age=60.0))
    record = registry.get(KEY)
    assert record is not None
    assert record.life.used_ms - record.life.fresh_ms == 60_000
    assert record.state is SessionState.EXPIRING
