"""Migrations without a worker: what they say in the end, and what they leave as it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from integration_site import DevServer, Processes

from kato_tasks import InvalidInput, Settings
from kato_tasks.errors import SessionsMigrating
from kato_tasks.ledger import MigrationState
from kato_tasks.migration import Request, Standing, drain
from kato_tasks.services import Services
from kato_tasks.testing import wait_until
from kato_tasks.worker.migration_tasks import migrate_session


@pytest.fixture
def services(
    settings: Settings, server: DevServer, another_server: DevServer
) -> Iterator[Services]:
    instances = {"blue": server.url, "green": another_server.url}
    own = settings.model_copy(update={"instances": instances, "retry_first": 0.05})
    with Services(own, wake=lambda _: None) as opened:
        yield opened


@pytest.fixture(scope="module")
def another_server(shared_processes: Processes) -> Iterator[DevServer]:
    started = shared_processes.devserver()
    yield started
    started.close()


def fill(services: Services, name: str, sessions: int, *, node: str | None = None) -> list[str]:
    keys = [f"{name}-{number}" for number in range(sessions)]
    for key in keys:
        made = services.sessions.session(key, node=node or f"{name}-n", instance="blue")
        made.observe_many([{"strings": ["x"]}])
        services.deliverer.deliver(key)
    return keys


def run(services: Services, **options: object) -> Standing:
    request = Request(**{"source": "blue", "target": "green", **options})  # type: ignore[arg-type]
    return services.migrations.run(services.migrations.plan(request))


def test_one_that_has_stopped_with_nothing_left_is_rolled_back(
    services: Services, key: str
) -> None:
    """Resumed, it would fail again, and stop."""
    first, *_ = fill(services, key, 5)
    claim = services.lanes.claim(first, most=1, idle=True)
    services.lanes.park(claim.lease, "for this test")  # type: ignore[union-attr]
    standing = run(services)
    assert (standing.tally.moved, standing.tally.failed) == (4, 1)
    assert standing.migration.state is MigrationState.STOPPED
    assert services.migrations.rollback(standing.migration.id).total == 4


def test_who_moves_sessions_alone_stops_when_the_process_does(services: Services, key: str) -> None:
    fill(services, key, 2)
    services.deliverer.stop()
    found: list[Standing] = []
    thread = threading.Thread(target=lambda: found.append(run(services)), daemon=True)
    thread.start()
    wait_until(lambda: bool(found), timeout=10)
    assert found[0].tally.pending == 2
    assert found[0].migration.state is MigrationState.RUNNING


def test_sessions_that_leave_others_behind_leave_the_home_too(services: Services, key: str) -> None:
    first, *_ = fill(services, key, 3)
    services.placement.settle(f"{key}-n", "blue")
    run(services, keys=(first,), accept_empty_node=True)
    assert services.registry.get(first).spec.instance == "green"  # type: ignore[union-attr]
    assert set(services.placement.homes([f"{key}-n"]).values()) == {"blue"}
    run(services, accept_empty_node=True)
    assert set(services.placement.homes([f"{key}-n"]).values()) == {"green"}


@pytest.mark.parametrize("what", ["cordoned", "out of range"])
def test_a_drain_that_is_refused_closes_nothing(services: Services, key: str, what: str) -> None:
    fill(services, key, 1)
    request = Request(source="blue")
    if what == "cordoned":
        services.placement.cordon("green")
    else:
        request = Request(source="blue", rate=-1.0)
    before = set(services.placement.cordoned())
    with pytest.raises(InvalidInput):
        drain(
            services.migrations,
            services.placement,
            services.settings,
            request,
            lambda _step, _done, _total: None,
        )
    assert set(services.placement.cordoned()) == before


def test_a_task_that_comes_again_goes_on_with_what_it_has_begun(
    services: Services, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its store was away in the middle, or its worker died."""
    first, _ = fill(services, key, 2)
    monkeypatch.setattr("kato_tasks.worker.process.services", lambda _: services)
    arguments = {"args": (first, "green"), "kwargs": {"accept_empty_node": True}}
    request = Request(source="blue", target="green", keys=(first,), accept_empty_node=True)
    begun = services.migrations.start(services.migrations.plan(request))
    refused = migrate_session.apply(**arguments)
    assert isinstance(refused.result, SessionsMigrating)
    again = migrate_session.apply(**arguments, retries=1)
    assert again.result["status"] == "success"
    assert services.ledger.get(begun.id).state is MigrationState.DONE


@pytest.fixture
def stranger(services: Services) -> Iterator[Services]:
    """A worker whose settings do not have the target yet."""
    instances = {"blue": services.settings.instances["blue"]}
    own = services.settings.model_copy(update={"instances": instances})
    with Services(own, wake=lambda _: None) as opened:
        yield opened


def test_a_worker_that_does_not_know_the_target_leaves_it_to_others(
    services: Services, stranger: Services, key: str
) -> None:
    fill(services, key, 3)
    request = Request(source="blue", target="green")
    begun = services.migrations.start(services.migrations.plan(request))
    stranger.migrations.hand(begun.id)
    assert services.ledger.tally(begun.id).pending == 3
    assert services.migrations.go_on(begun.id).tally.moved == 3


def test_nor_does_it_say_that_nothing_has_moved(
    services: Services, stranger: Services, key: str
) -> None:
    first, _ = fill(services, key, 2)
    request = Request(source="blue", target="green")
    begun = services.migrations.start(services.migrations.plan(request))
    services.ledger.claim(begun.id, "dead", most=2, seconds=0.0)
    services.mover.move(first, "green")
    services.ledger.cancel(begun.id)
    stranger.migrations.tend()
    states = {item.key: item.state.value for item in services.ledger.items(begun.id)}
    assert sorted(states.values()) == ["cancelled", "moved"]
    assert states[first] == "moved"
