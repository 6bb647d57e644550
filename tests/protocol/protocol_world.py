"""A real store, a faulty server, and workers that can die or freeze between any two steps."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

import redis
from protocol_expected import REFUSED, Expected, symbols
from protocol_losing import again
from protocol_server import FaultyKato
from protocol_steps import LANES, LIVES, NODES, Crash, Frozen, Happening, Interrupted

from kato_tasks.breakers import RedisBreakers
from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.keys import Keys
from kato_tasks.lanes import RedisLanes
from kato_tasks.lifecycle import Care, Caretaker
from kato_tasks.lives import Index, RedisLives
from kato_tasks.models import (
    Append,
    Appended,
    Group,
    Kind,
    Outcome,
    SessionRecord,
    SessionSpec,
    Turn,
)
from kato_tasks.nodes import RedisNodes
from kato_tasks.registry import RedisRegistry
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings

NODE: Final = "n"
QUICK: Final[dict[str, Any]] = {
    "doubt_wait": 0.001,
    "look_wait": 0.001,
    "node_wait": 0.05,
    "retry_first": 0.001,
    "retry_most": 0.001,
    "breaker_failures": 10_000,
    "batch_commands": 3,
    "poison_attempts": 8,
    "shards": 2,
}
_ROUNDS: Final = 400
_TURNS: Final = 20

_prefixes = count()


class ProtocolWorld:
    """Sessions on one node of one server; each world has keys of its own in the store.

    Args:
        store: The store.
        base: Its URL, and what the prefix begins with.
        config: What the sessions are created with.
        ttl: Their time to live at the server, seconds.
        runner: Runs the scripts; one that fails on purpose, maybe.
        overrides: Settings that differ from :data:`QUICK`.

    Attributes:
        kato: The server.
        expected: What each session must be.
        steps: What happens at which step of a delivery: by its number, counted from 0 over store
            and server, or by its name, the first time.
        trace: The steps of the last delivery, for people.
    """

    def __init__(
        self,
        store: redis.Redis,
        base: Settings,
        *,
        config: dict[str, Any] | None = None,
        ttl: int | None = None,
        runner: Runner | None = None,
        **overrides: object,
    ) -> None:
        prefix = f"{base.prefix}.{next(_prefixes)}"
        self.settings = base.model_copy(update={"prefix": prefix, **QUICK, **overrides})
        self.store = store
        self.use(runner or Runner(store, base.redis_url))
        self.keeper = LeaseKeeper(60.0)
        self.kato = FaultyKato()
        self.kato.step = self._step
        self.spec = SessionSpec(node=NODE, instance="default", config=config or {}, ttl=ttl)
        self.expected: dict[str, Expected] = {}
        self.patterns: Counter[str] = Counter()
        self.steps: dict[int | str, Happening] = {}
        self.trace: list[str] = []
        self._receipts: list[tuple[str, str, int]] = []
        self._frozen: dict[threading.Thread, Frozen] = {}
        self._ids = count()

    def use(self, runner: Runner) -> None:
        """Reach the store through this from now on."""
        self.runner = runner
        self.lanes = RedisLanes(runner, self.settings)
        self.lives = RedisLives(runner, self.settings)
        self.registry = RedisRegistry(runner, self.settings)
        self.nodes = RedisNodes(runner, self.settings)
        self.breakers = RedisBreakers(runner, self.settings)

    def close(self) -> None:
        self.keeper.close()
        found = list(self.store.scan_iter(f"{self.settings.prefix}*", count=10_000))
        self.store.unlink("none", *found)

    def append(self, key: str, kind: Kind, *payloads: bytes) -> Appended:
        """Accept commands, and say what they must do."""
        group = Group(command_id=f"c{next(self._ids)}", kind=kind, payloads=payloads or (b"",))
        answer = again(lambda: self.accept(key, group))
        first = answer.groups[0].first
        expected = self.expected.setdefault(key, self._fresh())
        self._receipts.append((key, group.command_id, first))
        for seq, payload in enumerate(group.payloads, start=first):
            if payload in self.kato.refused | self.kato.fails_at:
                expected.refuse(seq)
            else:
                expected.apply(seq, kind, payload, self.patterns)
        return answer

    def accept(self, key: str, group: Group) -> Appended:
        """Accept a group of commands, as a producer does."""
        [answer] = self.lanes.append([Append(key=key, spec=self.spec, groups=(group,))])
        assert isinstance(answer, Appended)
        return answer

    def observe(self, key: str, *names: str) -> Appended:
        """Accept one observation for each name, of that symbol."""
        return self.append(key, Kind.OBSERVE, *(strings([name]) for name in names))

    def deliver(self, key: str) -> Turn | None:
        """Deliver one turn; None if the worker was killed, or the store was away, on the way."""
        self.trace = []
        return self._deliver(key)

    def look_after(self, index: Index, key: str) -> Care | None:
        """Look at an idle session; None if the worker was killed, or the store was away."""
        self.trace = []
        lanes, lives = self._interrupted(self.lanes, LANES), self._interrupted(self.lives, LIVES)
        tools = self.worker(lanes, self._interrupted(self.nodes, NODES), lives).tools
        try:
            return Caretaker(tools, self.keeper).look(index, key)
        except (Crash, StoreUnavailable):
            self.kill(key)
            return None

    def freeze(self, key: str, at: str, *, keeps_lease: bool = False) -> Frozen:
        """Let a worker deliver until a step, and stand still there until its lease has run out."""
        frozen = Frozen(at, lambda: self._deliver(key))
        self._frozen[frozen.thread] = frozen
        frozen.start()
        if not keeps_lease:
            self.kill(key)
        return frozen

    def worker(self, lanes: Any = None, nodes: Any = None, lives: Any = None) -> Deliverer:  # noqa: ANN401 - or what stands for them
        return Deliverer(
            lanes=lanes or self.lanes,
            lives=lives or self.lives,
            nodes=nodes or self.nodes,
            breakers=self.breakers,
            client=self.kato,
            keeper=self.keeper,
            settings=self.settings,
        )

    def kill(self, key: str) -> None:
        """Let the leases of a dead or frozen worker run out."""
        keys = Keys(prefix=self.settings.prefix, shards=self.settings.shards)
        self.store.delete(keys.session(key).lease, keys.holders(self.spec.instance, NODE))

    def take_over(self, key: str) -> Happening:
        """Return what freezes the worker, lets another one do all the work, and thaws it."""

        def happen() -> None:
            self.steps = {}
            self.kill(key)
            self.turn(key)

        return happen

    def drain(self) -> None:
        """Deliver without interruptions until nothing waits, or nothing moves any more."""
        for _ in range(_ROUNDS):
            turns = [self.turn(key) for key in self.expected]
            if all(turn is Turn.DONE for turn in turns):
                return

    def set_clock_right(self) -> None:
        """Let the store's clock be as it was, if a session was to believe that it was set."""
        keys = Keys(prefix=self.settings.prefix, shards=self.settings.shards)
        self.store.delete(*(keys.clock(shard) for shard in range(self.settings.shards)))

    def settle_down(self, key: str) -> None:
        """Deliver one lane without interruptions until nothing waits in it, if that can be."""
        for _ in range(_TURNS):
            if self.turn(key) in (Turn.DONE, Turn.UNKNOWN, Turn.PARKED):
                return

    def turn(self, key: str) -> Turn | None:
        """Deliver one turn without interruptions; None if the store was away on the way."""
        try:
            return self.worker().deliver(key)
        except StoreUnavailable:
            self.kill(key)
            return None

    def finish(self) -> None:
        """Let all leases run out, and deliver all that is left without any more faults."""
        self.kato.faults.clear()
        self.kato.land()
        self.steps = {}
        for key in self.expected:
            self.kill(key)
        self.drain()
        self.kato.land()
        for key in self.expected:
            record = self.record(key)
            # What sleeps, or was lost while nobody asked, comes back at its next use.
            if record.session_id not in self.kato.sessions:
                self.lives.suspect(key, record.session_id, "somebody asks")
        self.drain()

    def record(self, key: str) -> SessionRecord:
        """Return what the store knows of a session."""
        record = self.registry.get(key)
        assert record is not None
        return record

    def counts(self, name: str) -> int:
        """Return a counter."""
        return self.registry.stats().counts.get(name, 0)

    def verdict(self) -> list[str]:
        """Return what is wrong, as sentences."""
        problems = [problem for key in self.expected for problem in self._problems(key)]
        learned = Counter({name: times for (_, name), times in self.kato.patterns.items() if name})
        if learned != self.patterns:
            problems.append(f"learned {dict(learned)}, must be {dict(self.patterns)}")
        refused = sum(
            told == REFUSED for one in self.expected.values() for told in one.told.values()
        )
        if self.counts("dead_lettered") != refused:
            problems.append(f"{self.counts('dead_lettered')} dead letters, must be {refused}")
        return problems + [
            f"{key}: {command_id} is not known at {first} any more"
            for key, command_id, first in self._receipts
            if not self.registry.knows(key, command_id, first)
        ]

    def _problems(self, key: str) -> Iterable[str]:
        expected, record = self.expected[key], self.record(key)
        if record.waiting or record.parked:
            yield f"{key}: {record.waiting} wait; {record.parked or record.doubt}"
            return
        session = self.kato.sessions.get(record.session_id or "")
        stm = [] if session is None else [symbols(payload) for payload in session.stm]
        if stm != expected.stm:
            yield f"{key}: has {stm}, must have {expected.stm}"
        config = expected.config if session is None else session.config
        for name, value in expected.config.items():
            if config.get(name) != value:
                yield f"{key}: {name} is {config.get(name)}, not {value}"
        outcomes = self.registry.outcomes(key, 1, record.appended)
        told = {seq: _told(outcome) for seq, outcome in outcomes.items()}
        if told != expected.told:
            yield f"{key}: receipts are told {told}, must be {expected.told}"

    def _deliver(self, key: str) -> Turn | None:
        lanes, lives = self._interrupted(self.lanes, LANES), self._interrupted(self.lives, LIVES)
        nodes = self._interrupted(self.nodes, NODES)
        try:
            return self.worker(lanes, nodes, lives).deliver(key)
        except (Crash, StoreUnavailable):
            self.kill(key)
            return None

    def _interrupted(self, verbs: object, steps: frozenset[str]) -> Interrupted:
        return Interrupted(verbs, steps, self._step)

    def _fresh(self) -> Expected:
        limit = self.spec.config.get("max_pattern_length", 0)
        rolling = self.spec.config.get("stm_mode") == "ROLLING"
        return Expected(limit=limit if isinstance(limit, int) else 0, rolling=rolling)

    def _step(self, name: str) -> None:
        frozen = self._frozen.get(threading.current_thread())
        if frozen is not None:
            frozen.step(name)
            return
        number = len(self.trace)
        self.trace.append(name)
        happens = self.steps.pop(number, None) or self.steps.pop(name, None)
        if happens is not None:
            happens()


def strings(names: Sequence[str]) -> bytes:
    """Return an observation of these symbols."""
    return json.dumps({"strings": list(names)}).encode()


def _told(outcome: Outcome) -> str:
    return REFUSED if outcome.refusal is not None else outcome.pattern or ""
