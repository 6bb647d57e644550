"""A session moves between two servers: crash and freeze at each step, and all that comes between.

After each course every command has counted once and in order, by the audits of both servers, and
the session is on exactly one instance. Without the fence the same checker finds losses and doubles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from protocol_moves import BLUE, GREEN, MovingSite, Standing, Steps
from protocol_site import QUICK, DevServer, Processes
from protocol_weaken import no_compare_in_switch

from kato_tasks.chaos.judging import Finding
from kato_tasks.delivery.memory import Memory, recall
from kato_tasks.errors import StoreUnavailable
from kato_tasks.migration import How, Moved
from kato_tasks.models import Journal, JournalEntry, SessionState, Turn
from kato_tasks.settings import Settings
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until

MakeMoving = Callable[..., MovingSite]
Prepare = Callable[[MovingSite], None]
GoOn = Callable[[MovingSite], None]
SOUND = Finding()
_SLOW: dict[str, Any] = {**QUICK, "lease": 10.0, "turn": 1.0, "doubt_wait": 0.05, "look_wait": 0.05}


@pytest.fixture(scope="module")
def pair(shared_processes: Processes) -> tuple[DevServer, DevServer]:
    """Two servers without anything in common."""
    return shared_processes.devserver(), shared_processes.devserver()


@pytest.fixture(scope="module")
def guides(shared_processes: Processes) -> tuple[DevServer, DevServer]:
    """Two of the guide's dialect."""
    guide = ("--dialect", "guide")
    return shared_processes.devserver(*guide), shared_processes.devserver(*guide)


@pytest.fixture
def make_moving(store: redis.Redis, settings: Settings) -> Iterator[MakeMoving]:
    """Makes a session on the first of two servers: ``make_moving(pair, settings={...})``."""
    with ExitStack() as stack:

        def make(servers: tuple[DevServer, DevServer], **options: Any) -> MovingSite:  # noqa: ANN401
            blue, green = servers
            own = {
                "instances": {BLUE: blue.url, GREEN: green.url},
                **_SLOW,
                **options.pop("settings", {}),
            }
            changed = Settings.load(redis_url=settings.redis_url, prefix=settings.prefix, **own)
            site = MovingSite(store, changed, blue, green, **options)
            stack.callback(site.close)
            for server in servers:
                server.arm()
            return site

        yield make


# What a session is like when it begins to move, and what goes on then.


def busy(site: MovingSite) -> None:
    """It has observed and learned, and commands wait."""
    site.observe(2)
    site.learn()
    site.observe(3)
    site.drain()
    site.observe(2)


def observe_in_doubt(site: MovingSite) -> None:
    """A worker has died over a call that was applied."""
    site.observe(3)
    site.drain()
    site.observe(2)
    site.die(at="before settle")


def observe_before_it_is_sent(site: MovingSite) -> None:
    """A worker has died over a call that it has not made."""
    site.observe(3)
    site.drain()
    site.observe(2)
    site.die(at="after intend")


def learn_in_doubt(site: MovingSite) -> None:
    """A worker has died over a learn that has counted; more waits behind it."""
    site.observe(3)
    site.drain()
    site.learn()
    site.die(at="before settle")
    site.observe(1)


def not_made_yet(site: MovingSite) -> None:
    """No server has it."""
    site.observe(2)


def observed_meanwhile(site: MovingSite) -> None:
    site.observe(2)
    site.drain()


def cleared_meanwhile(site: MovingSite) -> None:
    site.clear()
    site.observe(1)
    site.drain()


def learned_meanwhile(site: MovingSite) -> None:
    site.learn()
    site.observe(1)
    site.drain()


def nothing(_: MovingSite) -> None:
    """Nobody uses it."""


def another_mover(site: MovingSite) -> None:
    site.moves_to(GREEN)


def deliveries(site: MovingSite) -> None:
    """Nobody moves it for a while, and it is used."""
    site.observe(1)
    site.drain()


def is_whole(site: MovingSite, name: str) -> None:
    """Expect the session on one instance alone, with all commands once and in order."""
    site.observe(1)
    site.drain()
    assert site.instance == name
    assert site.record.state is SessionState.ACTIVE
    assert site.finding() == SOUND, story(site)
    assert site.session_id in site.living(name)


def story(site: MovingSite) -> str:
    return "\n".join([*site.finding().problems, *site.story()])


def is_all_there_is(site: MovingSite, name: str) -> None:
    """Expect no other server-side session of it anywhere."""
    is_whole(site, name)
    assert {one: site.living(one) for one in site.servers} == {
        one: [site.session_id] if one == name else [] for one in site.servers
    }


# One move.


