"""Random work gives equal answers on both backends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

import redis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from lane_steps import SPEC, request

from kato_tasks.lanes import Lanes, RedisLanes
from kato_tasks.lives import Index, Lives, RedisLives
from kato_tasks.models import (
    Adoption,
    Bound,
    Claim,
    Command,
    Group,
    Intent,
    Keep,
    Kind,
    Learning,
    Lease,
    Life,
    Looks,
    NoClaim,
    Outcome,
    Rest,
    SessionRecord,
    SessionState,
    Settlement,
    Switch,
)
from kato_tasks.moves import Moves, RedisMoves
from kato_tasks.registry import RedisRegistry, Registry
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryLanes, MemoryLives, MemoryMoves, MemoryRegistry, MemoryStore

KEYS: Final = ("a", "b")
NOBODY: Final = Claim(
    lease=Lease(key="a", token="", epoch=0),
    spec=SPEC,
    session_id=None,
    time=0,
    events=0,
    learning=Learning(),
    applied=0,
    most=1,
    attempts=0,
    commands=(),
    now_ms=0,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One verb with all that any verb takes; the last claim of the key gives the rest."""

    verb: str
    key: str
    groups: tuple[tuple[str, Kind, int], ...]
    size: int
    node: str | None
    flag: bool
    outcome: Outcome | None


COMMANDS = [kind for kind in Kind if kind is not Kind.EXTEND]
groups = st.tuples(st.sampled_from("vwxyz"), st.sampled_from(COMMANDS), st.integers(1, 3))
verbs = ("append", "append", "claim", "bind", "intend", "settle", "deliver", "deliver", "release")
seldom = ("end", "park", "unpark", "switch", "journal", "withdraw", "renew", "overdue", "knows")
lives = ("take", "rest", "look_after", "freshen", "keep", "suspect", "touch", "adopt", "due")
moves = ("depart", "on_the_way", "arrive", "relocate")
steps = st.builds(
    Step,
    verb=st.sampled_from((*verbs, *seldom, *lives, *moves)),
    key=st.sampled_from(KEYS),
    groups=st.lists(groups, max_size=3).map(tuple),
    size=st.integers(1, 4),
    node=st.sampled_from((None, None, "n", "m")),
    flag=st.booleans(),
    outcome=st.sampled_from((None, Outcome(pattern="p"), Outcome(refusal="no"))),
)


