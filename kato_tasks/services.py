"""The one place that opens and closes connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from kato_tasks.adoption import Adopter
from kato_tasks.breakers import RedisBreakers, Watch
from kato_tasks.clients import Clients
from kato_tasks.clock import SteadyClock
from kato_tasks.connections import RedisConnections
from kato_tasks.delivery import Deliverer, LeaseKeeper, sweep
from kato_tasks.identity import StoreIdentity
from kato_tasks.kato import KatoClient
from kato_tasks.lanes import RedisLanes, Wake
from kato_tasks.ledger import Ledger
from kato_tasks.letters import RedisDeadLetters
from kato_tasks.lifecycle import Caretaker, look_after
from kato_tasks.lives import Index, RedisLives
from kato_tasks.migration import Hire, Migrations, Mover, Planner
from kato_tasks.moves import RedisMoves
from kato_tasks.nodes import RedisNodes
from kato_tasks.placement import RedisPlacement
from kato_tasks.registry import RedisRegistry
from kato_tasks.schedule import RedisSchedule
from kato_tasks.scripts import Runner, open_redis
from kato_tasks.sessions import DeadLetterOffice, Intake, Oracle, Sessions, unpark
from kato_tasks.sessions.places import Places
from kato_tasks.settings import Settings
from kato_tasks.views import RedisViews

_RENEWALS_PER_LEASE = 3


def _nobody(migration: str, hands: int) -> None:
    """Send for nobody."""


class Services:
    """Everything a process needs, wired. Opening it connects nothing yet; closing it closes all.

    Args:
        settings: What to connect to.
        wake: Calls workers to lanes with work.
        hire: Has hands work on a migration; by default nobody is sent for, and the workers' sweep
            sees to it.

    Attributes:
        settings: The settings.
        lanes: The lanes.
        lives: How long sessions live.
        moves: Which sessions are on their way to another instance.
        clock: Keeps the store's clock steady.
        letters: The dead letters.
        views: What stands in the lanes, for people to see.
        registry: What is known of the sessions.
        nodes: Who may call a node, and who may learn on it.
        placement: Where nodes are at home, and which instances take no new session.
        places: Says where a new session is made.
        breakers: Whether an instance may be called.
        schedule: What runs every so often, and which beat has it run.
        connections: How many connections each process may have open.
        clients: The KATO clients by instance name.
        sessions: Sessions by key, for producers.
        office: Replays dead letters, or discards them.
        deliverer: Delivers lanes, for workers.
        caretaker: Looks after idle sessions, for workers.
        adopter: Makes sessions ours that somebody else has made.
        ledger: The record of migrations.
        mover: Moves one session at a time.
        migrations: Moves many.
    """

    def __init__(self, settings: Settings, wake: Wake, hire: Hire = _nobody) -> None:
        self.settings = settings
        self._wake = wake
        self._redis = open_redis(
            settings.redis_url,
            timeout=settings.store_timeout,
            max_connections=settings.worker_threads * 2 + 16,
        )
        runner = Runner(self._redis, settings.redis_url)
        self.lanes = RedisLanes(runner, settings)
        self.lives = RedisLives(runner, settings)
        self.moves = RedisMoves(runner, settings)
        self.clock = SteadyClock(runner, settings)
        self.letters = RedisDeadLetters(runner, settings)
        self.views = RedisViews(runner, settings)
        self.registry = RedisRegistry(runner, settings)
        self.nodes = RedisNodes(runner, settings)
        self.placement = RedisPlacement(runner, settings)
        self.places = Places(settings, self.placement, self.registry)
        self.breakers = RedisBreakers(runner, settings)
        watch = Watch(self.breakers)
        self.schedule = RedisSchedule(runner, settings)
        self.connections = RedisConnections(runner, settings)
        self.clients = Clients(settings, self.connections, watch)
        self._keeper = LeaseKeeper(settings.lease / _RENEWALS_PER_LEASE)
        self.sessions = _sessions(self, self.clients, wake)
        self.office = DeadLetterOffice(
            letters=self.letters, lanes=self.lanes, sessions=self.sessions, wake=wake
        )
        self.deliverer = _deliverer(self, self._keeper, watch)
        self.caretaker = Caretaker(self.deliverer.tools, self._keeper)
        self.adopter = _adopter(self)
        self.ledger = Ledger(settings.database_url, store=StoreIdentity(runner, settings))
        self.mover = Mover(
            self.deliverer,
            moves=self.moves,
            registry=self.registry,
            keeper=self._keeper,
            wake=wake,
        )
        self.migrations = _migrations(self, hire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wake(self, keys: list[str]) -> None:
        """Call workers to lanes."""
        self._wake(keys)

    def sweep(self) -> int:
        """Call workers to lanes with work that nobody works on; how many there were.

        On the way the store's clock is kept steady.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        self.clock.tick()
        return sweep(self.lanes, self._wake)

    def find_due(self, index: Index) -> list[tuple[str, ...]]:
        """Return the sessions that are due for a look, those of each shard together.

        A store's clock that was set is corrected first, so that nothing ends by it.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        self.clock.tick()
        return self.lives.due(index, most=self.settings.due_sessions)

    def tend(self) -> int:
        """Send hands to migrations that lost theirs, and see to what others have left.

        See :meth:`Migrations.tend`. Nothing is opened where no migration ever was.

        Returns:
            How many migrations got new hands.

        Raises:
            LedgerUnavailable: The ledger did not answer.
            LedgerOutdated: Its tables are not those of this release.
            StoreUnavailable: The store did not answer.
        """
        return self.migrations.tend() if self.ledger.exists else 0

    def look_after(self, index: Index, keys: Sequence[str]) -> Mapping[str, int]:
        """Look at sessions that are due; how many there were of each outcome.

        A store's clock that was set is corrected first, so that nothing ends by it.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        self.clock.tick()
        return look_after(self.caretaker, index, keys, stopped=lambda: self.deliverer.stopping)

    def unpark(self, key: str, *, drop: bool = False) -> bool:
        """Let a parked lane go on, and call a worker to it; False if it is not parked.

        Args:
            key: The session key.
            drop: Drop the command that the server did not take, if it was parked for one.

        Raises:
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        return unpark(self.lanes, self._wake, key, drop=drop)

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._keeper.close()
        self.migrations.close()
        self.ledger.close()
        self.clients.close()
        self._redis.close()


def _sessions(services: Services, client: Callable[[str], KatoClient], wake: Wake) -> Sessions:
    settings, registry = services.settings, services.registry
    intake = Intake(
        lanes=services.lanes,
        registry=registry,
        wake=wake,
        max_observation_bytes=settings.max_observation_bytes,
        places=services.places,
    )
    oracle = Oracle(
        registry=registry,
        lives=services.lives,
        wake=wake,
        nodes=services.nodes,
        client=client,
        longest_call=settings.longest_call,
    )
    return Sessions(intake=intake, oracle=oracle, registry=registry, settings=settings)


def _migrations(services: Services, hire: Hire) -> Migrations:
    planner = Planner(
        services.settings,
        registry=services.registry,
        kinship=services.mover.kinship,
        client=services.clients,
        place=services.places.place_away,
        cordoned=services.placement.cordoned,
    )
    return Migrations(
        planner,
        ledger=services.ledger,
        mover=services.mover,
        registry=services.registry,
        hire=hire,
        move_home=services.placement.move_home,
    )


def _deliverer(services: Services, keeper: LeaseKeeper, watch: Watch) -> Deliverer:
    return Deliverer(
        lanes=services.lanes,
        lives=services.lives,
        nodes=services.nodes,
        breakers=watch,
        client=services.clients,
        keeper=keeper,
        settings=services.settings,
    )


def _adopter(services: Services) -> Adopter:
    return Adopter(
        client=services.clients,
        lives=services.lives,
        registry=services.registry,
        nodes=services.nodes,
        settings=services.settings,
    )