@pytest.mark.parametrize(
    "prepare",
    [
        busy,
        observe_in_doubt,
        observe_before_it_is_sent,
        learn_in_doubt,
        not_made_yet,
    ],
)
@pytest.mark.parametrize(
    "meanwhile", [nothing, observed_meanwhile, cleared_meanwhile, learned_meanwhile]
)
def test_a_session_moves(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], prepare: Prepare, meanwhile: Prepare
) -> None:
    site = make_moving(pair)
    prepare(site)
    before_claim = Steps({"before claim": lambda: meanwhile(site)})
    moved = site.move(steps=before_claim)
    assert moved.how is How.MOVED, moved
    is_all_there_is(site, GREEN)
    # Whatever was learned was learned once, and not again by the copy.
    assert site.learned_at(GREEN) == [0] * len(site.learned_at(GREEN))
    assert site.learned_at(BLUE) == [1] * len(site.learned_at(BLUE))


def test_it_shows_just_what_it_has_shown(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    """Memory, time, emotives and metadata; and its own config, but not its server's."""
    site = make_moving(pair, config={"recall_threshold": 0.3, "max_predictions": 7}, ttl=77)
    site.observe(3)
    site.learn()
    site.observe(2)
    site.config()
    site.drain()
    shown = site.shown()
    assert shown[1:3] == (5, {"joy": 6.0})
    assert site.move().how is How.MOVED
    assert site.shown() == shown
    config = site.services.clients(GREEN).get_config(site.session_id)
    assert (config["recall_threshold"], config["max_predictions"]) == (0.2, 7)
    is_all_there_is(site, GREEN)


def test_it_moves_between_servers_of_the_guides_dialect(
    make_moving: MakeMoving, guides: tuple[DevServer, DevServer]
) -> None:
    site = make_moving(guides, settings={"dialects": {BLUE: "guide", GREEN: "guide"}})
    site.observe(3)
    site.drain()
    site.observe(2)
    moved = site.move(steps=Steps({"before claim": lambda: observed_meanwhile(site)}))
    assert moved.how is How.MOVED, moved
    is_all_there_is(site, GREEN)


def test_it_moves_to_a_server_of_four_processes(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], wide_server: DevServer
) -> None:
    site = make_moving((pair[0], wide_server))
    busy(site)
    assert site.move().how is How.MOVED
    is_all_there_is(site, GREEN)


# Crash.


@pytest.mark.parametrize(
    ("prepare", "go_on"),
    [
        (busy, deliveries),
        (observe_in_doubt, another_mover),
        (learn_in_doubt, deliveries),
        (not_made_yet, another_mover),
    ],
)
def test_a_mover_may_be_killed_at_every_step(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], prepare: Prepare, go_on: GoOn
) -> None:
    stops_at_every_step(make_moving, pair, prepare, go_on, meanwhile=nothing)


@pytest.mark.parametrize("meanwhile", [observed_meanwhile, cleared_meanwhile])
def test_it_may_be_killed_when_more_was_copied_than_at_first(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], meanwhile: Prepare
) -> None:
    stops_at_every_step(make_moving, pair, busy, another_mover, meanwhile=meanwhile)


def stops_at_every_step(
    make_moving: MakeMoving,
    pair: tuple[DevServer, DevServer],
    prepare: Prepare,
    go_on: GoOn,
    meanwhile: Prepare,
) -> None:
    """Kill a mover before step after step, each time with a session of its own."""
    for number in count(step=2):
        with closing(make_moving(pair)) as site:
            prepare(site)
            steps = Steps({"before claim": partial(meanwhile, site)})
            steps.happens[number] = steps.die
            survived = site.crashes(steps)
            told = f"step {number}: {steps.trace}"
            go_on(site)
            site.drain()
            assert site.finding() == SOUND, told
            site.moves_to(GREEN)
            is_whole(site, GREEN)
            strays = unnoted(site)
            assert len(strays) <= 1, told
        if survived is not None:
            break
    assert number > 15


def unnoted(site: MovingSite) -> list[str]:
    """What a killed mover has left over: an orphan at the source, or a copy it could not note."""
    return [one for name in site.servers for one in site.living(name) if one != site.session_id]


