"""Connections to an instance, shared by all processes that call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from lane_steps import LetPass

from kato_tasks.connections import Connections, Crowd, RedisConnections
from kato_tasks.keys import Keys
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryConnections, MemoryStore

NAME: Final = "default"
NewConnections = Callable[[], Connections]


def crowd(connections: Connections) -> Crowd:
    return connections.crowds()[NAME]


def join_all(processes: Sequence[Connections]) -> list[int]:
    return [process.join(NAME) for process in processes]


def test_a_process_alone_has_all_that_it_can_use(new_connections: NewConnections) -> None:
    process = new_connections()
    assert process.join(NAME, under_way=3) == 32
    assert crowd(process) == Crowd(processes=1, connections=32, under_way=3)


@pytest.mark.with_settings(instance_connections=10)
def test_processes_share_equally_once_all_have_come_by(new_connections: NewConnections) -> None:
    processes = [new_connections() for _ in range(3)]
    assert join_all(processes) == [10, 0, 0]
    assert join_all(processes) == [3, 3, 3]
    assert crowd(processes[0]) == Crowd(processes=3, connections=9)


@pytest.mark.with_settings(instance_connections=10)
def test_what_a_process_may_still_have_open_is_nobody_elses(
    new_connections: NewConnections,
) -> None:
    first, second = new_connections(), new_connections()
    join_all([first, second])
    assert first.join(NAME, held=8) == 5
    assert second.join(NAME) == 2
    assert first.join(NAME, held=5) == 5
    assert second.join(NAME) == 5


@pytest.mark.with_settings(instance_connections=2)
def test_who_comes_when_each_connection_has_its_process_gets_none(
    new_connections: NewConnections,
) -> None:
    processes = [new_connections() for _ in range(4)]
    join_all(processes)
    assert join_all(processes) == join_all(processes) == [1, 1, 0, 0]
    processes[0].leave(NAME)
    assert join_all(processes[1:]) == [1, 1, 0]


@pytest.mark.with_settings(instance_connections=10)
def test_who_leaves_makes_room(new_connections: NewConnections) -> None:
    first, second = new_connections(), new_connections()
    join_all([first, second])
    first.leave(NAME)
    first.leave(NAME)
    assert second.join(NAME) == 10


@pytest.mark.with_settings(instance_connections=10, lease=0.2)
def test_a_killed_process_is_forgotten_after_the_lease_time(
    new_connections: NewConnections, let_pass: LetPass
) -> None:
    killed, other = new_connections(), new_connections()
    killed.join(NAME)
    let_pass(0.15)
    assert other.join(NAME) == 0
    let_pass(0.1)
    assert crowd(other) == Crowd(processes=1)
    assert other.join(NAME) == 10
    assert crowd(other) == Crowd(processes=1, connections=10)


@pytest.mark.with_settings(instances="a=http://a,b=http://b", instance_connections=10)
def test_each_instance_has_connections_of_its_own(new_connections: NewConnections) -> None:
    first, second = new_connections(), new_connections()
    assert (first.join("a"), second.join("b")) == (10, 10)
    assert {name: crowd.processes for name, crowd in first.crowds().items()} == {"a": 1, "b": 1}


def test_nobody_is_counted_where_nobody_has_called(new_connections: NewConnections) -> None:
    assert new_connections().crowds() == {NAME: Crowd()}


def test_the_callers_go_with_the_last_of_them(
    runner: Runner, settings: Settings, store: redis.Redis
) -> None:
    RedisConnections(runner, settings).join(NAME)
    keys = Keys(prefix=settings.prefix, shards=settings.shards)
    for name in (keys.callers(NAME), keys.shares(NAME)):
        assert 0 < float(store.pttl(name)) / 1000 <= settings.lease


verbs = st.sampled_from(("join", "join", "join", "leave"))
steps = st.lists(st.tuples(st.integers(0, 4), verbs), max_size=25)


@example_settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps, total=st.integers(1, 12))
def test_never_more_than_all_is_granted_and_the_twin_agrees(
    runner: Runner, settings: Settings, taken: list[tuple[int, str]], total: int
) -> None:
    update = {"instance_connections": total, "prefix": f"{settings.prefix}.{len(taken)}.{total}"}
    few = settings.model_copy(update=update)
    memory = MemoryStore()
    real = [RedisConnections(runner, few) for _ in range(5)]
    twins = [MemoryConnections(memory, few) for _ in range(5)]
    for index, verb in taken:
        assert getattr(real[index], verb)(NAME) == getattr(twins[index], verb)(NAME)
        assert crowd(real[0]) == crowd(twins[0])
        assert crowd(real[0]).connections <= total
    for process in real:
        process.leave(NAME)