@dataclass
class Side:
    """One backend and the last claim of each key."""

    lanes: Lanes
    lives: Lives
    moves: Moves
    registry: Registry
    claims: dict[str, Claim] = field(default_factory=dict)

    def take(self, step: Step) -> list[object]:
        """Do one step; what is answered, and the records then, without times and tokens."""
        answer: object = getattr(self, f"_{step.verb}")(step)
        return [answer, *(_timeless(self.registry.get(key)) for key in KEYS)]

    def seen(self) -> list[object]:
        """Return what else can be seen."""
        outcomes = [self.registry.outcomes(key, 0, 20) for key in KEYS]
        recent = {record.key for record in self.registry.recent(limit=9)}
        return [outcomes, recent, self.registry.stats()]

    def _append(self, step: Step) -> object:
        made = tuple(
            Group(command_id=name, kind=kind, payloads=(b"x",) * size)
            for name, kind, size in step.groups
        )
        spec = replace(SPEC, node=step.node or "n")
        alive = step.size == 1
        named = "default" if step.size == 2 else None
        wanted = request(
            step.key,
            *made,
            spec=spec,
            node=step.node,
            instance=named,
            bind=step.flag,
            keep_alive=alive,
        )
        return [str(answer) for answer in self.lanes.append([wanted, wanted])]

    def _claim(self, step: Step) -> object:
        return self._claimed(step, self.lanes.claim(step.key, most=step.size))

    def _take(self, step: Step) -> object:
        return self._claimed(step, self.lanes.claim(step.key, most=step.size, idle=True))

    def _claimed(self, step: Step, claimed: Claim | NoClaim) -> object:
        if not isinstance(claimed, Claim):
            return claimed
        self.claims[step.key] = claimed
        commands = [replace(command, accepted_ms=0) for command in claimed.commands]
        lease = replace(claimed.lease, token="")
        return replace(
            claimed,
            lease=lease,
            now_ms=0,
            intent_ms=0,
            commands=tuple(commands),
            life=_ageless(claimed.life),
        )

    def _bind(self, step: Step) -> object:
        claimed = self._last(step)
        learning = Learning(limit=step.size, rolling=step.flag)
        to = Bound(
            session_id=f"sid-{step.size}",
            learning=learning,
            lifetime=1_000 * step.size if step.flag else None,
            ends=900.0 if step.size == 2 else None,
            looks=_looks(step),
        )
        lease = self.lanes.bind(claimed.lease, to)
        if lease is not None:
            self.claims[step.key] = replace(claimed, lease=lease)
        return lease and lease.epoch

    def _intend(self, step: Step) -> object:
        claimed = self._last(step)
        intent = Intent(
            first=claimed.applied + step.size % 4,
            count=1,
            kind=Kind.OBSERVE,
            time=0,
            session_id="",
            pattern="p" if step.flag else None,
            frequency=step.size,
            config={"recall_threshold": 0.1} if step.flag else {},
        )
        return self.lanes.intend(claimed.lease, intent)

    def _settle(self, step: Step, *, unbind: bool = False) -> object:
        claimed, record = self._last(step), self.registry.get(step.key)
        waiting = record.waiting if record else 0
        size = max(1, min(step.size, waiting))
        settlement = Settlement(
            first=claimed.applied + 1,
            count=size,
            time=step.size,
            events=step.size,
            keep=list(Keep)[step.size % 3],
            learned=step.size if step.flag else None,
            spec=replace(record.spec, tags=("changed",)) if record and step.size == 1 else None,
            learning=Learning(limit=step.size) if step.flag else None,
            outcome=step.outcome,
            refused=step.outcome == Outcome(refusal="no"),
            unbind=unbind,
            counts={"applied": size, "latency:3": 1},
            more=step.size if step.flag else 0,
        )
        settled = self.lanes.settle(claimed.lease, settlement)
        if settled is None:
            return None
        lease, commands = settled
        self.claims[step.key] = replace(claimed, lease=lease, applied=claimed.applied + size)
        return lease.epoch, [_kind(command) for command in commands]

    def _deliver(self, step: Step) -> object:
        first = replace(step, size=1)
        return self._claim(step), self._intend(first), self._settle(step)

    def _end(self, step: Step) -> object:
        first = replace(step, size=1)
        claimed, bound = self._claim(step), self._bind(step)
        return claimed, bound, self._intend(first), self._settle(step, unbind=True)

    def _release(self, step: Step) -> object:
        lease = self._last(step).lease
        return self.lanes.release(
            lease,
            pause=0 if step.flag else 500,
            most=step.size if step.size > 1 else None,
            failed=step.flag,
            unfaithful=step.size == 3,
            doubt="why" if step.size % 2 else "",
        )

    def _park(self, step: Step) -> object:
        progress = self.registry.progress(step.key)
        waits = progress is not None and progress.appended > progress.applied
        outcome = Outcome(refusal="no") if step.flag and waits else None
        return step.size == 1 and self.lanes.park(self._last(step).lease, "why", outcome=outcome)

    def _unpark(self, step: Step) -> object:
        return self.lanes.unpark(step.key, drop=step.flag)

    def _switch(self, step: Step) -> object:
        claimed = self._last(step)
        intent = Intent(
            first=1, count=1, kind=Kind.LEARN, time=0, session_id="", pattern="p", rehomed=True
        )
        to = Switch(
            session_id=f"anew-{step.size}",
            time=step.size,
            events=step.size,
            reason="why",
            intent=intent if step.flag else None,
            lifetime=1_000 * step.size if step.size % 2 else None,
            looks=_looks(step),
            instance="other" if step.size == 3 else None,
            learning=Learning(limit=3) if step.size == 3 else None,
        )
        lease = self.lanes.switch(claimed.lease, claimed.applied, to)
        if lease is not None:
            self.claims[step.key] = replace(claimed, lease=lease)
        return lease and lease.epoch

    def _journal(self, step: Step) -> object:
        claimed = self._last(step)
        return self.lanes.journal(claimed.lease, claimed.applied)

    def _withdraw(self, step: Step) -> object:
        claimed = self._last(step)
        lease = self.lanes.withdraw(claimed.lease)
        if lease is not None:
            self.claims[step.key] = replace(claimed, lease=lease)
        return lease and lease.epoch

    def _knows(self, step: Step) -> object:
        names = [name for name, _, _ in step.groups] or ["none"]
        return [self.registry.knows(step.key, name, step.size) for name in names]

    def _renew(self, step: Step) -> object:
        return self.lanes.renew(self._last(step).lease)

    def _overdue(self, _: Step) -> object:
        return set(self.lanes.overdue())

    def _rest(self, step: Step) -> object:
        states = (None, SessionState.HIBERNATED, SessionState.HIBERNATED, SessionState.ENDED)
        how = Rest(
            state=states[step.size - 1],
            stm=[["a"], ["b"]] if step.size == 2 else None,
            journal=[b"{}", b"{1}"] if step.size == 2 and step.flag else None,
            suspect="why" if step.flag and step.size == 1 else "",
            looks=_looks(step),
            unused_since=1 if step.flag and step.size == 3 else None,
        )
        return self.lives.rest(self._last(step).lease, how)

    def _look_after(self, step: Step) -> object:
        return self._take(step), self._rest(step)

    def _freshen(self, step: Step) -> object:
        ends = 900.0 if step.size == 1 else None
        return self.lives.freshen(self._last(step).lease, ends=ends)

    def _keep(self, step: Step) -> object:
        return self.lives.keep(step.key, alive=step.flag)

    def _suspect(self, step: Step) -> object:
        record = self.registry.get(step.key)
        known = None if record is None else record.session_id
        return self.lives.suspect(step.key, "other" if step.size == 4 else known, "why")

    def _touch(self, step: Step) -> object:
        return self.lives.touch(step.key)

    def _adopt(self, step: Step) -> object:
        looks = replace(_looks(step), refresh=None)
        learning = Learning(limit=step.size, rolling=step.flag)
        found = Adoption(
            key=step.key,
            spec=replace(SPEC, node=step.node or "n", instance=f"place-{step.size}"),
            to=Bound(
                session_id="theirs",
                learning=learning,
                lifetime=1_000 * step.size if step.flag else None,
                ends=900.0 if step.size == 2 else None,
                looks=looks,
            ),
            time=step.size + 3,
            journal=(b"x",) * step.size,
            older=3,
            age=1.0,
        )
        return self.lives.adopt(found)

    def _due(self, step: Step) -> object:
        index = Index.IDLE if step.flag else Index.REFRESH
        return [set(keys) for keys in self.lives.due(index, most=step.size + 3)]

    def _depart(self, step: Step) -> object:
        return self.moves.depart(step.key, f"mover-{step.flag}", seconds=900.0)

    def _on_the_way(self, step: Step) -> object:
        give_way = 900.0 if step.size == 1 else None
        token = f"mover-{step.flag}"
        return self.moves.on_the_way(step.key, token, seconds=900.0, give_way=give_way)

    def _arrive(self, step: Step) -> object:
        return self.moves.arrive(step.key, f"mover-{step.flag}")

    def _relocate(self, step: Step) -> object:
        claimed = self._last(step)
        place = f"place-{step.size}"
        lease = self.moves.relocate(claimed.lease, claimed.applied, place, Learning(limit=7))
        if lease is not None:
            self.claims[step.key] = replace(claimed, lease=lease)
        return lease and lease.epoch

    def _last(self, step: Step) -> Claim:
        return self.claims.get(step.key, NOBODY)


