"""Circuit breakers: one per instance, over all workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any, Final

import pytest
import redis
from lane_steps import LetPass
from redis.connection import AbstractConnection

from kato_tasks.breakers import Breakers, BreakerState, Circuit, RedisBreakers
from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until

NAME: Final = "default"
NewBreakers = Callable[[], Breakers]

briefly_open = pytest.mark.with_settings(breaker_failures=2, breaker_open=0.1, breaker_most=0.3)


def fail(breakers: Breakers, times: int = 1) -> None:
    for _ in range(times):
        assert breakers.ask(NAME) == 0.0
        breakers.report(NAME, sound=False)


def state(breakers: Breakers) -> BreakerState:
    return breakers.states()[NAME]


def test_a_breaker_is_closed_until_calls_fail(new_breakers: NewBreakers) -> None:
    breakers = new_breakers()
    assert breakers.ask(NAME) == 0.0
    breakers.report(NAME, sound=True)
    assert breakers.states() == {NAME: BreakerState(circuit=Circuit.CLOSED)}


def test_failures_in_a_row_open_it_for_all_processes(new_breakers: NewBreakers) -> None:
    one, other = new_breakers(), new_breakers()
    fail(one, 3)
    fail(other, 1)
    assert state(one) == BreakerState(circuit=Circuit.CLOSED, failures=4)
    fail(one)
    assert (state(one).circuit, state(one).failures) == (Circuit.OPEN, 5)
    assert 0 < other.ask(NAME) <= 1.5
    assert other.ask("another") == 0.0


def test_a_call_that_works_ends_the_row(new_breakers: NewBreakers) -> None:
    one, other = new_breakers(), new_breakers()
    fail(one, 4)
    assert other.ask(NAME) == 0.0
    other.report(NAME, sound=True)
    fail(one, 4)
    assert one.ask(NAME) == 0.0


@briefly_open
def test_after_the_pause_one_caller_probes(new_breakers: NewBreakers, let_pass: LetPass) -> None:
    one, other = new_breakers(), new_breakers()
    fail(one, 2)
    let_pass(0.11)
    assert state(one).circuit is Circuit.HALF_OPEN
    assert other.ask(NAME) == 0.0
    assert other.ask(NAME) == 0.0  # the same caller, still the only one
    assert 0 < one.ask(NAME) <= 0.15
    other.report(NAME, sound=True)
    assert state(one) == BreakerState(circuit=Circuit.CLOSED)
    let_pass(0.15)
    assert one.ask(NAME) == 0.0


@pytest.mark.with_settings(breaker_failures=2, breaker_open=0.2, breaker_most=0.6)
def test_a_failed_probe_doubles_the_pause_up_to_a_limit(
    new_breakers: NewBreakers, let_pass: LetPass
) -> None:
    breakers = new_breakers()
    fail(breakers, 2)
    for pause in (0.2, 0.4, 0.6, 0.6):
        assert pause * 0.5 < breakers.ask(NAME) <= pause * 1.5
        let_pass(pause + 0.01)
        fail(breakers)
    assert state(breakers).failures == 6


@briefly_open
def test_calls_that_began_before_it_opened_prolong_nothing(
    new_breakers: NewBreakers, let_pass: LetPass
) -> None:
    one, late = new_breakers(), new_breakers()
    fail(one, 2)
    late.report(NAME, sound=False)
    assert state(one).failures == 2
    let_pass(0.11)
    assert one.ask(NAME) == 0.0
    late.report(NAME, sound=False)
    assert state(one).circuit is Circuit.HALF_OPEN
    assert late.ask(NAME) > 0


@pytest.mark.with_settings(
    breaker_failures=1, breaker_open=0.1, kato_timeout=0.05, kato_connect_timeout=0.05
)
def test_a_prober_that_was_killed_is_not_waited_for_longer_than_a_call_takes(
    new_breakers: NewBreakers, let_pass: LetPass, settings: Settings
) -> None:
    killed, other = new_breakers(), new_breakers()
    fail(killed)
    let_pass(0.11)
    assert killed.ask(NAME) == 0.0
    assert other.ask(NAME) > 0
    let_pass(settings.longest_call + 0.01)
    assert other.ask(NAME) == 0.0
    assert killed.ask(NAME) > 0


@briefly_open
def test_a_probe_that_is_not_made_is_given_to_the_next(
    new_breakers: NewBreakers, let_pass: LetPass
) -> None:
    one, other = new_breakers(), new_breakers()
    fail(one, 2)
    let_pass(0.11)
    assert one.ask(NAME) == 0.0
    other.withdraw(NAME)
    one.withdraw(NAME)
    let_pass(0.16)
    assert other.ask(NAME) == 0.0
    one.withdraw(NAME)
    assert one.ask(NAME) > 0


@briefly_open
def test_of_many_threads_one_probes(new_breakers: NewBreakers, let_pass: LetPass) -> None:
    processes = [new_breakers() for _ in range(4)]
    fail(processes[0], 2)
    let_pass(0.11)
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda one: (one.ask(NAME), (id(one), get_ident())), processes * 4))
    probers = {caller for pause, caller in told if pause == 0.0}
    assert len(probers) == 1


def test_the_pauses_are_spread(new_breakers: NewBreakers) -> None:
    breakers = new_breakers()
    fail(breakers, 5)
    pauses = {round(breakers.ask(NAME), 2) for _ in range(50)}
    assert len(pauses) > 5
    assert min(pauses) > 0.5


CALLS_PER_SECOND: Final = 1 / 0.2


@pytest.mark.with_settings(breaker_failures=5, breaker_open=0.1, breaker_most=0.2)
def test_a_dead_server_gets_a_few_calls_from_all_processes_together(
    runner: Runner, settings: Settings
) -> None:
    """Six processes with four threads each, that try all the time, for two seconds."""
    processes = [RedisBreakers(runner, settings) for _ in range(6)]
    ends = time.monotonic() + 2

    def deliver(breakers: Breakers) -> int:
        calls = 0
        while time.monotonic() < ends:
            pause = breakers.ask(NAME)
            if pause:
                time.sleep(min(pause, 0.05))
                continue
            calls += 1
            breakers.report(NAME, sound=False)
        return calls

    with ThreadPoolExecutor(24) as pool:
        calls = sum(pool.map(deliver, processes * 4))
    # Each thread may be on its way when it opens; from then on only the probes go out.
    assert 5 + 1 / 0.2 <= calls <= 5 + 24 + 2 * (CALLS_PER_SECOND + 1)


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


def test_while_all_is_well_it_costs_next_to_nothing(
    runner: Runner, settings: Settings, sent: list[Any]
) -> None:
    breakers = RedisBreakers(runner, settings, look=60)
    breakers.ask(NAME)
    sent.clear()
    for _ in range(1000):
        assert breakers.ask(NAME) == 0.0
        breakers.report(NAME, sound=True)
        breakers.withdraw(NAME)
    assert sent == []


def test_an_open_breaker_is_not_asked_again_before_its_time(
    runner: Runner, settings: Settings, sent: list[Any]
) -> None:
    breakers = RedisBreakers(runner, settings)
    fail(breakers, 5)
    sent.clear()
    assert all(breakers.ask(NAME) > 0 for _ in range(100))
    assert sent == []


def test_a_process_notices_within_a_moment_what_others_saw(
    runner: Runner, settings: Settings
) -> None:
    one, other = RedisBreakers(runner, settings, look=0.0), RedisBreakers(runner, settings)
    assert other.ask(NAME) == 0.0
    fail(one, 4)

    def row_is_ended() -> bool:
        assert other.ask(NAME) == 0.0
        other.report(NAME, sound=True)
        return state(one).failures == 0

    assert not row_is_ended()
    wait_until(row_is_ended)


def test_a_breaker_is_forgotten_after_a_while(
    runner: Runner, settings: Settings, store: redis.Redis
) -> None:
    fail(RedisBreakers(runner, settings), 1)
    breaker = Keys(prefix=settings.prefix, shards=settings.shards).breaker(NAME)
    assert settings.longest_call + 60 < float(store.pttl(breaker)) / 1000 <= 200
