"""What becomes of a store that fails, and how often it is asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import pytest
import redis
from lane_steps import KEY, SPEC, append, claim, group, intend, payloads, request, settlement
from redis.connection import AbstractConnection

from kato_tasks.breakers import RedisBreakers
from kato_tasks.connections import RedisConnections
from kato_tasks.errors import InvalidInput, StoreUnavailable
from kato_tasks.keys import Keys
from kato_tasks.lanes import RedisLanes
from kato_tasks.letters import RedisDeadLetters
from kato_tasks.lives import RedisLives
from kato_tasks.models import (
    Adoption,
    Append,
    Appended,
    Bound,
    Intent,
    Kind,
    Lease,
    Settlement,
    Switch,
)
from kato_tasks.nodes import NodeHold, RedisNodes
from kato_tasks.registry import RedisRegistry
from kato_tasks.scripts import Runner, calls, open_redis
from kato_tasks.settings import Settings
from kato_tasks.stack import free_port
from kato_tasks.views import RedisViews

LEASE: Final = Lease(key=KEY, token="", epoch=0)
HOLD: Final = NodeHold(holders="k")
INTENT: Final = Intent(first=1, count=1, kind=Kind.OBSERVE, time=0, session_id="")
SWITCH: Final = Switch(session_id="sid", time=0, events=0, reason="why")
ADOPTION: Final = Adoption(key=KEY, spec=SPEC, to=Bound(session_id="sid"), time=0)
TIMEOUT: Final = 0.1

VERBS: Final[dict[str, Callable[[Runner, Settings], object]]] = {
    "append": lambda r, s: RedisLanes(r, s).append([request(KEY, group("x"))]),
    "append many": lambda r, s: RedisLanes(r, s).append([request("a"), request("b")]),
    "claim": lambda r, s: RedisLanes(r, s).claim(KEY, most=1),
    "bind": lambda r, s: RedisLanes(r, s).bind(LEASE, Bound(session_id="sid")),
    "intend": lambda r, s: RedisLanes(r, s).intend(LEASE, INTENT),
    "settle": lambda r, s: RedisLanes(r, s).settle(LEASE, Settlement(first=1, count=1, time=0)),
    "release": lambda r, s: RedisLanes(r, s).release(LEASE),
    "withdraw": lambda r, s: RedisLanes(r, s).withdraw(LEASE),
    "journal": lambda r, s: RedisLanes(r, s).journal(LEASE, 0),
    "switch": lambda r, s: RedisLanes(r, s).switch(LEASE, 0, SWITCH),
    "park": lambda r, s: RedisLanes(r, s).park(LEASE, "why"),
    "unpark": lambda r, s: RedisLanes(r, s).unpark(KEY),
    "count": lambda r, s: RedisLanes(r, s).count(KEY, {"doubts": 1}),
    "lost": lambda r, _: r.lost_nothing(),
    "adopt": lambda r, s: RedisLives(r, s).adopt(ADOPTION),
    "knows": lambda r, s: RedisRegistry(r, s).knows(KEY, "id", 1),
    "renew": lambda r, s: RedisLanes(r, s).renew(LEASE),
    "overdue": lambda r, s: RedisLanes(r, s).overdue(),
    "get": lambda r, s: RedisRegistry(r, s).get(KEY),
    "progress": lambda r, s: RedisRegistry(r, s).progress(KEY),
    "outcome": lambda r, s: RedisRegistry(r, s).outcomes(KEY, 1, 1),
    "recent": lambda r, s: RedisRegistry(r, s).recent(limit=1),
    "walk": lambda r, s: list(RedisRegistry(r, s).walk()),
    "stats": lambda r, s: RedisRegistry(r, s).stats(),
    "letters list": lambda r, s: RedisDeadLetters(r, s).list(limit=1),
    "letters of one": lambda r, s: RedisDeadLetters(r, s).list(key=KEY, limit=1),
    "letter get": lambda r, s: RedisDeadLetters(r, s).get("0:1-1"),
    "letter discard": lambda r, s: RedisDeadLetters(r, s).discard("0:1-1"),
    "letters count": lambda r, s: RedisDeadLetters(r, s).count(),
    "view lane": lambda r, s: RedisViews(r, s).lane(KEY, commands=1),
    "view ready": lambda r, s: RedisViews(r, s).ready(limit=1),
    "view looks": lambda r, s: RedisViews(r, s).next_looks([KEY]),
    "node acquire": lambda r, s: RedisNodes(r, s).acquire(SPEC, wait=0),
    "node look": lambda r, s: RedisNodes(r, s).is_marked(SPEC),
    "node renew": lambda r, s: RedisNodes(r, s).renew(HOLD),
    "node release": lambda r, s: RedisNodes(r, s).release(HOLD),
    "node take": lambda r, s: RedisNodes(r, s).take_learning(SPEC, LEASE),
    "node give": lambda r, s: RedisNodes(r, s).give_learning(SPEC, LEASE),
    "breaker ask": lambda r, s: RedisBreakers(r, s).ask("default"),
    "breaker report": lambda r, s: RedisBreakers(r, s).report("default", sound=False),
    "breaker states": lambda r, s: RedisBreakers(r, s).states(),
    "connections join": lambda r, s: RedisConnections(r, s).join("default"),
    "connections leave": lambda r, s: RedisConnections(r, s).leave("default"),
    "connections crowds": lambda r, s: RedisConnections(r, s).crowds(),
}

every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A listening socket that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://:secret@127.0.0.1:{server.getsockname()[1]}/0"


def append_all(requests: Sequence[Append], runner: Runner, settings: Settings) -> object:
    return RedisLanes(runner, settings).append(requests)


def fail(verb: Callable[[Runner, Settings], object], url: str) -> StoreUnavailable:
    """The error with which a verb gives up a store; it must not take long."""
    started = time.monotonic()
    with (
        open_redis(url, timeout=TIMEOUT) as client,
        pytest.raises(StoreUnavailable) as raised,
    ):
        verb(Runner(client, url), Settings.load(redis_url=url))
    assert time.monotonic() - started < 10 * TIMEOUT
    return raised.value


@every_verb
def test_a_store_that_is_not_there_is_given_up(verb: Callable[..., object]) -> None:
    error = fail(verb, f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert "refused" in str(error)
    assert "secret" not in str(error)


@every_verb
def test_a_store_that_does_not_answer_is_given_up_in_time(
    verb: Callable[..., object], silent_url: str
) -> None:
    error = fail(verb, silent_url)
    assert error.url == silent_url.replace(":secret@", "")
    assert "secret" not in str(error)


def test_a_wrong_password_is_not_repeated(store_url: str) -> None:
    error = fail(VERBS["claim"], store_url.replace("redis://", "redis://user:secret@"))
    assert "secret" not in f"{error} {error.args}"


@pytest.mark.parametrize(
    "url",
    ["redis://:sec/ret@host:1/0", "http://u:sec-ret@host:1/0", "u:sec-ret@host:1/0", "sec-ret@h"],
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_redis(url, timeout=1)
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_commands_whose_acceptance_is_unknown_are_named(silent_url: str) -> None:
    first, second = group("x", command_id="c1"), group("y", command_id="c2")
    for requests in ([request("a", first, second)], [request("a", first), request("b", second)]):
        error = fail(partial(append_all, requests), silent_url)
        assert error.command_ids == ("c1", "c2")
        assert "repeating them with the same command_id is safe" in str(error)
    assert fail(VERBS["claim"], silent_url).command_ids == ()


def test_the_client_repeats_nothing_by_itself(store: redis.Redis) -> None:
    assert store.connection_pool.connection_kwargs["retry"].get_retries() == 0


@pytest.fixture
def lanes(runner: Runner, settings: Settings) -> RedisLanes:
    return RedisLanes(runner, settings)


def test_a_store_that_forgot_its_scripts_is_told_again(
    lanes: RedisLanes, store: redis.Redis
) -> None:
    append(lanes, "x")
    store.script_flush()
    append(lanes, "y")
    store.script_flush()
    answers = lanes.append([request(KEY, group("z")), request("b", group("w")), request("c")])
    assert all(isinstance(answer, Appended) for answer in answers)
    store.script_flush()
    claimed = claim(lanes)
    store.script_flush()
    assert intend(lanes, claimed)
    assert payloads(claimed) == ["x", "y", "z"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the client sends, one entry per round trip."""
    sent: list[Any] = []
    original: Callable[..., None] = AbstractConnection.send_packed_command

    def send(self: AbstractConnection, command: Any, *rest: Any, **more: Any) -> None:  # noqa: ANN401
        sent.append(command)
        original(self, command, *rest, **more)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", send)
    return sent