def test_whatever_step_the_store_is_away_at_nothing_is_lost(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    for number in count(step=2):
        with closing(make_moving(pair)) as site:
            busy(site)
            steps = Steps(dict.fromkeys(range(number, number + 4), no_store))
            moved = site.crashes(steps)
            site.moves_to(GREEN)
            is_whole(site, GREEN)
        if moved is not None and number >= len(steps.trace):
            break
    assert number > 15


def no_store() -> None:
    raise StoreUnavailable("redis://x", "gone")


# Freeze.


@pytest.mark.parametrize(
    ("prepare", "go_on"), [(busy, another_mover), (observe_in_doubt, deliveries)]
)
def test_a_mover_may_be_frozen_at_every_step_and_go_on_when_others_have_done_its_work(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], prepare: Prepare, go_on: GoOn
) -> None:
    for number in count(step=2):
        with closing(make_moving(pair)) as site:
            prepare(site)
            frozen = site.stands(number)
            stood = frozen.start()
            told = f"step {number}: {frozen.steps.trace}"
            site.kill()
            go_on(site)
            site.observe(1)
            site.drain()
            frozen.thaw()
            site.kill()
            site.drain()
            assert site.finding() == SOUND, told
            site.moves_to(GREEN)
            is_whole(site, GREEN)
        if not stood:
            break
    assert number > 15


def test_a_delete_that_comes_late_meets_nobody(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    """The session has moved back meanwhile: to one that was made anew."""
    site = make_moving(pair)
    busy(site)
    frozen = site.stands("after arrive")
    assert frozen.start()
    site.moves_to(BLUE)
    site.observe(2)
    site.drain()
    moved = frozen.thaw()
    assert isinstance(moved, Moved)
    assert moved.how is How.MOVED
    is_all_there_is(site, BLUE)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    "at", ["before observe_sequence at blue", "after observe_sequence at blue"]
)
def test_a_deliverer_that_wakes_up_after_the_move_meets_an_orphan(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], at: str, *, keep: bool
) -> None:
    site = make_moving(pair)
    site.observe(3)
    site.drain()
    site.observe(2)
    deliverer = standing_deliverer(site, at)
    site.kill()
    moved = site.move(keep=keep)
    assert (moved.how, moved.kept) == (How.MOVED, keep)
    site.drain()
    assert deliverer.thaw() is Turn.LOST
    assert site.living(BLUE) == ([moved.before] if keep else [])
    is_whole(site, GREEN)


def standing_deliverer(site: MovingSite, at: str) -> Standing:
    standing = Standing(site.turn, at)
    assert standing.start()
    return standing


# Two at once, back and forth.


