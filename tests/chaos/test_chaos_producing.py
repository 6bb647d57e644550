"""Producers: what they note is what was accepted."""

from __future__ import annotations

import time

import pytest

from kato_tasks.chaos.acceptances import misplaced
from kato_tasks.chaos.crowd import make_crowd
from kato_tasks.chaos.producing import Producers, Script
from kato_tasks.chaos.proxy import LossyProxy
from kato_tasks.producer import KatoTasks
from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until

CROWD = make_crowd(30)
SCRIPT = Script(seed=1, crowd=CROWD, rate=2_000.0)
# Some of the crowd are kept alive for seconds only.
pytestmark = pytest.mark.with_settings(refresh_interval=1.0)


def test_every_call_is_accepted_once_though_answers_get_lost(settings: Settings) -> None:
    """Positions follow each other without a gap, and are all that the store has."""
    port = int(settings.redis_url.rpartition(":")[2].partition("/")[0])
    with LossyProxy(port, loses=0.1, seed=1) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        through = settings.model_copy(update={"redis_url": url, "broker_url": settings.redis_url})
        with KatoTasks(settings) as direct, KatoTasks(through) as lossy:
            with Producers(SCRIPT, direct=direct, lossy=lossy) as producers:
                accepted = producers.accepted
                wait_until(lambda: proxy.lost > 5 and accepted.observations() > 1_000, 60)
                producers.stop()
            assert accepted.problems == []
            assert not accepted.unsettled
            for member in CROWD:
                assert misplaced(accepted.of[member.key]) == []
                record = direct.find(member.key)
                taken = accepted.of[member.key]
                assert (record.appended if record else 0) == (taken[-1].seq if taken else 0)


def test_producers_end_each_session_with_an_observation(settings: Settings) -> None:
    with KatoTasks(settings) as kato:
        with Producers(SCRIPT, direct=kato, lossy=kato) as producers:
            wait_until(lambda: producers.accepted.observations() > 100)
            producers.stop()
            wait_until(lambda: not producers.running)
            producers.check()
        last = [taken[-1].call for taken in producers.accepted.of.values() if taken]
    assert all(len(call.observations) == 1 and not call.poison for call in last)


def test_producers_leave_at_once_when_something_else_fails(settings: Settings) -> None:
    """Even while the store is away: what they repeat then is not finished."""
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with KatoTasks(away) as kato:
        began = time.monotonic()
        with (
            pytest.raises(RuntimeError, match="elsewhere"),
            Producers(SCRIPT, direct=kato, lossy=kato),
        ):
            raise RuntimeError("elsewhere")
        assert time.monotonic() - began < 10
