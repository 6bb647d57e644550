"""Commands that fail at the server again and again, and outages, which are another thing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from memory_world import World, strings

from kato_tasks.errors import KatoError, KatoUnreachable, ServerFault
from kato_tasks.models import Outcome, Turn
from kato_tasks.testing import FakeCall

FAILED = ServerFault("POST", "oops", 500)
AWAY = KatoUnreachable("POST", "refused")


def failing_at(bad: bytes) -> Callable[[FakeCall], None]:
    """Fail at every call that carries an observation."""

    def strike(call: FakeCall) -> None:
        if bad in call.payloads:
            raise FAILED

    return strike


def failing(error: KatoError) -> Callable[[FakeCall], None]:
    def strike(call: FakeCall) -> None:
        if call.verb.startswith("observe"):
            raise error

    return strike


def deliver_until_done(world: World) -> int:
    """Deliver as the sweep would; how many turns it took."""
    for turns in range(1, 60):
        if world.deliver() is Turn.DONE:
            return turns
        world.store.advance(60)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("bad", range(7))
def test_poison_is_found_in_its_batch_by_halving(bad: int) -> None:
    with World() as world:
        names = [str(number) for number in range(7)]
        world.kato.on_call = failing_at(strings(names[bad])[0].encode())
        world.session().observe_many([{"strings": [name]} for name in names])
        deliver_until_done(world)
        assert world.observed() == strings(*names[:bad], *names[bad + 1 :])
        [dead] = world.store.dead
        assert (dead.seq, dead.outcome) == (bad + 1, Outcome(refusal=str(FAILED)))
        assert world.registry.stats().counts["dead_lettered"] == 1


def test_poison_alone_is_tried_so_often() -> None:
    with World(poison_attempts=3) as world:
        bad = strings("bad")[0].encode()
        world.kato.on_call = failing_at(bad)
        world.session().observe(["bad"])
        assert deliver_until_done(world) == 3
        assert world.record().waiting == 0


def test_all_that_fails_alike_is_an_outage_and_nothing_is_given_up() -> None:
    with World(poison_attempts=2) as world:
        world.session().observe_many([{"strings": [name]} for name in "xyz"])
        world.kato.on_call = failing(FAILED)
        for _ in range(12):
            assert world.deliver() is Turn.PAUSED
            world.store.advance(60)
        assert world.store.dead == []
        world.kato.on_call = lambda _: None
        deliver_until_done(world)
        assert world.observed() == strings("x", "y", "z")


def test_asking_whether_others_are_taken_leaves_nothing_behind() -> None:
    with World(poison_attempts=1) as world:
        world.kato.on_call = failing_at(strings("bad")[0].encode())
        world.session(config={"max_pattern_length": 1}).observe(["bad"])
        world.session("b", node="a").observe(["bad"])
        world.deliver("b")
        assert world.record("b").waiting == 0
        assert len(world.kato.sessions) == 1
        assert not world.kato.patterns


def test_by_setting_poison_parks_its_lane_and_stays_at_its_head() -> None:
    with World(poison="park", poison_attempts=1) as world:
        bad = strings("bad")[0].encode()
        world.kato.on_call = failing_at(bad)
        world.session().observe_many([{"strings": [name]} for name in ("x", "bad", "y")])
        turns = [world.deliver() for _ in range(9)]
        assert turns[-1] is Turn.PARKED
        assert world.observed() == strings("x")
        [dead] = world.store.dead
        assert (dead.seq, dead.parked) == (2, True)
        world.kato.on_call = lambda _: None
        assert world.lanes.unpark("a")
        deliver_until_done(world)
        assert world.observed() == strings("x", "bad", "y")


@pytest.mark.parametrize("bad", range(4))
def test_poison_is_found_too_where_the_server_learns_by_itself(bad: int) -> None:
    """A call that makes it learn and fails may have counted: that has to be looked at each time."""
    with World(doubt_wait=1, poison_attempts=2) as world:
        names = ["w", "x", "y", "z"]
        world.kato.on_call = failing_at(strings(names[bad])[0].encode())
        session = world.session(config={"max_pattern_length": 2})
        session.observe_many([{"strings": [name]} for name in names])
        deliver_until_done(world)
        assert [dead.seq for dead in world.store.dead] == [bad + 1]
        assert sum(world.kato.patterns.values()) == 1
        [made] = world.kato.sessions.values()
        good = [name for name in names if name != names[bad]]
        assert [payload.decode() for payload in made.stm] == strings(good[-1])


def test_calls_that_were_not_made_do_not_make_poison_of_the_next_failure() -> None:
    """After an outage one failure is one failure, however long the outage was."""
    with World(poison_attempts=3) as world:
        world.session().observe(["x"])
        world.kato.on_call = failing(AWAY)
        for _ in range(5):
            assert world.deliver() is Turn.PAUSED
            world.store.advance(60)
        world.kato.on_call = lambda _: None
        world.kato.fail("observe", FAILED)
        assert deliver_until_done(world) == 2
        assert world.store.dead == []
        assert world.observed() == strings("x")
