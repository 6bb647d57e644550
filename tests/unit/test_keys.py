"""The Redis keys."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.keys import PERMANENT, Keys

KEYS = Keys(prefix="kt", shards=16)


def test_a_shard_is_the_same_in_every_process_and_release() -> None:
    pinned = {"a": 3, "user-7:cart": 5, "ü": 5}
    assert {key: KEYS.shard_of(key) for key in pinned} == pinned
    assert Keys(prefix="other", shards=16).shard_of("a") == 3


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1024))
def test_all_keys_of_a_session_lie_in_one_slot(key: str, shards: int) -> None:
    keys = Keys(prefix="kt", shards=shards)
    shard = keys.shard_of(key)
    assert 0 <= shard < shards
    own = keys.session(key)
    assert all(name.startswith(f"kt:{{{shard}}}:") for name in astuple(own))
    assert len(set(astuple(own))) == 13
    assert own.lease == keys.lease_prefix(shard) + key
    assert own.ready == keys.ready(shard)
    assert own.activity == keys.activity(shard)
    assert own.dead == keys.dead(shard)
    assert own.stats == keys.stats(shard)
    assert own.idle == keys.idle(shard)
    assert own.refresh == keys.refresh(shard)
    assert own.clock == keys.clock(shard)


def test_a_key_with_braces_cannot_leave_its_slot() -> None:
    assert KEYS.session("{x}").session.index("{") == len("kt:")


def test_indices_last_runs_and_cordons_are_the_permanent_keys() -> None:
    own = KEYS.session("a")
    indices = (
        own.ready,
        own.activity,
        own.dead,
        own.stats,
        own.idle,
        own.refresh,
        own.clock,
        KEYS.schedule_runs,
        KEYS.cordons,
        KEYS.identity,
    )
    assert tuple(name.rpartition(":")[2] for name in indices) == PERMANENT


def test_a_node_has_a_slot_of_its_own_per_instance() -> None:
    assert KEYS.holders("eu", "n") == "kt:{eu:n}:holders"
    assert KEYS.alone("eu", "n") == "kt:{eu:n}:alone"
    assert KEYS.learner("eu", "n") == "kt:{eu:n}:learner"
    assert KEYS.breaker("eu") == "kt:{eu}:breaker"
    assert KEYS.callers("eu") == "kt:{eu}:callers"
    assert KEYS.shares("eu") == "kt:{eu}:shares"
    assert KEYS.schedule_lease == "kt:{schedule}:lease"
    assert KEYS.schedule_runs == "kt:{schedule}:runs"
    assert KEYS.cordons == "kt:{placement}:cordons"
    assert KEYS.home("n") == "kt:home:{n}"
    assert KEYS.holders("us", "n") != KEYS.holders("eu", "n")