def test_two_movers_at_once_make_one_move(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    for _ in range(5):
        site = make_moving(pair)
        busy(site)
        with ThreadPoolExecutor() as pool:
            moves = [pool.submit(site.move) for _ in range(2)]
        ends = [one.result().how for one in moves]
        assert ends.count(How.MOVED) == 1
        assert set(ends) <= {How.MOVED, How.LATER, How.ALREADY}
        is_all_there_is(site, GREEN)


def test_what_moves_back_goes_to_a_session_made_anew_with_all_that_came_since(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    site = make_moving(pair)
    busy(site)
    there = site.move(keep=True)
    site.observe(2)
    site.learn()
    site.observe(1)
    site.drain()
    back = site.move(BLUE)
    assert (there.how, back.how) == (How.MOVED, How.MOVED)
    assert back.after not in (None, there.before)
    assert there.before in site.living(BLUE)
    is_whole(site, BLUE)
    # The kept one has had nothing since.
    assert site.servers[BLUE].kinds(there.before or "")[-1] == "observe"
    assert site.services.registry.stats().counts["moved"] == 2


def test_a_session_moves_back_and_forth_under_load(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    site = make_moving(pair)
    busy(site)
    done = threading.Event()

    def deliver() -> None:
        while not done.is_set():
            site.deliver()

    workers = [threading.Thread(target=deliver) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for to in [GREEN, BLUE] * 4:
            site.observe(3)
            if to == BLUE:
                site.learn()
            site.observe(2)
            wait_until(partial(has_moved, site, to), timeout=20)
    finally:
        done.set()
        for worker in workers:
            worker.join()
    is_all_there_is(site, BLUE)
    learned = zip(site.learned_at(BLUE), site.learned_at(GREEN), strict=True)
    assert [sum(one) for one in learned] == [1] * len(site.learned_at(BLUE))


def has_moved(site: MovingSite, to: str) -> bool:
    return site.move(to).how in (How.MOVED, How.ALREADY)


# Servers that fail.


@pytest.mark.parametrize("kill_in_doubt", [False, True])
def test_from_a_server_that_was_killed_for_good_a_session_moves_by_its_journal(
    make_moving: MakeMoving,
    pair: tuple[DevServer, DevServer],
    processes: Processes,
    tmp_path: Path,
    *,
    kill_in_doubt: bool,
) -> None:
    port, state = free_port(), str(tmp_path / "state")
    blue = processes.devserver("--state", state, port=port)
    site = make_moving((blue, pair[1]))
    (observe_in_doubt if kill_in_doubt else busy)(site)
    blue.kill()
    moved = site.move()
    assert moved.how is How.MOVED, moved
    site.observe(1)
    site.drain()
    assert site.remembers_all()
    # For its audit alone.
    processes.devserver("--state", state, port=port)
    is_whole(site, GREEN)


FAULTS = [
    "reset_before:1,route=create",
    "reset_after:1,route=create",
    "reset_before:1,route=sequence",
    "reset_after:1,route=sequence",
    "500:1,route=sequence",
    "not_stored:1,route=sequence",
    "session_gone:1,route=sequence",
    "503:1,route=read",
    "store_down:3",
    "reset_store:1,route=read",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_target_does_wrong_nothing_is_lost(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], fault: str
) -> None:
    site = make_moving(pair)
    busy(site)
    site.servers[GREEN].arm(fault)
    site.move()
    site.servers[GREEN].arm()
    site.moves_to(GREEN)
    is_whole(site, GREEN)


@pytest.mark.parametrize("fault", ["503:2,route=read", "reset_store:1,route=read", "store_down:4"])
def test_whatever_the_source_does_wrong_nothing_is_lost(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], fault: str
) -> None:
    site = make_moving(pair)
    busy(site)
    site.servers[BLUE].arm(fault)
    site.moves_to(GREEN)
    site.servers[BLUE].arm()
    is_whole(site, GREEN)


def test_vectors_that_have_other_neighbours_there_move_as_the_symbols_that_they_are(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer]
) -> None:
    """The node has learned another vector at the target."""
    site = make_moving(pair)
    green = site.services.clients(GREEN)
    other = green.create_session(node_id=site.key).session_id
    green.observe(other, b'{"strings":["a"],"vectors":[[1.0,2.0,3.0]]}')
    green.observe(other, b'{"strings":["b"]}')
    green.learn(other)
    green.delete_session(other)
    session = site.services.sessions.session(site.key, node=site.key, instance=BLUE)
    session.observe_many([{"strings": ["10"]}, {"strings": ["x"], "vectors": [[1.0, 2.0, 3.1]]}])
    site.drain()
    shown, before = site.shown(), site.stm()
    assert site.move().how is How.MOVED
    assert site.shown() == shown
    # A replay of the vectors themselves would have given more.
    other = green.create_session(node_id=site.key).session_id
    green.replay(other, [b'{"strings":["x"],"vectors":[[1.0,2.0,3.1]]}'])
    assert green.look(other).stm != before[1:]
    green.delete_session(other)


# Without the fence.


def who_moves_it_freezes(site: MovingSite) -> None:
    """It has copied what was there then, and binds that when more is applied."""
    busy(site)
    frozen = site.stands("before switch")
    assert frozen.start()
    site.kill()
    site.observe(2)
    site.drain()
    frozen.thaw()
    site.kill()
    site.drain()


def an_observation_is_in_doubt(site: MovingSite) -> None:
    """It was applied at the source, and is delivered again at the target."""
    observe_in_doubt(site)
    site.moves_to(GREEN)
    site.drain()


def copy_what_the_source_has(patch: pytest.MonkeyPatch) -> None:
    """What the source shows is copied, the call in doubt with it, and the intent is dropped."""

    def seen(journal: Journal) -> Memory:
        numbers = range(len(journal.entries) + 1, len(journal.entries) + 3)
        applied = [
            b'{"strings":["n%d","shared"],"emotives":{"joy":%d.0},"metadata":{"n":%d}}'
            % (number, number, number)
            for number in numbers
        ]
        entries = tuple(JournalEntry(payload=one) for one in applied)
        return recall(replace(journal, entries=(*journal.entries, *entries)))

    patch.setattr("kato_tasks.migration.journey.recall", seen)


@dataclass(frozen=True, kw_only=True)
class Control:
    """A course of events, what it needs, and what becomes of commands without that."""

    course: Prepare
    without: Callable[[pytest.MonkeyPatch], None]
    what: str


CONTROLS = (
    Control(course=who_moves_it_freezes, without=no_compare_in_switch, what="lost"),
    Control(course=an_observation_is_in_doubt, without=copy_what_the_source_has, what="duplicated"),
)
all_controls = pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one.course.__name__)


@all_controls
def test_with_the_fence_it_is_sound(
    make_moving: MakeMoving, pair: tuple[DevServer, DevServer], control: Control
) -> None:
    site = make_moving(pair)
    control.course(site)
    assert site.finding() == SOUND


@all_controls
def test_without_it_the_checker_finds_it_unsound(
    make_moving: MakeMoving,
    pair: tuple[DevServer, DevServer],
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = make_moving(pair)
    control.without(monkeypatch)
    control.course(site)
    assert getattr(site.finding().difference, control.what) > 0
