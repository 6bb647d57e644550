"""Commands of a session that somebody else has made, of which the server shows no time."""

from __future__ import annotations

from dataclasses import replace

from memory_world import World

from kato_tasks.errors import AnswerLost
from kato_tasks.kato import TIME_UNKNOWN, Cognition
from kato_tasks.models import Adoption, Bound, SessionSpec
from kato_tasks.testing import FakeKato
from kato_tasks.testing.fakes import FakeSession

THEIRS = b'{"strings":["theirs"]}'


def adopt(world: World, *, time: int) -> FakeSession:
    """Adopt a session whose time at its server is 7."""
    session = FakeSession(node_id="n", config={"process_predictions": False}, time=7, stm=[THEIRS])
    world.kato.sessions["theirs"] = session
    found = Adoption(
        key="a",
        spec=SessionSpec(node="n", instance="default"),
        to=Bound(session_id="theirs"),
        time=time,
        journal=(THEIRS,),
    )
    assert world.lives.adopt(found)
    return session


def test_a_time_that_is_not_known_is_that_of_the_first_answer() -> None:
    with World(batch_commands=1) as world:
        session = adopt(world, time=TIME_UNKNOWN)
        world.session("a", node="n").observe(["x"])
        world.deliver_all()
        record = world.record()
        assert (record.session_id, record.time, session.time) == ("theirs", 8, 8)
        world.kato.answer_time(42)
        world.session("a", node="n").observe(["y"])
        world.deliver_all()
        assert world.record().session_id != "theirs"
        assert world.record().rehomed == 1


def test_a_time_that_is_known_is_compared_at_once() -> None:
    with World() as world:
        adopt(world, time=3)
        world.session("a", node="n").observe(["x"])
        world.deliver_all()
        assert world.record().session_id != "theirs"
        assert world.observed() == [THEIRS.decode(), '{"strings":["x"]}']


class ShowsNoTime(FakeKato):
    """A server that shows its time in answers only, if at all."""

    def look(self, session_id: str) -> Cognition:
        return replace(super().look(session_id), time=TIME_UNKNOWN)


def test_it_stays_unknown_through_what_shows_none() -> None:
    """A session that is made anew has the time that it is given then."""
    with World() as world:
        world.kato = ShowsNoTime()
        adopt(world, time=TIME_UNKNOWN)
        session = world.session("a", node="n")
        session.learn()
        world.deliver_all()
        assert (world.record().time, world.record().rehomed) == (TIME_UNKNOWN, 0)
        lost = AnswerLost("POST /sessions/{id}/observe", "timed out")
        world.kato.fail("observe", lost, applied=True)
        session.observe(["x"])
        world.deliver_all()
        assert (world.record().time, world.record().rehomed) == (TIME_UNKNOWN, 0)
        world.kato.fail("observe", lost)
        session.observe(["y"])
        world.deliver_all()
        record = world.record()
        assert (record.rehomed, record.waiting) == (1, 0)
        assert record.time == world.kato.sessions[record.session_id or ""].time
