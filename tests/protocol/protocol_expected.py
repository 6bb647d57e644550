"""What sessions must be by the commands that they have accepted: the specification."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.delivery.memory import pattern_name
from kato_tasks.models import Kind

REFUSED: Final = "refused"
"""What is expected of a command that the server does not take."""


@dataclass
class Expected:
    """What one session must be, and what the holders of its receipts are told.

    Attributes:
        limit: At how many events the server learns by itself; 0 for never.
        rolling: It keeps the newest events then.
        stm: The short-term memory.
        config: What was configured.
        told: By position, the pattern that a learn has made, or :data:`REFUSED`.
    """

    limit: int = 0
    rolling: bool = False
    stm: list[tuple[str, ...]] = field(default_factory=list)
    config: dict[str, object] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)

    def apply(self, seq: int, kind: Kind, payload: bytes, patterns: Counter[str]) -> None:
        """Apply the command at a position; what it learns is counted in ``patterns``."""
        match kind:
            case Kind.OBSERVE:
                self._observe(payload, patterns)
            case Kind.LEARN if self.stm:
                self.told[seq] = self._learn(patterns, kept=0)
            case Kind.LEARN:
                self.told[seq] = REFUSED
            case Kind.CLEAR_STM:
                self.stm = []
            case Kind.CONFIGURE:
                self.config |= json.loads(payload)
            case Kind.DELETE:
                self.stm, self.config = [], {}

    def refuse(self, seq: int) -> None:
        """Note a command that the server does not take."""
        self.told[seq] = REFUSED

    def _observe(self, payload: bytes, patterns: Counter[str]) -> None:
        event = symbols(payload)
        if event:
            self.stm.append(event)
            if 0 < self.limit <= len(self.stm):
                self._learn(patterns, kept=self.limit - 1 if self.rolling else 0)

    def _learn(self, patterns: Counter[str], *, kept: int) -> str:
        name = pattern_name(self.stm)
        if name:
            patterns[name] += 1
        self.stm = self.stm[len(self.stm) - kept :] if kept else []
        return name


def symbols(payload: bytes) -> tuple[str, ...]:
    """Return the symbols of an observation as its event has them."""
    return tuple(sorted(json.loads(payload).get("strings", ())))
