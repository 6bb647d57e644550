"""Sessions that are kept alive are extended in time, and never by a write that does harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from memory_world import World

from kato_tasks.errors import AnswerLost, InvalidInput, KatoUnreachable
from kato_tasks.lives import Index
from kato_tasks.models import SessionState

TTL = 100
INTERVAL = 10.0


@pytest.fixture
def world() -> Iterator[World]:
    settings = {"retry_first": 0.001, "doubt_wait": 0.001, "refresh_interval": INTERVAL}
    with World(**settings) as opened:
        yield opened


def alive(world: World, key: str = "a", **options: Any) -> str:  # noqa: ANN401 - those of a session
    """Make a session that is kept alive; its server-side name."""
    world.session(key, **{"ttl": TTL, "keep_alive": True, **options}).observe(["x"])
    world.deliver_all(key)
    return world.record(key).session_id or ""


def prolonged(world: World, name: str) -> list[int]:
    return world.kato.sessions[name].prolonged


def test_it_is_extended_by_its_own_time_before_that_is_over(world: World) -> None:
    name = alive(world)
    world.store.advance(TTL - 4 * INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter()
    world.store.advance(INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)
    assert prolonged(world, name) == [TTL]
    assert world.look_after(Index.REFRESH) == Counter()


def test_two_missed_ticks_do_no_harm(world: World) -> None:
    name = alive(world)
    world.store.advance(TTL - INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)
    assert "exists" not in world.kato.verbs()
    assert prolonged(world, name) == [TTL]


def test_it_lives_on_and_on(world: World) -> None:
    name = alive(world)
    for _ in range(50):
        world.store.advance(INTERVAL)
        world.look_after(Index.REFRESH)
    assert len(prolonged(world, name)) == 7
    assert world.record().state is SessionState.IDLE


def test_a_refresh_is_no_use(world: World) -> None:
    alive(world)
    before = world.record().active_at
    world.store.advance(TTL)
    world.look_after(Index.REFRESH)
    assert world.record().active_at == before


def test_others_are_not(world: World) -> None:
    world.session(ttl=TTL).observe(["x"])
    world.deliver_all()
    world.store.advance(TTL)
    assert world.look_after(Index.REFRESH) == Counter()
    assert world.record().state is SessionState.EXPIRING


def test_past_its_deadline_its_server_is_asked_first(world: World) -> None:
    name = alive(world)
    world.store.advance(TTL + 1)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)
    assert world.kato.verbs()[-2:] == ["exists", "prolong"]
    assert prolonged(world, name) == [TTL]


def test_one_that_is_gone_is_made_anew(world: World) -> None:
    name = alive(world)
    del world.kato.sessions[name]
    world.store.advance(TTL + 1)
    assert world.look_after(Index.REFRESH) == Counter(lost=1)
    assert "prolong" not in world.kato.verbs()
    world.deliver_all()
    record = world.record()
    assert record.session_id in world.kato.sessions
    assert record.rehomed == 1


def test_an_extension_that_nobody_answers_is_fenced(world: World) -> None:
    """It may land late, and would write back what the session was."""
    name = alive(world)
    world.kato.fail("prolong", AnswerLost("POST", "time-out"))
    world.store.advance(TTL - INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(lost=1)
    world.deliver_all()
    record = world.record()
    assert record.session_id != name
    assert record.session_id in world.kato.sessions
    world.store.advance(TTL - INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)


def test_so_is_one_whose_worker_died(world: World) -> None:
    name = alive(world)

    def die(_: object) -> None:
        raise RuntimeError

    world.kato.on_call = die
    world.store.advance(TTL - INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter()
    world.kato.on_call = lambda _: None
    world.store.advance(world.settings.lease + INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(lost=1)
    world.deliver_all()
    assert world.record().session_id not in (None, name)


def test_a_server_that_is_away_is_tried_again(world: World) -> None:
    name = alive(world)
    world.kato.fail("prolong", KatoUnreachable("POST", "refused"))
    world.store.advance(TTL - 3 * INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(left=1)
    world.store.advance(INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)
    assert world.record().session_id == name


def test_one_that_is_ended_is_extended_no_more(world: World) -> None:
    alive(world)
    world.session().delete()
    world.deliver_all()
    world.store.advance(TTL)
    assert world.look_after(Index.REFRESH) == Counter()


def test_it_can_be_asked_for_later_and_taken_back(world: World) -> None:
    world.session(ttl=TTL).observe(["x"])
    world.deliver_all()
    assert world.lives.keep("a", alive=True)
    assert world.look_after(Index.REFRESH) == Counter(left=1)
    world.store.advance(TTL - 2 * INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)
    assert world.lives.keep("a", alive=False)
    world.store.advance(TTL)
    assert world.look_after(Index.REFRESH) == Counter()


def test_it_does_not_sleep(world: World) -> None:
    name = alive(world, idle_after=5.0)
    world.store.advance(6)
    assert world.look_after(Index.IDLE)["hibernated"] == 0
    assert name in world.kato.sessions


def test_a_session_that_was_woken_is_kept_alive_again(world: World) -> None:
    world.session(ttl=TTL, idle_after=5.0).observe(["x"])
    world.deliver_all()
    world.store.advance(6)
    assert world.look_after(Index.IDLE) == Counter(hibernated=1)
    world.lives.keep("a", alive=True)
    assert world.look_after(Index.REFRESH) == Counter(left=1)
    world.session().observe(["y"])
    world.deliver_all()
    world.store.advance(TTL - INTERVAL)
    assert world.look_after(Index.REFRESH) == Counter(extended=1)


def test_its_record_stays_as_long_as_it_is_kept_alive(world: World) -> None:
    """Its own time may be longer than the retention of records."""
    days = round(world.settings.retention * 3)
    name = alive(world, ttl=days)
    for _ in range(4):
        world.store.advance(world.settings.retention / 2)
        world.look_after(Index.REFRESH)
    assert world.record().session_id == name
    assert prolonged(world, name) == []


def test_it_is_extended_while_its_commands_wait(world: World) -> None:
    """They may wait for the right to learn for longer than it lives."""
    name = alive(world)
    world.store.advance(TTL - INTERVAL)
    world.session().observe(["y"])
    assert world.look_after(Index.REFRESH) == Counter(left=1)
    world.deliver_all()
    assert prolonged(world, name) == [TTL]
    assert world.record().time == 2


def test_a_delivery_that_extends_it_moves_its_own_end_too(world: World) -> None:
    """As a refresh does: it is to be kept alive from now on, whatever it was made for."""
    world.session(ttl=TTL, auto_extend=False).observe(["x"])
    world.deliver_all()
    world.lives.keep("a", alive=True)
    world.store.advance(TTL - 2 * INTERVAL)
    world.session(ttl=TTL, auto_extend=False).observe(["y"])
    world.deliver_all()
    world.store.advance(2 * INTERVAL + 1)
    assert world.look_after(Index.IDLE) == Counter(left=1)
    assert world.record().time == 2


class TestServersThatCountNoWrites:
    def test_a_session_is_extended_once_half_of_its_time_is_over(self, world: World) -> None:
        world.kato.slides = False
        world.session(ttl=TTL).observe(["x"])
        world.deliver_all()
        name = world.record().session_id or ""
        for _ in range(4):
            world.store.advance(TTL / 3)
            world.session().observe(["x"])
            world.deliver_all()
        assert prolonged(world, name) == [TTL, TTL]
        assert world.record().time == 5

    def test_one_that_ends_by_itself_only_for_a_write_in_its_last_second(
        self, world: World
    ) -> None:
        world.kato.slides = False
        world.session(ttl=TTL, auto_extend=False).observe(["x"])
        world.deliver_all()
        name = world.record().session_id or ""
        for seconds in (90, 9):
            world.store.advance(seconds)
            world.session().observe(["x"])
            world.deliver_all()
        assert prolonged(world, name) == [TTL]
        world.store.advance(2)
        assert world.look_after(Index.IDLE) == Counter(ended=1)

    def test_an_extension_in_doubt_before_a_write_is_fenced(self, world: World) -> None:
        world.kato.slides = False
        world.session(ttl=TTL).observe(["x"])
        world.deliver_all()
        name = world.record().session_id
        world.kato.fail("prolong", AnswerLost("POST", "time-out"), applied=True)
        world.store.advance(TTL / 2 + 1)
        world.session().observe(["y"])
        world.deliver_all()
        record = world.record()
        assert (record.time, record.session_id == name) == (2, False)

    def test_where_writes_count_nothing_is_extended(self, world: World) -> None:
        world.session(ttl=TTL).observe(["x"])
        world.deliver_all()
        world.store.advance(TTL - 1)
        world.session().observe(["y"])
        world.deliver_all()
        assert "prolong" not in world.kato.verbs()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ttl": 40}, "ttl is 40 for a session that is to be kept alive; allowed: at least 41"),
        ({"ttl": 60, "auto_extend": False}, "keep_alive is true for a session that is to end"),
        ({"keep_alive": 1}, "keep_alive is 1"),
        ({"keep_alive": False, "auto_extend": False}, "auto_extend is false, and there is no ttl"),
        ({"keep_alive": False, "auto_extend": "no"}, "auto_extend is 'no'"),
        ({"idle": "sleep"}, "idle is 'sleep'; allowed: hibernate, delete, keep"),
        ({"idle_after": 0}, "idle_after is 0"),
        ({"idle_after": -1.5}, r"idle_after is -1\.5"),
        ({"idle_after": float("nan")}, "idle_after is nan"),
        ({"idle_after": float("inf")}, "idle_after is inf"),
        ({"idle_after": True}, "idle_after is True"),
        ({"ttl": 0}, "ttl is 0"),
        ({"ttl": 1}, "ttl is 1; allowed: whole seconds from 2"),
        ({"ttl": -5}, "ttl is -5"),
        ({"ttl": 1.5}, r"ttl is 1\.5"),
        ({"ttl": 10**15}, "ttl is 1000000000000000"),
    ],
)
def test_what_cannot_be_kept_alive_is_refused(
    world: World, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        world.session(**{"keep_alive": True, **options})
