"""Runs a whole stack under faults, waits until it has recovered, and has the proof made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from kato_tasks.chaos.arming import Arming
from kato_tasks.chaos.backlog import Backlog
from kato_tasks.chaos.crowd import Member, make_crowd
from kato_tasks.chaos.migrating import Itinerary, Migrator
from kato_tasks.chaos.nemesis import Nemesis
from kato_tasks.chaos.plan import DEVSERVER
from kato_tasks.chaos.plan import make_plan as make_faults
from kato_tasks.chaos.producing import Producers, Script
from kato_tasks.chaos.proving import Run, Witnesses, prove
from kato_tasks.chaos.proxy import LossyProxy
from kato_tasks.chaos.report import Report
from kato_tasks.chaos.times import VARIABLES
from kato_tasks.errors import SessionParked, StoreUnavailable, WaitTimeout
from kato_tasks.instrumentation import Told
from kato_tasks.local import LocalStack, Ports, devserver_process, make_plan
from kato_tasks.producer import KatoTasks
from kato_tasks.registry import Registry
from kato_tasks.services import Services
from kato_tasks.settings import Settings
from kato_tasks.stack import Backoff, Event

BLUE: Final = "blue"
GREEN: Final = "green"
LOST_ANSWER: Final = "lost_store_answer"
"""The kind of the proxy's faults in the report."""
_FREE: Final = Ports(store=None, devserver=None, flower=None)
_RESTARTS: Final = Backoff(first=0.2, longest=1.0, reset_after=5.0)
_LOOK: Final = 0.05
_LOOK_AFTERWARDS: Final = 0.2
_LOSES: Final = 0.01
_BAR: Final = 2.0
_BRIEFLY: Final = 0.3
"""Seconds that the progress may take to be asked for: what dies is restarted in between."""
_USE: Final = 30.0
_RECOVERY: Final = 120.0
"""Seconds after the last fault in which every lane must be empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a person may choose.

    Attributes:
        seconds: How long faults strike and producers send.
        seed: Decides about both.
        sessions: How many sessions there are.
        workers: How many worker processes.
        migrate: Sessions move from one of two instances to the other and back meanwhile.
    """

    seconds: float
    seed: int
    sessions: int = 100
    workers: int = 2
    migrate: bool = False

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances with a development server of their own; none for a single, nameless one."""
        return (BLUE, GREEN) if self.migrate else ()

    @property
    def servers(self) -> tuple[str, ...]:
        """The development servers by their names in the stack."""
        names = self.instances
        return tuple(devserver_process(name, names) for name in names) or (DEVSERVER,)


@dataclass(slots=True)
class _Watched:
    """Tells whoever is there of what happens in the stack."""

    nemesis: Nemesis | None = None

    def __call__(self, event: Event) -> None:
        if self.nemesis is not None:
            self.nemesis.note(event)


def run_chaos(options: Options, folder: Path, told: Told) -> Report:
    """Run a stack of its own under faults, and compare what it has with what was accepted.

    Call it from the main thread. Only processes that it has started are sent signals.

    Args:
        options: What to run.
        folder: An existing folder for the data of all processes.
        told: Told of progress.

    Raises:
        StackError: A process did not start.
        KatoTasksError: The store or the server did not answer, long after the last fault.
    """
    plan = make_plan(
        folder,
        devservers=options.instances,
        workers=options.workers,
        flower=False,
        ports=_FREE,
        variables=VARIABLES,
        appendfsync="always",
    )
    faults = make_faults(
        options.seed,
        seconds=options.seconds,
        workers=options.workers,
        servers=options.servers,
    )
    watched = _Watched()
    stack = LocalStack(plan, backoff=_RESTARTS, on_event=watched)
    told("starting the stack", 0, 0)
    with stack.running(), ExitStack() as opened:
        servers = {
            name: opened.enter_context(Arming(url))
            for name, url in zip(options.servers, plan.settings.instances.values(), strict=True)
        }
        nemesis = watched.nemesis = Nemesis(faults, processes=stack, servers=servers)
        site = _Site(options=options, stack=stack, nemesis=nemesis, told=told)
        try:
            return site.run()
        finally:
            # However it ends: nothing is left stopped, because no stop would reach it.
            nemesis.end()


@dataclass(kw_only=True, slots=True)
class _Site:
    """A stack that is up, and all that works on it."""

    options: Options
    stack: LocalStack
    nemesis: Nemesis
    told: Told

    def run(self) -> Report:
        """Have faults strike while producers send; then wait, and prove."""
        crowd = make_crowd(self.options.sessions)
        with ExitStack() as opened:
            proxy = opened.enter_context(self._proxy())
            direct, lossy, quick = (
                opened.enter_context(KatoTasks(settings)) for settings in self._settings(proxy)
            )
            script = Script(seed=self.options.seed, crowd=crowd)
            with (
                Producers(script, direct=direct, lossy=lossy) as producers,
                self._migrator(direct.services, crowd) as migrator,
            ):
                self._strike(producers, quick.services.registry)
                ended = time.monotonic()
                self._let_finish(producers, migrator)
            run = Run(
                seconds=self.options.seconds,
                seed=self.options.seed,
                crowd=crowd,
                accepted=producers.accepted,
                recovery=self._recover(direct.services.registry, ended),
                struck={**self.nemesis.struck, LOST_ANSWER: proxy.lost},
                problems=self._problems(),
            )
            witnesses = Witnesses(
                registry=direct.services.registry,
                instances=self.stack.plan.settings.instances,
                revive=partial(_revive, direct),
                ledger=direct.services.ledger if self.options.migrate else None,
            )
            return prove(run, witnesses, self.told)

    def _proxy(self) -> LossyProxy:
        port = urlsplit(self.stack.plan.settings.redis_url).port
        return LossyProxy(port or 0, loses=_LOSES, seed=self.options.seed)

    def _settings(self, proxy: LossyProxy) -> tuple[Settings, Settings, Settings]:
        """Return the settings of those who send, of those whose answers get lost, of the bar."""
        settings = self.stack.plan.settings
        url = f"redis://127.0.0.1:{proxy.port}/0"
        return (
            settings,
            settings.model_copy(update={"redis_url": url, "broker_url": settings.broker}),
            settings.model_copy(update={"store_timeout": _BRIEFLY}),
        )

    def _strike(self, producers: Producers, registry: Registry) -> None:
        began, next_look, waiting = time.monotonic(), 0.0, 0
        while (now := time.monotonic() - began) < self.options.seconds:
            self.stack.look_after()
            self.nemesis.step(now)
            producers.check()
            if now >= next_look:
                next_look, waiting = now + _BAR, _waiting(registry, waiting)
            faults, accepted = self.nemesis.struck.total(), producers.accepted.commands()
            step = f"{faults} faults, {accepted:,} accepted, {waiting:,} waiting"
            self.told(step, int(now), int(self.options.seconds))
            time.sleep(_LOOK)
        self.nemesis.end()

    def _migrator(
        self, services: Services, crowd: Sequence[Member]
    ) -> AbstractContextManager[Migrator | None]:
        if not self.options.migrate:
            return nullcontext()
        keys = tuple(member.key for member in crowd)
        itinerary = Itinerary(seed=self.options.seed, there=BLUE, back=GREEN, keys=keys)
        return Migrator(itinerary, services.migrations, services.registry)

    def _let_finish(self, producers: Producers, migrator: Migrator | None) -> None:
        # Their last calls are to find what was lost, so nothing may be lost after them.
        while not self.nemesis.calm:
            self._look_after()
        if migrator is not None:
            self._let_arrive(migrator)
        producers.stop()
        while producers.running:
            self._look_after()
        producers.check()

    def _let_arrive(self, migrator: Migrator) -> None:
        """Wait until the last migration is over, which may need hands that are missed only now."""
        migrator.stop()
        while migrator.running:
            self.told("the last migration", 0, 0)
            self._look_after()
        migrator.check()

    def _recover(self, registry: Registry, ended: float) -> float | None:
        """Wait until every lane is empty; how long after ``ended``, None if that was given up."""
        backlog = Backlog(registry)
        while (passed := time.monotonic() - ended) < _RECOVERY:
            self._look_after()
            if backlog.look():
                return time.monotonic() - ended
            if backlog.hopeless:
                return None
            self.told(f"{backlog.waiting:,} commands wait", int(passed), int(_RECOVERY))
        return None

    def _look_after(self) -> None:
        self.stack.look_after()
        self.nemesis.heal(time.monotonic())
        time.sleep(_LOOK_AFTERWARDS)

    def _problems(self) -> tuple[str, ...]:
        if not self.nemesis.healed:
            return ()
        words = (
            f"After the faults the server stood still and was killed {self.nemesis.healed} times."
        )
        return (words,)


def _revive(kato: KatoTasks, key: str) -> None:
    """Use a session: what sleeps is woken by it, and what its server has lost is made anew."""
    # What cannot be used is judged as it is.
    with suppress(SessionParked, WaitTimeout):
        kato.services.sessions.oracle.predictions(key, after=0, timeout=_USE)


def _waiting(registry: Registry, before: int) -> int:
    try:
        return sum(record.waiting for record in registry.walk())
    except StoreUnavailable:
        return before
