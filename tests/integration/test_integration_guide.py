"""The guide's classes against a real store and a real server, without any worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest
import redis
from integration_site import Site, environment

from kato_tasks import SessionKeepAlive, SessionState, SessionTracker, TTLManager, UnknownSession
from kato_tasks.testing import wait_until
from kato_tasks.worker.names import Queue

TTL = 2
LONGEST = 30.0


@pytest.fixture
def alone(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site without a worker; the environment names it."""
    site = make_site(refresh_interval=0.5, idle_seconds=0.5)
    for name, value in environment(site.settings).items():
        monkeypatch.setenv(name, value)
    return site


def exists(site: Site, key: str) -> bool:
    """Tell whether the server has the session of a key."""
    client = site.kato.services.clients("default")
    return client.exists(site.session_id(key))


@pytest.mark.parametrize("auto_extend", [True, False])
def test_what_is_refreshed_outlives_what_is_not(
    *, alone: Site, key: str, store: redis.Redis, auto_extend: bool
) -> None:
    with TTLManager(f"{alone.server.url}/") as manager:
        kept = manager.create_session_with_ttl(key, TTL, auto_extend=auto_extend)
        other = manager.create_session_with_ttl(key, TTL, auto_extend=auto_extend)
        alone.kato.session(kept).observe(["a"])
        first = alone.session_id(kept)

        def refreshed_until_the_other_is_gone() -> bool:
            manager.refresh_session(kept)
            return not exists(alone, other)

        wait_until(refreshed_until_the_other_is_gone, LONGEST)
        assert exists(alone, kept)
        assert alone.session_id(kept) == first
        assert alone.stm(kept) == [["a"]]
        wait_until(lambda: not exists(alone, kept), LONGEST)
    # The observe called for a worker; the manager has called for none.
    queues = [f"{alone.settings.queue_prefix}{queue}" for queue in Queue]
    assert sum(int(store.llen(queue)) for queue in queues) == 1


def test_one_that_its_server_has_forgotten_is_made_anew(alone: Site, key: str) -> None:
    with TTLManager(alone.server.url) as manager:
        kept = manager.create_session_with_ttl(key, TTL)
        alone.kato.session(kept).observe(["a"])
        manager.refresh_session(kept)
        first = alone.session_id(kept)
        wait_until(lambda: not exists(alone, kept), LONGEST)
        manager.refresh_session(kept)
        assert alone.session_id(kept) != first
        assert alone.stm(kept) == [["a"]]


def test_one_that_was_to_end_is_no_more(alone: Site, key: str) -> None:
    with TTLManager(alone.server.url) as manager, SessionTracker() as tracker:
        kept = manager.create_session_with_ttl(key, TTL, auto_extend=False)
        wait_until(lambda: tracker.get_session_state(kept) is SessionState.EXPIRED, LONGEST)
        with pytest.raises(UnknownSession):
            manager.refresh_session(kept)
        assert tracker.get_session_state(kept) is SessionState.ENDED


def test_a_tracked_session_grows_old_in_every_process(alone: Site, key: str) -> None:
    with SessionTracker() as tracker, SessionTracker() as another:
        tracker.track_session(key, TTL)
        seen: list[SessionState] = []

        def is_expired() -> bool:
            seen.append(another.get_session_state(key))
            return seen[-1] is SessionState.EXPIRED

        wait_until(is_expired, LONGEST)
        assert list(dict.fromkeys(seen)) == [
            SessionState.ACTIVE,
            SessionState.IDLE,
            SessionState.EXPIRING,
            SessionState.EXPIRED,
        ]
        code = f"from kato_tasks import SessionTracker as T; print(T().get_session_state({key!r}))"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert told.stdout.strip() == b"expired"
        another.update_activity(key)
        assert tracker.get_session_state(key) is not SessionState.EXPIRED
    assert alone.server.sessions_of(key) == []


def test_a_loop_of_its_own_keeps_sessions_alive(alone: Site, key: str) -> None:
    with (
        TTLManager(alone.server.url) as manager,
        SessionKeepAlive(alone.server.url, refresh_interval=1) as keeper,
    ):
        kept = manager.create_session_with_ttl(key, TTL)
        other = manager.create_session_with_ttl(key, TTL)
        first = alone.session_id(kept)

        async def body() -> None:
            await keeper.register_session(kept)
            await keeper.start()
            await asyncio.to_thread(wait_until, lambda: not exists(alone, other), LONGEST)
            keeper.stop()

        asyncio.run(body())
        assert alone.record(kept).life.keep
        assert exists(alone, kept)
        assert alone.session_id(kept) == first
        wait_until(lambda: not exists(alone, kept), LONGEST)
