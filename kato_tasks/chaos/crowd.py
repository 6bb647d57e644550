"""The sessions of a chaos run: most are plain, some are of each kind that is hard to deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from kato_tasks.models import PredictionMode
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Session

NODES: Final = 8
"""How many nodes the plain sessions share; vectors and predictions have nodes of their own."""
KEPT_ALIVE: Final = 12
"""The time to live of sessions that are kept alive, in seconds: they are extended many times."""
AUTO_LEARN: Final = 4
"""The ``max_pattern_length`` of sessions that learn by themselves."""
_SLOW: Final = 0.3
"""How often a session is chosen whose every observation is a call of its own, or costs a
prediction, against a plain one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One session of the crowd.

    Attributes:
        number: Its number, from 0.
        key: Its session key.
        node: Its node.
        config: Its session config.
        predictions: When the server computes its predictions.
        vectors: Some of its observations have vectors. It learns nothing: what is learned from
            vectors changes later events of its node, so nobody could say what they must be.
        kept_alive: Its server is told to keep it; the others sleep when nobody uses them.
        weight: How often it is chosen, against 1 for a plain one.
    """

    number: int
    key: str
    node: str
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    predictions: PredictionMode = PredictionMode.ON_DEMAND
    vectors: bool = False
    kept_alive: bool = False
    weight: float = 1.0

    @property
    def learns_at(self) -> int:
        """How many events make the server learn by itself; 0 if none do."""
        limit = self.config.get("max_pattern_length", 0)
        return limit if isinstance(limit, int) else 0

    @property
    def rolls(self) -> bool:
        """True if all but the oldest event stay when the server has learned by itself."""
        return self.config.get("stm_mode") == "ROLLING"

    @property
    def predicts(self) -> bool:
        """True if the server predicts at every observe."""
        return self.predictions is PredictionMode.ALWAYS

    def session(self, kato: KatoTasks) -> Session:
        """Return the session as a producer holds it."""
        return kato.session(
            self.key,
            node=self.node,
            config=self.config,
            predictions=self.predictions,
            ttl=KEPT_ALIVE if self.kept_alive else None,
            keep_alive=self.kept_alive,
        )


def make_crowd(count: int) -> tuple[Member, ...]:
    """Return the sessions of a run; of each hundred the same few are special."""
    return tuple(_member(number) for number in range(count))


def _member(number: int) -> Member:
    key, place = f"chaos-{number:04d}", number % 100
    auto: dict[str, JsonValue] = {"max_pattern_length": AUTO_LEARN}
    if place == 0:
        config = {**auto, "stm_mode": "ROLLING"}
        return Member(number=number, key=key, node="chaos-auto", config=config, weight=_SLOW)
    if place in (1, 2):
        return Member(number=number, key=key, node="chaos-auto", config=auto, weight=_SLOW)
    if place in (3, 4):
        always = PredictionMode.ALWAYS
        return Member(number=number, key=key, node="chaos-always", predictions=always, weight=_SLOW)
    if place in range(5, 10):
        return Member(number=number, key=key, node="chaos-vectors", vectors=True)
    alive = place in range(10, 20)
    return Member(number=number, key=key, node=f"chaos-{number % NODES}", kept_alive=alive)
