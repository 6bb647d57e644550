"""The delivery protocol as a state machine: whatever fails between any two steps, all comes out.

``KATO_TASKS_TEST_EXAMPLES=5000`` runs so many random examples; by default some that never change.
"""

from __future__ import annotations

import os
from itertools import count
from typing import Any, ClassVar, Final

import pytest
import redis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from protocol_server import Fault
from protocol_steps import crash, no_store, outage
from protocol_world import ProtocolWorld, strings

from kato_tasks.lives import Index
from kato_tasks.models import Kind
from kato_tasks.settings import Settings

EXAMPLES: Final = int(os.environ.get("KATO_TASKS_TEST_EXAMPLES", "0"))
KEYS = ("a", "b")
CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"max_pattern_length": 3},
    {"max_pattern_length": 3, "stm_mode": "ROLLING"},
)
# Somebody else's events count as anomalies, and what they make a server learn stays.
FAULTS = st.lists(
    st.sampled_from([Fault.NONE, *(fault for fault in Fault if fault is not Fault.SWAPPED)]),
    max_size=4,
)
HAPPENING = st.sampled_from(["crash", "no store", "outage", "take-over"])
INTERRUPTIONS = st.dictionaries(st.integers(0, 40), HAPPENING, max_size=2)
POISON, BREAKS = strings(["poison"]), strings(["breaks"])


class Protocol(RuleBasedStateMachine):
    """Producers append, workers deliver; servers, stores and workers fail."""

    store: ClassVar[redis.Redis]
    base: ClassVar[Settings]

    @initialize(config=st.sampled_from(CONFIGS), slides=st.booleans(), short=st.booleans())
    def open(self, config: dict[str, Any], *, slides: bool, short: bool) -> None:
        # So short that every look extends it, and every write if the server counts none.
        ttl = 1 if short else None
        self.world = ProtocolWorld(self.store, self.base, config=config, ttl=ttl, idle_after=0.0001)
        self.world.kato.slides = slides
        self.world.kato.refused.add(POISON)
        self.world.kato.fails_at.add(BREAKS)
        self._numbers = count()

    @rule(key=st.sampled_from(KEYS), size=st.integers(1, 5), known=st.booleans())
    def observe(self, key: str, size: int, *, known: bool) -> None:
        # Some events of both sessions are the same, so that they learn the same patterns.
        numbers = [0 if known else next(self._numbers) for _ in range(size)]
        payloads = [strings([f"{'same' if known else key}{number}"]) for number in numbers]
        self.world.append(key, Kind.OBSERVE, *payloads)

    @rule(key=st.sampled_from(KEYS))
    def observe_nothing(self, key: str) -> None:
        self.world.append(key, Kind.OBSERVE, b'{"emotives":{"joy":0.5}}')

    @rule(key=st.sampled_from(KEYS), breaks=st.booleans())
    def observe_poison(self, key: str, *, breaks: bool) -> None:
        # Where the server learns by itself, what breaks it is not told from a learn in doubt.
        breaks = breaks and not self.world.spec.config
        self.world.append(key, Kind.OBSERVE, strings([key]), BREAKS if breaks else POISON)

    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from([Kind.LEARN, Kind.CLEAR_STM]))
    def command(self, key: str, kind: Kind) -> None:
        self.world.append(key, kind)

    @rule(key=st.sampled_from(KEYS), value=st.sampled_from([0.1, 0.2]))
    def configure(self, key: str, value: float) -> None:
        self.world.append(key, Kind.CONFIGURE, b'{"recall_threshold":%.1f}' % value)

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        self.world.append(key, Kind.DELETE)

    @rule(key=st.sampled_from(KEYS), faults=FAULTS, interruptions=INTERRUPTIONS)
    def deliver(self, key: str, faults: list[Fault], interruptions: dict[int, str]) -> None:
        self._go_wrong(key, faults, interruptions)
        self.world.deliver(key)
        self.world.steps = {}

    @rule(
        index=st.sampled_from(Index),
        key=st.sampled_from(KEYS),
        faults=FAULTS,
        interruptions=INTERRUPTIONS,
    )
    def look_after(
        self, index: Index, key: str, faults: list[Fault], interruptions: dict[int, str]
    ) -> None:
        self.world.settle_down(key)
        self._go_wrong(key, faults, interruptions)
        if index is Index.REFRESH:
            self.world.lives.keep(key, alive=True)
        self.world.look_after(index, key)
        self.world.lives.keep(key, alive=False)
        self.world.steps = {}

    @rule(key=st.sampled_from(KEYS))
    def be_asked_for(self, key: str) -> None:
        record = self.world.registry.get(key)
        if record is not None:
            self.world.lives.suspect(key, record.session_id, "somebody asks")

    def _go_wrong(self, key: str, faults: list[Fault], interruptions: dict[int, str]) -> None:
        happenings = {
            "crash": crash,
            "no store": no_store,
            "take-over": self.world.take_over(key),
        }
        self.world.kato.faults.extend(faults)
        for number, name in interruptions.items():
            self.world.steps |= outage(number) if name == "outage" else {number: happenings[name]}

    @rule(full=st.booleans())
    def deliver_without_its_store(self, *, full: bool) -> None:
        self.world.kato.full, self.world.kato.down = full, not full
        for key in KEYS:
            self.world.deliver(key)
        self.world.kato.full = self.world.kato.down = False

    @rule()
    def land(self) -> None:
        self.world.kato.land()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.finish()
        problems = self.world.verdict()
        self.world.close()
        assert problems == []


@pytest.mark.timeout(300 + EXAMPLES)
def test_whatever_fails_between_any_two_steps_all_comes_out(
    store: redis.Redis, settings: Settings
) -> None:
    Protocol.store, Protocol.base = store, settings
    run_state_machine_as_test(
        Protocol,
        settings=example_settings(
            max_examples=EXAMPLES or 80,
            derandomize=not EXAMPLES,
            stateful_step_count=25,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=False,
        ),
    )
