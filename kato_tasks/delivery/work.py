"""What a turn works on, and with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kato_tasks.breakers import Watch
from kato_tasks.kato import KatoClient
from kato_tasks.lanes import Lanes
from kato_tasks.lives import Lives
from kato_tasks.models import Claim, Command, Intent
from kato_tasks.nodes import NodeHold, Nodes
from kato_tasks.retry import Backoff
from kato_tasks.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What a delivery works with.

    Attributes:
        lanes: The lanes.
        lives: How long sessions live.
        nodes: Who may call a node, and who may learn on it.
        watch: Whether an instance may be called.
        client: Returns the client of an instance by its name.
        settings: Limits and policies.
        backoff: How long to wait after a call that was not made.
    """

    lanes: Lanes
    lives: Lives
    nodes: Nodes
    watch: Watch
    client: Callable[[str], KatoClient]
    settings: Settings
    backoff: Backoff


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A claimed lane on its way through a turn.

    Attributes:
        claim: What is known of the lane now; replaced after every step.
        ends: When the turn is over, by the monotonic clock.
        clock_ms: The store's clock minus our monotonic clock, milliseconds.
        calls: HTTP calls made and not yet counted by a settlement.
        hold: The right to call the session's node.
        going_on: True once a call of this turn is settled.
        anew: True if the session was made anew in this turn, and no call is settled since.
    """

    claim: Claim
    ends: float
    clock_ms: float
    calls: int = 0
    hold: NodeHold = field(default_factory=NodeHold)
    going_on: bool = False
    anew: bool = False

    @property
    def key(self) -> str:
        """The session key."""
        return self.claim.lease.key

    @property
    def now_ms(self) -> float:
        """The store's clock, epoch milliseconds."""
        return self.clock_ms + time.monotonic() * 1000

    @property
    def intended(self) -> tuple[Command, ...]:
        """The commands of the call whose end nobody has seen."""
        intent = self.claim.intent
        return self.claim.commands[: intent.count] if intent is not None else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A call that is about to be made.

    Attributes:
        batch: The commands it carries.
        intent: What is written down of it.
        reads: HTTP calls that were made to plan it.
    """

    batch: tuple[Command, ...]
    intent: Intent
    reads: int = 0
