"""A store with many sessions that have a server-side one, and a KATO in this process.

They are filled by the scripts that producers and workers run, but many in one round trip.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from typing import Any, Final

import redis
from common import running_store

from kato_tasks.breakers import RedisBreakers
from kato_tasks.clock import SteadyClock
from kato_tasks.deadlines import first_looks
from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.lanes import RedisLanes
from kato_tasks.lifecycle import Caretaker
from kato_tasks.lives import RedisLives
from kato_tasks.models import (
    Append,
    Bound,
    Group,
    Intent,
    Keep,
    Kind,
    Learning,
    Lease,
    Looks,
    Rest,
    SessionSpec,
    Settlement,
)
from kato_tasks.nodes import RedisNodes
from kato_tasks.scripts import Runner, calls, life_calls, open_redis
from kato_tasks.sessions.session import mint_command_id
from kato_tasks.settings import Settings
from kato_tasks.testing import FakeKato
from kato_tasks.testing.fakes import FakeSession

_STEP: Final = 1_000
_LIFETIME: Final = 3_600
_PAYLOAD: Final = b'{"strings":["page-view"]}'
_SETTLED: Final = Settlement(first=1, count=1, time=1, events=1, keep=Keep.COMMANDS)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A store of its own, and all that looks after its sessions.

    Attributes:
        settings: How to reach it.
        client: For questions to the store itself.
        runner: Runs scripts.
        clock: Keeps its clock steady.
        lives: How long sessions live.
        caretaker: Looks after them.
        kato: The server, in this process: it costs next to nothing.
    """

    settings: Settings
    client: redis.Redis
    runner: Runner
    clock: SteadyClock
    lives: RedisLives
    caretaker: Caretaker
    kato: FakeKato

    def fill(self, keys: Sequence[str], spec: Callable[[str], SessionSpec] | None = None) -> None:
        """Make sessions, each bound, with one observation that was applied and none that waits.

        Args:
            keys: Their keys.
            spec: Returns what a session of a key is created with; nothing but the node by default.
        """
        for part in _parts(keys):
            self.make(part, spec or _plain, lifetime=_LIFETIME)

    def look_at(self, keys: Sequence[str], how: Rest) -> None:
        """Look at sessions, as a round of care does, with the same outcome for each."""
        of, run = self._of, self.runner.run_all
        for part in _parts(keys):
            leases = {key: Lease(key=key, token=secrets.token_hex(8), epoch=1) for key in part}
            run(
                [
                    calls.claim(of(key), key, lease.token, 1, self.settings, idle=True)
                    for key, lease in leases.items()
                ]
            )
            run(
                [
                    life_calls.rest(of(key), lease, how, self.settings)
                    for key, lease in leases.items()
                ]
            )

    def make(
        self,
        keys: Sequence[str],
        spec: Callable[[str], SessionSpec],
        *,
        lifetime: int,
        keep_alive: bool = False,
    ) -> None:
        """Make sessions by one observation each: append, claim, bind, intend and settle.

        Args:
            keys: Their keys.
            spec: Returns what a session of a key is created with.
            lifetime: Seconds without a write after which the server would forget them.
            keep_alive: They are kept alive.
        """
        settings, of, run = self.settings, self._of, self.runner.run_all
        specs = {key: spec(key) for key in keys}
        leases = {key: Lease(key=key, token=secrets.token_hex(8), epoch=0) for key in keys}
        requests = [
            Append(key=key, spec=specs[key], groups=(_observation(),), keep_alive=keep_alive)
            for key in keys
        ]
        run([calls.append(of(one.key), one, settings) for one in requests])
        run([calls.claim(of(key), key, leases[key].token, 1, settings) for key in keys])
        looks = {key: self._looks(specs[key], lifetime, keep_alive=keep_alive) for key in keys}
        run(
            [
                calls.bind(of(key), leases[key], self._bound(key, lifetime, looks[key]))
                for key in keys
            ]
        )
        bound = {key: Lease(key=key, token=leases[key].token, epoch=1) for key in keys}
        run([calls.intend(of(key), bound[key], _intent(key)) for key in keys])
        run([calls.settle(of(key), bound[key], _SETTLED, settings) for key in keys])
        for key in keys:
            self.kato.sessions[session_id_of(key)] = FakeSession(
                node_id=specs[key].node, config={}, time=1, stm=[_PAYLOAD]
            )

    def look_no_more(self, keys: Sequence[str]) -> None:
        """Have nobody look at sessions any more."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                names = self._of(key)
                pipe.zrem(names.refresh, key)
                pipe.zrem(names.idle, key)
            pipe.execute()

    def memory(self) -> int:
        """Return how much memory the store uses, in bytes."""
        found: Any = self.client.info("memory")
        return int(found["used_memory"])

    def commands(self) -> tuple[int, float]:
        """Return how many commands the store has run, those of scripts too, and its time in ms."""
        found: Any = self.client.info("commandstats")
        kept = {name: stats for name, stats in found.items() if name != "cmdstat_info"}
        # A script's own time holds that of its commands.
        scripts = ("cmdstat_eval", "cmdstat_evalsha")
        spent = sum(stats["usec"] for name, stats in kept.items() if name in scripts)
        return sum(stats["calls"] for stats in kept.values()), spent / 1000

    def _of(self, key: str) -> SessionKeys:
        return Keys(prefix=self.settings.prefix, shards=self.settings.shards).session(key)

    def _looks(self, spec: SessionSpec, lifetime: int, *, keep_alive: bool) -> Looks:
        looks = first_looks(spec, lifetime, self.settings)
        return Looks(idle=None, refresh=looks.refresh) if keep_alive else Looks(idle=looks.idle)

    def _bound(self, key: str, lifetime: int, looks: Looks) -> Bound:
        return Bound(
            session_id=session_id_of(key), learning=Learning(), lifetime=lifetime, looks=looks
        )


def key_of(number: int) -> str:
    """Return a key as services have them."""
    return f"user-{number:07d}:cart"


def session_id_of(key: str) -> str:
    """Return a server-side name as long as the real server's (kato-api 2)."""
    return f"session-{md5(key.encode(), usedforsecurity=False).hexdigest()}-1763800000000"


