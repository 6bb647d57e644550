"""No key stays for ever by accident, and a check that looks for such keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from lane_steps import KEY, append, claim, deliver, end, request

from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.models import Bound, Outcome, PredictionMode, SessionSpec
from kato_tasks.nodes import Nodes
from kato_tasks.settings import Settings

Offenders = Callable[[], list[str]]

only_valkey = pytest.mark.parametrize("backend", ["valkey"], indirect=True)


def names_of(store: redis.Redis, settings: Settings) -> set[str]:
    names = (key.decode() for key in store.scan_iter(f"{settings.prefix}*"))
    return {name.partition("}:")[2] for name in names}


@only_valkey
@pytest.mark.with_settings(shards=1)
def test_all_keys_of_a_life_are_those_of_the_table(
    lanes: Lanes, nodes: Nodes, store: redis.Redis, settings: Settings, offenders: Offenders
) -> None:
    append(lanes, "x", "y")
    deliver(lanes, 1, refused=True, outcome=Outcome(refusal="no"), counts={"refused": 1})
    claimed = claim(lanes)
    spec = SessionSpec(node="n", instance="default", predictions=PredictionMode.ALWAYS)
    nodes.acquire(spec, wait=0)
    nodes.take_learning(spec, claimed.lease)
    indices = {"ready", "activity", "dead", "stats"}
    own = {"s:a", "l:a", "ids:a", "out:a", "lease:a"}
    assert names_of(store, settings) == {*indices, *own, "holders", "alone", "learner", "learned"}
    assert offenders() == []


@only_valkey
def test_what_an_ended_session_leaves_has_a_lifetime(
    lanes: Lanes, store: redis.Redis, settings: Settings, offenders: Offenders
) -> None:
    append(lanes, "x")
    end(lanes)
    session = Keys(prefix=settings.prefix, shards=settings.shards).session(KEY)
    assert 0 < int(store.ttl(session.session)) <= settings.retention
    assert 0 < int(store.ttl(session.ids)) <= settings.dedup_seconds
    assert not store.exists(session.lane)
    assert offenders() == []


@only_valkey
@pytest.mark.with_settings(retention=0.1)
def test_the_record_of_a_parked_session_with_work_has_none(
    lanes: Lanes, store: redis.Redis, settings: Settings
) -> None:
    append(lanes, "x")
    claimed = claim(lanes)
    bound = lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    assert bound is not None
    lanes.park(bound, "why")
    lanes.append([request(KEY, bind=True)])
    session = Keys(prefix=settings.prefix, shards=settings.shards).session(KEY)
    assert store.ttl(session.session) == -1


@pytest.mark.parametrize(
    "name", ["s:a", "l:a", "j:a", "ids:a", "out:a", "lease:a", "other", "holders"]
)
def test_the_check_notices_a_key_that_nothing_removes(
    name: str, store: redis.Redis, settings: Settings, offenders: Offenders
) -> None:
    full = f"{settings.prefix}:{{0}}:{name}"
    store.hset(full, "field", "value")
    assert offenders() == [full]
    store.expire(full, 10)
    assert offenders() == []


def test_the_check_lets_indices_and_waiting_work_stay(
    store: redis.Redis, settings: Settings, offenders: Offenders
) -> None:
    slot = f"{settings.prefix}:{{0}}"
    for name in ("ready", "activity", "dead", "stats", "l:a"):
        store.set(f"{slot}:{name}", 1)
    store.hset(f"{slot}:s:a", "state", "new")
    assert offenders() == []
    store.delete(f"{slot}:l:a")
    assert offenders() == [f"{slot}:s:a"]
    store.delete(f"{slot}:s:a")
