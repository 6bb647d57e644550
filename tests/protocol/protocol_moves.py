"""A session between two real servers, and movers that can die or freeze at every step."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

import redis
from protocol_site import DevServer, Site, fields_of
from protocol_steps import LANES, NODES, Crash, Interrupted

from kato_tasks.chaos.checking import Incarnation, in_order
from kato_tasks.chaos.judging import Evidence, Finding, judge
from kato_tasks.chaos.reading import Found, entry_of
from kato_tasks.delivery import Deliverer
from kato_tasks.demo.audit import Audit
from kato_tasks.errors import StoreUnavailable
from kato_tasks.kato import KatoClient
from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes
from kato_tasks.migration import How, Moved, Mover
from kato_tasks.models import DialectName, Turn
from kato_tasks.moves import Moves
from kato_tasks.naming import fold_node
from kato_tasks.nodes import Nodes
from kato_tasks.registry import Registry
from kato_tasks.settings import Settings
from kato_tasks.testing import RecordingWake, wait_until

BLUE: Final = "blue"
GREEN: Final = "green"
MOVES: Final = frozenset({"depart", "on_the_way", "arrive", "relocate"})
CALLS: Final = frozenset(
    {"create_session", "replay", "look", "percept_data", "get_config", "update_config"}
    | {"discard_session", "exists", "observe", "observe_sequence"}
)
_LONGEST: Final = 20.0

Happening = Callable[[], object]


class Steps:
    """The steps that one process takes at the store and at the servers.

    Attributes:
        happens: What happens at which step, the first time: by number from 0, or by name.
        trace: The names of the steps that were taken.
    """

    def __init__(self, happens: Mapping[int | str, Happening] | None = None) -> None:
        self.happens = dict(happens or {})
        self.trace: list[str] = []
        self._dead = False

    def __call__(self, name: str) -> None:
        """Take a step. A process that was killed takes no other."""
        if self._dead:
            raise Crash
        number = len(self.trace)
        self.trace.append(name)
        for step in (number, name):
            happens = self.happens.pop(step, None)
            if happens is not None:
                happens()

    def die(self) -> None:
        """Kill the process here."""
        self._dead = True
        raise Crash


class Standing:
    """A mover or a deliverer that stands still at a step, until it is told to go on.

    Args:
        run: What it does, given its steps.
        at: Where it stands still: a step's number or name.
    """

    def __init__(self, run: Callable[[Steps], object], at: int | str) -> None:
        self.steps = Steps({at: self._stand})
        self.answer: object = None
        self._run = run
        self._stands, self._goes = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> bool:
        """Run to the step; False if it has ended before."""
        self._thread.start()
        wait_until(lambda: self._stands.is_set() or not self._thread.is_alive(), timeout=_LONGEST)
        return self._stands.is_set()

    def thaw(self) -> object:
        """Let it go on to its end; its answer."""
        self._goes.set()
        self._thread.join(_LONGEST)
        assert not self._thread.is_alive()
        return self.answer

    def _work(self) -> None:
        self.answer = self._run(self.steps)

    def _stand(self) -> None:
        self._stands.set()
        assert self._goes.wait(_LONGEST)


class MovingSite(Site):
    """A session that is placed on blue.

    Args:
        store: The store.
        settings: What differs from the defaults; it names both servers.
        blue: Where the session begins.
        green: The other server.
        options: Those of the session's first use.

    Attributes:
        servers: Both, by name.
        left: The copy that was noted last, and not forgotten.
    """

    def __init__(
        self,
        store: redis.Redis,
        settings: Settings,
        blue: DevServer,
        green: DevServer,
        **options: Any,  # noqa: ANN401 - of a session
    ) -> None:
        key = f"case-{secrets.token_hex(4)}"
        super().__init__(store, settings, blue, key, instance=BLUE, **options)
        self.servers = {BLUE: blue, GREEN: green}
        self.left: str | None = None
        self._emotional = settings.dialects.get(GREEN) is not DialectName.GUIDE

    def observation(self, number: int) -> dict[str, Any]:
        # The guide's dialect shows no emotives.
        felt = {"emotives": {"joy": float(number)}} if self._emotional else {}
        return {**fields_of(number), **felt}

    def move(self, to: str = GREEN, steps: Steps | None = None, *, keep: bool = False) -> Moved:
        """Move the session as another process does, which knows what was noted of copies.

        Raises:
            Crash: The process was killed at a step.
            StoreUnavailable: The store was away at one.
        """
        mover = self._mover(steps or Steps())
        return mover.move(self.key, to, keep=keep, made=self.left, note=self._remember)

    def crashes(self, steps: Steps, to: str = GREEN) -> Moved | None:
        """Move it in a process that may be killed on the way; its leases run out then."""
        try:
            return self.move(to, steps)
        except (Crash, StoreUnavailable):
            self.kill()
            return None

    def moves_to(self, to: str) -> Moved:
        """Move it until that is done, with deliveries in between, as the hands of a move do."""
        ends: list[Moved] = []

        def ended() -> bool:
            ends.append(self.move(to))
            self.deliver()
            return ends[-1].how in (How.MOVED, How.ALREADY)

        wait_until(ended, timeout=_LONGEST)
        return ends[-1]

    def turn(self, steps: Steps) -> Turn | None:
        """Deliver one turn in a process that may be stopped on the way."""
        try:
            return self._deliverer(steps).deliver(self.key)
        except Crash:
            return None

    def stands(self, at: int | str, to: str = GREEN, *, keep: bool = False) -> Standing:
        """Have a mover stand still at a step."""

        def run(steps: Steps) -> Moved:
            return self._mover(steps).move(self.key, to, keep=keep)

        return Standing(run, at)

    def kill(self) -> None:
        """Let all leases of a dead or frozen process run out."""
        keys = Keys(prefix=self.settings.prefix, shards=self.settings.shards)
        session, node = keys.session(self.key), fold_node(self.key)
        self._store.delete(session.lease, *(keys.holders(one, node) for one in self.servers))
        if self._store.hexists(session.session, "moving"):
            self._store.hset(session.session, "moving_ms", 0)

    @property
    def instance(self) -> str:
        return self.record.spec.instance

    def living(self, name: str) -> list[str]:
        """The ids of this key's sessions that a server has now."""
        client = self.services.clients(name)
        return [one for one in self.made_at(name) if client.exists(one)]

    def made_at(self, name: str) -> list[str]:
        """The ids of all sessions that a server ever had for this key."""
        return [str(one["session_id"]) for one in self._records(name)]

    def finding(self) -> Finding:
        """Return what the checker of the chaos run says, over both servers."""
        record = self.record
        evidence = Evidence(
            lineage=in_order(self._incarnations(name) for name in self.servers),
            bound=record.session_id,
            found=Found() if record.session_id is None else self._found(record.session_id),
        )
        return judge(self._member, self._expected(), self._accepted, evidence)

    def remembers_all(self) -> bool:
        return self._found(self.session_id).stm == self._expected().stm

    def story(self) -> list[str]:
        """What was applied to each server-side session, for people."""
        told = []
        for name in self.servers:
            for one in self._incarnations(name):
                steps = [
                    f"{entry.kind}{'*' * entry.replayed} {entry.number or ''}"
                    for entry in one.entries
                ]
                told.append(f"{one.created_at:.3f} {name} {one.session_id}: {', '.join(steps)}")
        return sorted(told)

    def shown(self) -> tuple[object, ...]:
        """What its server shows of the bound session, but for ids."""
        client = self.services.clients(self.instance)
        seen = client.look(self.session_id)
        percept = client.percept_data(self.session_id)
        felt = (percept.get("emotives"), percept.get("metadata"))
        return (seen.stm, seen.time, seen.emotives, *felt)

    def stm(self) -> list[list[str]]:
        """The short-term memory of the bound session."""
        return self.services.clients(self.instance).look(self.session_id).stm

    def learned_at(self, name: str) -> list[int]:
        """How often each pattern was learned there that must have been learned once."""
        client = self.services.clients(name)
        found = (client.pattern(one, node_id=self.key) for one in self._expected().patterns)
        return [0 if one is None else one.frequency for one in found]

    def _found(self, session_id: str) -> Found:
        seen = self.services.clients(self.instance).look(session_id)
        return Found(stm=tuple(tuple(event) for event in seen.stm), emotives=seen.emotives)

    def _incarnations(self, name: str) -> list[Incarnation]:
        with Audit(self.servers[name].url) as audit:
            return [
                Incarnation(
                    session_id=str(one["session_id"]),
                    created_at=datetime.fromisoformat(one["created_at"]).timestamp(),
                    entries=tuple(map(entry_of, audit.entries(str(one["session_id"])))),
                )
                for one in self._records(name)
            ]

    def _records(self, name: str) -> list[Mapping[str, Any]]:
        # By its node, which is the key: sessions of the guide's dialect have no lineage.
        found = self.servers[name].ask("/_dev/sessions?limit=1000000")["sessions"]
        return [one for one in found if one["node_id"] == self.key]

    def _mover(self, steps: Steps) -> Mover:
        return Mover(
            self._deliverer(steps),
            moves=cast("Moves", Interrupted(self.services.moves, MOVES, steps)),
            registry=cast(
                "Registry", Interrupted(self.services.registry, frozenset({"get"}), steps)
            ),
            keeper=self._keeper,
            wake=RecordingWake(),
        )

    def _deliverer(self, steps: Steps) -> Deliverer:
        services = self.services
        rights = NODES | {"release", "renew"}

        def client(name: str) -> KatoClient:
            def step(verb: str) -> None:
                steps(f"{verb} at {name}")

            return cast("KatoClient", Interrupted(services.clients(name), CALLS, step))

        return Deliverer(
            lanes=cast("Lanes", Interrupted(services.lanes, LANES, steps)),
            lives=services.lives,
            nodes=cast("Nodes", Interrupted(services.nodes, rights, steps)),
            breakers=services.breakers,
            client=client,
            keeper=self._keeper,
            settings=self.settings,
        )

    def _remember(self, copy: str | None) -> None:
        self.left = copy