def _observation() -> Group:
    return Group(command_id=mint_command_id(), kind=Kind.OBSERVE, payloads=(_PAYLOAD,))


def _intent(key: str) -> Intent:
    return Intent(first=1, count=1, kind=Kind.OBSERVE, time=0, session_id=session_id_of(key))


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _STEP):
        yield keys[start : start + _STEP]


def _plain(key: str) -> SessionSpec:
    return SessionSpec(node=key, instance="default")


@contextmanager
def site(**overrides: Any) -> Iterator[Site]:  # noqa: ANN401 - settings
    """Run a store for the length of a block, with all that looks after its sessions.

    Args:
        overrides: Settings that matter.
    """
    with running_store() as found:
        settings = Settings.load(**{**_reach(found), **overrides})
        client = open_redis(settings.redis_url, timeout=60)
        keeper = LeaseKeeper(settings.lease / 3)
        try:
            yield _wired(settings, client, keeper)
        finally:
            keeper.close()
            client.close()


def _reach(settings: Settings) -> dict[str, object]:
    return {"redis_url": settings.redis_url, "prefix": settings.prefix}


def _wired(settings: Settings, client: redis.Redis, keeper: LeaseKeeper) -> Site:
    runner, kato = Runner(client, settings.redis_url), FakeKato()
    lives = RedisLives(runner, settings)
    deliverer = Deliverer(
        lanes=RedisLanes(runner, settings),
        lives=lives,
        nodes=RedisNodes(runner, settings),
        breakers=RedisBreakers(runner, settings),
        client=kato,
        keeper=keeper,
        settings=settings,
    )
    return Site(
        settings=settings,
        client=client,
        runner=runner,
        clock=SteadyClock(runner, settings),
        lives=lives,
        caretaker=Caretaker(deliverer.tools, keeper),
        kato=kato,
    )
