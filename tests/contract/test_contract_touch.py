"""A session that is in use is remembered, whether commands come or not."""

from __future__ import annotations

import pytest
import redis
from lane_steps import KEY, LetPass, append, end, request

from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.lives import Lives
from kato_tasks.models import SessionRecord
from kato_tasks.registry import Registry
from kato_tasks.settings import Settings

RETENTION = 0.8


def known(registry: Registry) -> SessionRecord:
    record = registry.get(KEY)
    assert record is not None
    return record


def test_a_touch_is_a_use(
    lanes: Lanes, lives: Lives, registry: Registry, let_pass: LetPass
) -> None:
    lanes.append([request(KEY)])
    before = known(registry)
    let_pass(0.05)
    assert lives.touch(KEY)
    after = known(registry)
    assert after.active_at > before.active_at
    assert before.read_ms < after.life.used_ms <= after.read_ms


def test_what_is_not_known_or_has_ended_is_not_touched(lanes: Lanes, lives: Lives) -> None:
    assert not lives.touch(KEY)
    append(lanes, "x")
    end(lanes)
    assert not lives.touch(KEY)


@pytest.mark.with_settings(retention=RETENTION)
def test_a_session_that_is_touched_stays_known(
    lanes: Lanes, lives: Lives, registry: Registry, let_pass: LetPass
) -> None:
    lanes.append([request(KEY)])
    for _ in range(2):
        let_pass(RETENTION * 0.6)
        assert lives.touch(KEY)
    let_pass(RETENTION + 0.01)
    assert registry.get(KEY) is None


@pytest.mark.parametrize("backend", ["valkey"], indirect=True)
@pytest.mark.with_settings(retention=RETENTION)
def test_one_with_work_stays_for_ever(
    lanes: Lanes, lives: Lives, store: redis.Redis, settings: Settings
) -> None:
    append(lanes, "x")
    assert lives.touch(KEY)
    session = Keys(prefix=settings.prefix, shards=settings.shards).session(KEY)
    assert store.ttl(session.session) == -1