def _timeless(record: SessionRecord | None) -> SessionRecord | None:
    return record and replace(record, created_at=0, active_at=0, life=_ageless(record.life))


def _ageless(life: Life) -> Life:
    return replace(
        life,
        fresh_ms=int(life.fresh_ms > 0),
        wrote_ms=int(life.wrote_ms > 0),
        used_ms=0,
        ends_ms=None if life.ends_ms is None else 1,
    )


def _looks(step: Step) -> Looks:
    return Looks(idle=(None, 0.0, 900.0)[step.size % 3], refresh=0.0 if step.flag else None)


def _kind(command: Command) -> tuple[Kind, bytes]:
    return command.kind, command.payload


numbers = count()


def both(store: redis.Redis, settings: Settings) -> tuple[Side, Side]:
    """Both backends, empty, with times so long that nothing expires."""
    prefix = f"{settings.prefix}.{next(numbers)}"
    fresh = settings.model_copy(update={"prefix": prefix})
    memory, runner = MemoryStore(), Runner(store, settings.redis_url)
    return (
        Side(
            lanes=MemoryLanes(memory, fresh),
            lives=MemoryLives(memory, fresh),
            moves=MemoryMoves(memory),
            registry=MemoryRegistry(memory, fresh),
        ),
        Side(
            lanes=RedisLanes(runner, fresh),
            lives=RedisLives(runner, fresh),
            moves=RedisMoves(runner, fresh),
            registry=RedisRegistry(runner, fresh),
        ),
    )


Drawn = list[Step]
MODEST: Final[dict[str, Any]] = {
    "max_examples": 60,
    "phases": [Phase.explicit, Phase.generate],  # shrinking takes minutes here
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    "database": None,
}


def check(store: redis.Redis, settings: Settings, drawn: Drawn) -> None:
    memory, valkey = both(store, settings)
    for step in drawn:
        assert memory.take(step) == valkey.take(step), step
    assert memory.seen() == valkey.seen()


def with_few_of_everything(settings: Settings) -> Settings:
    few: dict[str, object] = {
        "dedup_ids": 3,
        "outcomes": 3,
        "shards": 2,
        "sweep_lanes": 5,
        "lease": 900.0,
    }
    few |= {"lane_commands": 12, "journal_entries": 4}
    return settings.model_copy(update=few)


@example_settings(**MODEST)
@given(drawn=st.lists(steps, min_size=5, max_size=30))
def test_the_twin_answers_as_the_scripts_do(
    drawn: Drawn, store: redis.Redis, settings: Settings
) -> None:
    check(store, with_few_of_everything(settings), drawn)
