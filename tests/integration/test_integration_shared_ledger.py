"""Two stores with one ledger: neither touches the sessions of the other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis
from integration_site import DevServer

from kato_tasks import InvalidInput, Settings
from kato_tasks.ledger import ItemState, MigrationState
from kato_tasks.migration import Request
from kato_tasks.services import Services

OpenStore = Callable[[], Services]


@pytest.fixture
def another_store(settings: Settings, server: DevServer, store: redis.Redis) -> Iterator[OpenStore]:
    with ExitStack() as stack:

        def open_one() -> Services:
            prefix = f"{settings.prefix}-{secrets.token_hex(4)}"
            instances = {"blue": server.url, "green": server.url}
            own = settings.model_copy(update={"prefix": prefix, "instances": instances})
            return stack.enter_context(Services(own, wake=lambda _: None))

        yield open_one
    for name in store.scan_iter(f"{settings.prefix}-*"):
        store.delete(name)


def begin(services: Services, key: str) -> str:
    services.sessions.session(key, instance="blue").observe(["x"])
    services.deliverer.deliver(key)
    request = Request(source="blue", target="green", keys=(key,))
    return services.migrations.start(services.migrations.plan(request)).id


def test_a_migration_is_worked_on_by_its_own_store_only(another_store: OpenStore, key: str) -> None:
    ours, theirs = another_store(), another_store()
    migration = begin(ours, key)
    with pytest.raises(InvalidInput, match="is one of another store"):
        theirs.migrations.hand(migration)
    with pytest.raises(InvalidInput, match="is one of another store"):
        theirs.migrations.resume(migration)
    assert theirs.ledger.running() == []
    assert [one.id for one in ours.ledger.running()] == [migration]
    while ours.migrations.hand(migration):
        pass
    assert ours.ledger.tally(migration).moved == 1
    with pytest.raises(InvalidInput, match="is one of another store"):
        theirs.migrations.rollback(migration)


def test_what_a_hand_left_is_seen_to_by_its_own_store_only(
    another_store: OpenStore, key: str
) -> None:
    ours, theirs = another_store(), another_store()
    migration = begin(ours, key)
    ours.ledger.claim(migration, "dead", most=1, seconds=0.0)
    ours.ledger.cancel(migration)
    assert theirs.ledger.claim_left("hand", most=10, seconds=1.0) == []
    ours.migrations.tend()
    assert ours.ledger.tally(migration).cancelled == 1


def test_one_of_a_store_that_is_gone_is_cancelled_by_any(
    another_store: OpenStore, key: str
) -> None:
    gone, ours = another_store(), another_store()
    migration = begin(gone, key)
    gone.ledger.claim(migration, "dead", most=1, seconds=0.0)
    assert ours.migrations.cancel(migration)
    assert ours.ledger.get(migration).state is MigrationState.CANCELLED
    [item] = ours.ledger.items(migration)
    assert item.state is ItemState.CANCELLED
    assert begin(ours, key) != migration