def test_one_append_is_one_round_trip(lanes: RedisLanes, sent: list[Any]) -> None:
    append(lanes, "x")
    sent.clear()
    append(lanes, "y", "z")
    assert len(sent) == 1
    sent.clear()
    lanes.append([request(f"key-{number}", group("x")) for number in range(20)])
    assert len(sent) == 1


def test_one_sweep_is_one_round_trip(lanes: RedisLanes, sent: list[Any]) -> None:
    append(lanes, "x")
    sent.clear()
    lanes.overdue()
    assert len(sent) == 1


def test_a_script_that_is_executed_twice_works_once(
    lanes: RedisLanes, runner: Runner, settings: Settings
) -> None:
    keys = Keys(prefix=settings.prefix, shards=settings.shards).session(KEY)
    accept = calls.append(keys, request(KEY, group("x", "y", "z")), settings)
    assert runner.run(accept)[3] == 0
    assert runner.run(accept)[3] == 1
    claimed = claim(lanes)
    assert intend(lanes, claimed)
    settle = calls.settle(keys, claimed.lease, settlement(claimed, more=10), settings)
    assert runner.run(settle) is not None
    assert runner.run(settle) is None
    assert lanes.release(claimed.lease)
    assert payloads(claim(lanes)) == ["y", "z"]
