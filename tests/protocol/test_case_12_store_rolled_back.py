"""The store comes back without its last moments, and whoever worked with it is still alive.

Its run id tells that it was restarted. Then no lease counts any more, and each session is made
anew at its first touch, unless the store writes everything to its disk before it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from copy import deepcopy
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from conftest import MakeWorld
from protocol_server import Fault
from protocol_store import OwnStore, Past
from protocol_world import ProtocolWorld

from kato_tasks.errors import ReceiptLost
from kato_tasks.models import (
    Bound,
    Intent,
    Kind,
    Learning,
    NoClaim,
    SessionState,
    Settlement,
    Switch,
    Turn,
)
from kato_tasks.scripts import Runner
from kato_tasks.services import Services
from kato_tasks.settings import Settings
from kato_tasks.testing import RecordingWake, wait_until

Open = Callable[[str], tuple[OwnStore, ProtocolWorld]]


@pytest.fixture
def open_store(tmp_path: Path, settings: Settings) -> Iterator[Open]:
    """Starts a store with an ``appendfsync``, and a world on it."""
    with ExitStack() as stack:

        def start(appendfsync: str) -> tuple[OwnStore, ProtocolWorld]:
            own = stack.enter_context(closing(OwnStore(tmp_path, appendfsync)))
            base = settings.model_copy(update={"redis_url": own.url})
            world = ProtocolWorld(own.client, base)
            stack.callback(world.keeper.close)
            return own, world

        yield start


def test_after_a_restart_that_may_have_lost_something_a_session_is_made_anew(
    open_store: Open,
) -> None:
    own, world = open_store("everysec")
    world.observe("a", *"0123")
    world.drain()
    own.restart()
    world.observe("a", "4")
    world.drain()
    world.observe("a", "5")
    world.drain()
    record = world.record("a")
    assert (record.rehomed, record.why) == (1, "the store was restarted")
    assert world.counts("suspected") == 1
    assert world.verdict() == []


def test_an_idle_one_is_made_anew_at_its_next_command(open_store: Open) -> None:
    """Whoever looks after it meanwhile finds nothing to do, and does not make it sound by that."""
    own, world = open_store("everysec")
    world.observe("a", "0")
    world.drain()
    own.restart()
    assert world.turn("a") is Turn.DONE
    assert world.record("a").rehomed == 0
    world.observe("a", "1")
    world.drain()
    assert world.record("a").state is SessionState.ACTIVE
    assert world.record("a").rehomed == 1
    assert world.verdict() == []


def test_a_store_that_writes_before_it_answers_has_lost_nothing(open_store: Open) -> None:
    own, world = open_store("always")
    world.observe("a", *"0123")
    world.drain()
    own.restart()
    world.observe("a", "4")
    world.drain()
    assert world.record("a").rehomed == 0
    assert world.counts("suspected") == 0
    assert world.verdict() == []


def test_no_lease_counts_after_a_restart_that_may_have_lost_something(open_store: Open) -> None:
    own, world = open_store("everysec")
    world.observe("a", "0", "1")
    frozen = world.freeze("a", "before settle", keeps_lease=True)
    own.restart()
    assert world.turn("a") is Turn.DONE
    assert frozen.thaw() is Turn.LOST
    assert world.verdict() == []


def test_leases_go_on_in_a_store_that_has_lost_nothing(open_store: Open) -> None:
    own, world = open_store("always")
    world.observe("a", "0", "1")
    frozen = world.freeze("a", "before settle", keeps_lease=True)
    own.restart()
    assert world.turn("a") is Turn.BUSY
    assert frozen.thaw() is Turn.DONE
    assert world.record("a").rehomed == 0
    assert world.verdict() == []


def test_a_replica_that_took_anothers_place_may_have_lost_something(
    open_store: Open, tmp_path: Path
) -> None:
    """However it writes itself: what its master had answered may not have reached it."""
    own, _ = open_store("always")
    own.client.config_set("repl-diskless-sync-delay", 0)
    (tmp_path / "replica").mkdir()
    with closing(OwnStore(tmp_path / "replica", "always")) as replica:
        runner = Runner(replica.client, replica.url)
        assert runner.lost_nothing()
        host, port = own.url.removeprefix("redis://").removesuffix("/0").split(":")
        replica.client.replicaof(host, int(port))
        wait_until(lambda: replica.client.info("replication")["master_link_status"] == "up")
        assert not runner.lost_nothing()
        replica.client.replicaof("NO", "ONE")
        assert not runner.lost_nothing()


@pytest.mark.parametrize("at", ["bind", "intend", "observe_sequence", "settle", "look"])
def test_an_owner_from_before_is_refused_by_a_store_that_does_not_know_of_it(
    open_store: Open, at: str
) -> None:
    own, world = open_store("everysec")
    world.observe("a", "0", "1")
    own.keep("before the claim")
    frozen = world.freeze("a", f"before {at}", keeps_lease=True)
    own.restart("before the claim")
    assert world.turn("a") is Turn.DONE
    assert frozen.thaw() is Turn.LOST
    world.observe("a", "2")
    world.finish()
    assert world.verdict() == []


def test_nothing_is_taken_from_an_owner_from_before(open_store: Open) -> None:
    own, world = open_store("everysec")
    world.observe("a", "0")
    own.keep("before the claim")
    claim = world.lanes.claim("a", most=10)
    assert not isinstance(claim, NoClaim)
    own.restart("before the claim")
    world.turn("a")
    world.observe("a", "1")
    intent = Intent(first=2, count=1, kind=Kind.OBSERVE, time=1, session_id="s")
    to = Switch(session_id="s", time=0, events=0, reason="")
    assert world.lanes.bind(claim.lease, Bound(session_id="s", learning=Learning())) is None
    assert not world.lanes.intend(claim.lease, intent)
    assert world.lanes.settle(claim.lease, Settlement(first=2, count=1, time=2)) is None
    assert world.lanes.journal(claim.lease, 1) is None
    assert world.lanes.switch(claim.lease, 1, to) is None
    assert not world.lanes.withdraw(claim.lease)
    assert not world.lanes.renew(claim.lease)
    assert not world.lanes.release(claim.lease)
    assert not world.lanes.park(claim.lease, "why")


def test_the_store_may_come_back_as_it_was_at_any_step(open_store: Open) -> None:
    """From real copies of its file; the server is each time where it was at the end."""
    own, world = open_store("everysec")
    world.observe("a", "0")
    world.drain()
    world.observe("a", *"12345")
    own.keep("0")
    world.steps = {number: partial(own.keep, str(number)) for number in range(1, 40)}
    world.deliver("a")
    steps = len(world.trace)
    sessions = deepcopy(world.kato.sessions)
    assert steps > 15
    for number in range(steps):
        world.kato.sessions = deepcopy(sessions)
        own.restart(str(number))
        world.drain()
        assert world.verdict() == [], f"step {number}"
        assert world.record("a").rehomed < 2


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LATE_WRITE])
@pytest.mark.parametrize("later", [1, 6])
def test_it_may_come_back_beside_an_owner_who_goes_on(
    make_world: MakeWorld, fault: Fault, later: int
) -> None:
    """Whatever step the copy is of, and so many steps on, the owner is none the wiser."""
    for number in count():
        world = make_world()
        world.observe("a", *"0123")
        world.append("a", Kind.CLEAR_STM)
        world.observe("a", "4")
        world.kato.faults.extend([Fault.NONE, fault])
        past = Past(world.store, world.settings.prefix)
        world.steps = {number: past.keep, number + later: past.come_back}
        world.deliver("a")
        came_back = number + later < len(world.trace)
        world.finish()
        assert world.verdict() == [], f"step {number}"
        if not came_back:
            break
    assert number > 20


def test_who_waits_for_a_command_that_the_store_has_lost_is_told(open_store: Open) -> None:
    own, world = open_store("everysec")
    with closing(Services(world.settings, RecordingWake())) as services:
        session = services.sessions.session("a", node="n")
        kept = session.observe(["0"])
        own.keep("before the second")
        lost = session.observe(["1"], command_id="mine")
        own.restart("before the second")
        wait_until(lambda: world.turn("a") is Turn.DONE)
        kept.wait(timeout=1)
        with pytest.raises(ReceiptLost, match=r"lost command 2 .* 'mine'"):
            lost.wait(timeout=1)


def test_so_is_one_whose_place_another_command_has_taken_since(open_store: Open) -> None:
    own, world = open_store("everysec")
    with closing(Services(world.settings, RecordingWake())) as services:
        session = services.sessions.session("a", node="n")
        session.observe(["0"])
        own.keep("before the second")
        lost = session.observe(["1"], command_id="mine")
        own.restart("before the second")
        other = session.observe(["2"])
        wait_until(lambda: world.turn("a") is Turn.DONE)
        assert other.seq == lost.seq
        other.wait(timeout=1)
        with pytest.raises(ReceiptLost):
            lost.wait(timeout=1)
        assert not session.observe(["1"], command_id="mine").repeated
