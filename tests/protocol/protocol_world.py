"""A real store, a faulty server, and workers that can die or freeze between any two steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import redis
from protocol_server import FaultyKato

from kato_tasks.breakers import RedisBreakers
from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.delivery.memory import pattern_name
from kato_tasks.errors import StoreUnavailable
from kato_tasks.keys import Keys
from kato_tasks.lanes import Lanes, RedisLanes
from kato_tasks.models import Append, Appended, Group, Kind, SessionSpec, Turn
from kato_tasks.nodes import RedisNodes
from kato_tasks.registry import RedisRegistry
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings

NODE: Final = "n"
QUICK: Final[dict[str, Any]] = {
    "doubt_wait": 0.001,
    "look_wait": 0.001,
    "node_wait": 0.05,
    "breaker_failures": 10_000,
    "batch_commands": 3,
    "poison_attempts": 100,
}
_STORE_VERBS: Final = (
    "claim", "bind", "intend", "withdraw", "settle", "journal", "switch", "release", "park",
    "count", "renew",
)  # fmt: skip

_prefixes = count()


class Crash(BaseException):
    """The worker is killed here."""


@dataclass
class Expected:
    """What a session must be by the commands that it has accepted: the specification."""

    limit: int = 0
    rolling: bool = False
    stm: list[tuple[str, ...]] = field(default_factory=list)
    config: dict[str, object] = field(default_factory=dict)

    def apply(self, kind: Kind, payload: bytes, patterns: Counter[str]) -> None:
        match kind:
            case Kind.OBSERVE:
                strings = json.loads(payload).get("strings")
                if strings:
                    self.stm.append(tuple(sorted(strings)))
                    if 0 < self.limit <= len(self.stm):
                        self._learn(patterns, kept=self.limit - 1 if self.rolling else 0)
            case Kind.LEARN:
                if self.stm:
                    self._learn(patterns, kept=0)
            case Kind.CLEAR_STM:
                self.stm = []
            case Kind.CONFIGURE:
                self.config |= json.loads(payload)
            case Kind.DELETE:
                self.stm, self.config = [], {}

    def _learn(self, patterns: Counter[str], *, kept: int) -> None:
        name = pattern_name(self.stm)
        if name:
            patterns[name] += 1
        self.stm = self.stm[len(self.stm) - kept :] if kept else []


class Interrupted:
    """Lanes that count their steps, and that let something happen before or after one of them."""

    def __init__(self, lanes: Lanes, step: Callable[[str], None]) -> None:
        self._lanes = lanes
        self._step = step

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the verbs of the lanes
        verb = getattr(self._lanes, name)
        if name not in _STORE_VERBS:
            return verb

        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self._step(f"before {name}")
            answer = verb(*args, **kwargs)
            self._step(f"after {name}")
            return answer

        return run


class ProtocolWorld:
    """Sessions on one node of one server; each world has keys of its own in the store.

    Attributes:
        steps: Which step of a delivery meets what, counted from 0 over store and server.
        trace: The steps of the last delivery, for people.
    """

    def __init__(
        self, store: redis.Redis, base: Settings, *, config: dict[str, Any] | None = None
    ) -> None:
        prefix = f"{base.prefix}.{next(_prefixes)}"
        self.settings = base.model_copy(update={"prefix": prefix, **QUICK})
        self.store = store
        runner = Runner(store, base.redis_url)
        self.lanes = RedisLanes(runner, self.settings)
        self.registry = RedisRegistry(runner, self.settings)
        self.nodes = RedisNodes(runner, self.settings)
        self.breakers = RedisBreakers(runner, self.settings)
        self.keeper = LeaseKeeper(60.0)
        self.kato = FaultyKato()
        self.kato.step = self._step
        self.spec = SessionSpec(node=NODE, instance="default", config=config or {})
        self.expected: dict[str, Expected] = {}
        self.patterns: Counter[str] = Counter()
        self.steps: dict[int, Callable[[], None]] = {}
        self.trace: list[str] = []
        self._ids = count()

    def close(self) -> None:
        self.keeper.close()
        for key in self.store.scan_iter(f"{self.settings.prefix}*", count=1000):
            self.store.unlink(key)

    def append(self, key: str, kind: Kind, *payloads: bytes) -> None:
        """Accept commands, and say what they must do."""
        group = Group(command_id=f"c{next(self._ids)}", kind=kind, payloads=payloads or (b"",))
        [answer] = self.lanes.append([Append(key=key, spec=self.spec, groups=(group,))])
        assert isinstance(answer, Appended)
        expected = self.expected.setdefault(key, self._fresh())
        for payload in group.payloads:
            expected.apply(kind, payload, self.patterns)

    def deliver(self, key: str) -> Turn | None:
        """Deliver one turn; None if the worker was killed, or the store was away, on the way."""
        self.trace = []
        try:
            return self.worker(Interrupted(self.lanes, self._step)).deliver(key)
        except (Crash, StoreUnavailable):
            self.kill(key)
            return None

    def worker(self, lanes: Any) -> Deliverer:  # noqa: ANN401 - lanes, or what stands for them
        return Deliverer(
            lanes=lanes,
            nodes=self.nodes,
            breakers=self.breakers,
            client=self.kato,
            keeper=self.keeper,
            settings=self.settings,
        )

    def kill(self, key: str) -> None:
        """Let the leases of a dead or frozen worker run out."""
        keys = Keys(prefix=self.settings.prefix, shards=self.settings.shards)
        self.store.delete(keys.session(key).lease)
        for name in self.store.scan_iter(f"{self.settings.prefix}*:holders"):
            self.store.delete(name)

    def take_over(self, key: str) -> Callable[[], None]:
        """Return what freezes the worker, lets another one do all the work, and thaws it."""

        def happen() -> None:
            self.steps = {}
            self.kill(key)
            self.worker(self.lanes).deliver(key)

        return happen

    def finish(self) -> None:
        """Deliver all that is left, without any more faults."""
        self.kato.faults.clear()
        self.steps = {}
        for key in self.expected:
            self.kill(key)
        for _ in range(200):
            self.kato.land()
            turns = [self.worker(self.lanes).deliver(key) for key in self.expected]
            if all(turn is Turn.DONE for turn in turns):
                break
        self.kato.land()

    def verdict(self) -> list[str]:
        """Return what is wrong, as sentences."""
        problems = []
        for key, expected in self.expected.items():
            record = self.registry.get(key)
            assert record is not None
            if record.waiting or record.parked:
                problems.append(f"{key}: {record.waiting} wait; {record.parked or record.doubt}")
                continue
            session = self.kato.sessions.get(record.session_id or "")
            stm = [] if session is None else [_symbols(payload) for payload in session.stm]
            if stm != expected.stm:
                problems.append(f"{key}: has {stm}, must have {expected.stm}")
            config = {} if session is None else session.config
            problems += [
                f"{key}: {name} is {config.get(name)}, not {value}"
                for name, value in expected.config.items()
                if session is not None and config.get(name) != value
            ]
        learned = Counter({name: times for (_, name), times in self.kato.patterns.items() if name})
        if learned != self.patterns:
            problems.append(f"learned {dict(learned)}, must be {dict(self.patterns)}")
        return problems

    def _fresh(self) -> Expected:
        limit = self.spec.config.get("max_pattern_length", 0)
        rolling = self.spec.config.get("stm_mode") == "ROLLING"
        return Expected(limit=limit if isinstance(limit, int) else 0, rolling=rolling)

    def _step(self, name: str) -> None:
        happens = self.steps.pop(len(self.trace), None)
        self.trace.append(name)
        if happens is not None:
            happens()


def _symbols(payload: bytes) -> tuple[str, ...]:
    return tuple(sorted(json.loads(payload).get("strings", ())))


def crash() -> None:
    """Kill the worker."""
    raise Crash


def no_store() -> None:
    """Let the store be away."""
    raise StoreUnavailable("redis://x", "gone")


def strings(names: Sequence[str]) -> bytes:
    """Return an observation of these symbols."""
    return json.dumps({"strings": list(names)}).encode()
