"""The journal of a session, and binding the session anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lane_steps import KEY, append, claim, deliver, end, foreign, intend, settlement

from kato_tasks.lanes import Lanes
from kato_tasks.models import (
    Bound,
    Claim,
    Intent,
    Journal,
    JournalEntry,
    Keep,
    Kind,
    Learning,
    Lease,
    Switch,
)
from kato_tasks.registry import Registry

ANEW = Switch(session_id="sid-2", time=3, events=2, reason="the server has lost it")
LEARN = Intent(
    first=1, count=1, kind=Kind.LEARN, time=3, session_id="sid-2", pattern="p", frequency=0,
    rehomed=True,
)  # fmt: skip


def kept(lanes: Lanes, *names: str, **more: Any) -> None:  # noqa: ANN401 - settlement fields
    append(lanes, *names)
    deliver(lanes, len(names), **{"keep": Keep.COMMANDS, **more})


def journal(lanes: Lanes) -> Journal:
    append(lanes, "next")
    claimed = claim(lanes)
    found = lanes.journal(claimed.lease, claimed.applied)
    assert found is not None
    return found


def observed(*names: str) -> tuple[JournalEntry, ...]:
    return tuple(JournalEntry(payload=name.encode()) for name in names)


def bound(lanes: Lanes, learning: Learning = Learning()) -> Claim:  # noqa: B008 - frozen
    append(lanes, "x")
    claimed = claim(lanes)
    lease = lanes.bind(claimed.lease, Bound(session_id="sid-1", learning=learning))
    assert lease is not None
    return replace(claimed, lease=lease)


def test_delivered_observations_go_into_the_journal_with_marks_of_what_was_learned(
    lanes: Lanes,
) -> None:
    kept(lanes, "x", "y")
    kept(lanes, "z", learned=0)
    kept(lanes, "u")
    assert journal(lanes).entries == (*observed("x", "y", "z"), JournalEntry(), *observed("u"))


def test_what_empties_a_session_empties_its_journal(lanes: Lanes) -> None:
    kept(lanes, "x", "y")
    kept(lanes, "clear", keep=Keep.EMPTY)
    kept(lanes, "z")
    assert journal(lanes) == Journal(entries=observed("z"))


def test_the_end_of_a_session_ends_its_journal(lanes: Lanes) -> None:
    kept(lanes, "x")
    end(lanes)
    assert journal(lanes) == Journal(entries=())


@pytest.mark.with_settings(journal_entries=3)
def test_a_journal_is_bounded_and_counts_what_was_cut_off(lanes: Lanes) -> None:
    kept(lanes, "v", "w", learned=1)
    kept(lanes, "x", "y")
    kept(lanes, "z")
    assert journal(lanes) == Journal(entries=observed("x", "y", "z"), cut=2)


def test_a_journal_is_read_by_who_holds_the_lease_and_knows_the_position(lanes: Lanes) -> None:
    kept(lanes, "x")
    append(lanes, "y")
    claimed = claim(lanes)
    assert lanes.journal(foreign(claimed.lease), claimed.applied) is None
    assert lanes.journal(replace(claimed.lease, epoch=7), claimed.applied) is None
    assert lanes.journal(claimed.lease, claimed.applied + 1) is None
    assert lanes.journal(claimed.lease, claimed.applied) is not None


def test_a_switch_binds_the_session_and_drops_what_was_in_doubt(
    lanes: Lanes, registry: Registry
) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    lease = lanes.switch(claimed.lease, 0, ANEW)
    assert lease == replace(claimed.lease, epoch=2)
    record = registry.get(KEY)
    assert record is not None
    assert (record.session_id, record.time, record.epoch) == ("sid-2", 3, 2)
    assert (record.rehomed, record.why) == (1, "the server has lost it")
    assert registry.stats().counts == {"rehomed": 1}
    assert intend(lanes, replace(claimed, lease=lease))


def test_a_switch_may_keep_a_learn_in_doubt(lanes: Lanes) -> None:
    claimed = bound(lanes)
    lease = lanes.switch(claimed.lease, 0, replace(ANEW, intent=LEARN))
    assert lease is not None
    assert lanes.release(lease, doubt="its learn")
    again = claim(lanes)
    assert again.intent == LEARN
    assert again.intent_ms >= claimed.now_ms
    assert (again.session_id, again.time, again.events) == ("sid-2", 3, 2)


def test_a_switch_to_the_session_it_has_is_none_anew(lanes: Lanes, registry: Registry) -> None:
    claimed = bound(lanes)
    lease = lanes.switch(claimed.lease, 0, replace(ANEW, session_id="sid-1"))
    assert lease is not None
    assert registry.stats().counts == {}


@pytest.mark.parametrize(
    "lease", [foreign, lambda one: replace(one, epoch=7)], ids=["token", "epoch"]
)
def test_a_switch_is_refused_to_others(lanes: Lanes, registry: Registry, lease: Any) -> None:  # noqa: ANN401
    claimed = bound(lanes)
    asked: Lease = lease(claimed.lease)
    assert lanes.switch(asked, 0, ANEW) is None
    assert lanes.switch(claimed.lease, 1, ANEW) is None
    record = registry.get(KEY)
    assert record is not None
    assert record.session_id == "sid-1"


def test_how_a_server_learns_is_known_until_it_is_configured(lanes: Lanes) -> None:
    claimed = bound(lanes, Learning(limit=4, rolling=True))
    lanes.release(claimed.lease)
    assert claim(lanes).learning == Learning(limit=4, rolling=True)


def test_a_settlement_may_change_what_a_session_is_made_with(
    lanes: Lanes, registry: Registry
) -> None:
    claimed = bound(lanes)
    assert intend(lanes, claimed)
    spec = replace(claimed.spec, config={"recall_threshold": 0.5})
    changed = settlement(claimed, spec=spec, learning=Learning(limit=2))
    assert lanes.settle(claimed.lease, changed) is not None
    append(lanes, "y")
    again = claim(lanes)
    assert (again.spec, again.learning) == (spec, Learning(limit=2))
    record = registry.get(KEY)
    assert record is not None
    assert record.spec == spec
