"""What is left in the store when all work is done."""

from __future__ import annotations

import pytest
import redis
from integration_site import Site

from kato_tasks import CommandRefused
from kato_tasks.keys import PERMANENT
from kato_tasks.testing import wait_until


def test_every_key_has_a_lifetime(site: Site, store: redis.Redis, key: str) -> None:
    """After sessions of every kind, and after all other tests of this folder."""
    session = site.kato.session(key, predictions="always")
    session.observe(["a"])
    session.learn()
    refused = session.learn()
    site.kato.session(f"{key}-deleted").observe(["a"])
    site.kato.session(f"{key}-deleted").delete().wait()
    site.kato.session(f"{key}-made").create()
    with pytest.raises(CommandRefused):
        refused.wait()
    wait_until(lambda: site.kato.services.registry.stats().ready == 0)

    names = [name.decode() for name in store.scan_iter(f"{site.settings.prefix}:*", count=1000)]
    assert any(f":{kind}:{key}" in name for kind in ("s", "ids", "out") for name in names)
    forever = {name for name in names if store.ttl(name) == -1}
    assert {name.rpartition(":")[2] for name in forever} <= set(PERMANENT)


def test_no_message_is_left_at_the_broker(site: Site, store: redis.Redis) -> None:
    queues = [f"{site.settings.queue_prefix}{name}" for name in ("deliver", "bulk", "maintenance")]
    wait_until(lambda: not any(store.llen(queue) for queue in queues))
