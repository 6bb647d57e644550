"""What is looked at takes little room in the store from then on, and says the same."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from lane_steps import KEY, append, claim, intend, request, settlement

from kato_tasks.keys import Keys
from kato_tasks.lanes import RedisLanes
from kato_tasks.lives import RedisLives
from kato_tasks.models import Bound, Claim, Rest, SessionSpec, SessionState
from kato_tasks.registry import RedisRegistry
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings

SERVER = "session-0123456789abcdef0123456789abcdef-1763800000000"
UUID = "00000000-0000-4000-8000-000000000000"


class TestRecord:
    """A record that has held an intent: the store takes it apart for that."""

    @pytest.fixture
    def lanes(self, runner: Runner, settings: Settings) -> RedisLanes:
        return RedisLanes(runner, settings)

    @pytest.fixture
    def lives(self, runner: Runner, settings: Settings) -> RedisLives:
        return RedisLives(runner, settings)

    @pytest.fixture
    def name(self, settings: Settings) -> str:
        return Keys(prefix=settings.prefix, shards=settings.shards).session(KEY).session

    def used(self, lanes: RedisLanes) -> Claim:
        """Let a session be used; the claim of who looks at it then."""
        append(lanes, "x")
        first = claim(lanes)
        lease = lanes.bind(first.lease, Bound(session_id=SERVER))
        assert lease is not None
        assert lanes.release(lease)
        second = claim(lanes)
        assert intend(lanes, second)
        assert lanes.settle(second.lease, settlement(second)) is not None
        found = lanes.claim(KEY, most=1, idle=True)
        assert isinstance(found, Claim)
        return found

    @pytest.mark.parametrize("state", [None, SessionState.HIBERNATED])
    def test_it_is_compact_once_it_was_looked_at(
        self,
        lanes: RedisLanes,
        lives: RedisLives,
        store: redis.Redis,
        name: str,
        state: SessionState | None,
    ) -> None:
        claimed = self.used(lanes)
        before: Any = store.hgetall(name)
        assert store.object("encoding", name) == b"hashtable"
        assert lives.rest(claimed.lease, Rest(state=state))
        after: Any = store.hgetall(name)
        assert store.object("encoding", name) == b"listpack"
        assert int(store.pttl(name)) > 0
        other = {name for name in before | after if before.get(name) != after.get(name)}
        assert other == (set() if state is None else {b"sid", b"state", b"epoch"})

    def test_a_uuid_for_key_and_node_leaves_it_compact(
        self, lanes: RedisLanes, store: redis.Redis, runner: Runner, settings: Settings
    ) -> None:
        """With the instance they are longer than a compact record takes in one value."""
        spec = SessionSpec(node=UUID, instance="default")
        lanes.append([request(UUID, spec=spec)])
        name = Keys(prefix=settings.prefix, shards=settings.shards).session(UUID).session
        assert store.object("encoding", name) == b"listpack"
        record = RedisRegistry(runner, settings).get(UUID)
        assert record is not None
        assert record.spec == spec

    def test_a_long_value_stays_and_is_not_written_in_vain(
        self, lanes: RedisLanes, lives: RedisLives, store: redis.Redis, name: str
    ) -> None:
        stm = [["a long symbol", "another one"]] * 10
        claimed = self.used(lanes)
        assert lives.rest(claimed.lease, Rest(state=SessionState.HIBERNATED, stm=stm))
        assert store.object("encoding", name) == b"hashtable"
        append(lanes, "y")
        assert claim(lanes).stm == stm
