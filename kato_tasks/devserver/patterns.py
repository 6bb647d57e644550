"""What a node knows: learned patterns, by name and by symbol (kato-api 8)."""

import hashlib
import re
from dataclasses import dataclass, field

from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.rules import Emotives, Event

_LONGEST_ID = 60
_KEPT_OF_LONG_ID = 50


@dataclass(slots=True)
class Pattern:
    """A learned sequence of events.

    Attributes:
        emotives: The newest emotives entries of its learns.
        metadata: Per key the distinct values, as strings, in the order they came.
    """

    name: str
    events: list[Event]
    frequency: int = 0
    emotives: list[Emotives] = field(default_factory=list)
    metadata: dict[str, list[str]] = field(default_factory=dict)

    @property
    def symbols(self) -> list[str]:
        """Every symbol, in order, duplicates kept."""
        return [symbol for event in self.events for symbol in event]


@dataclass(slots=True)
class Node:
    """The knowledge shared by all sessions of one folded node id."""

    node_id: str
    created_at: int
    used_at: int = 0
    uses: int = 0
    patterns: dict[str, Pattern] = field(default_factory=dict)
    by_symbol: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, pattern: Pattern) -> None:
        """Keep a pattern and make it findable by each of its symbols."""
        self.patterns[pattern.name] = pattern
        for symbol in pattern.symbols:
            self.by_symbol.setdefault(symbol, {})[pattern.name] = None

    def forget(self) -> None:
        """Lose every pattern (clear-all)."""
        self.patterns.clear()
        self.by_symbol.clear()


def processor_id(node_id: str) -> str:
    """The knowledge base a node id leads to; different ids can share one (kato-api 6)."""
    folded = re.sub(r"[^A-Za-z0-9_]", "_", node_id)
    if len(folded) > _LONGEST_ID:
        digest = hashlib.sha1(node_id.encode(), usedforsecurity=False).hexdigest()[:8]
        folded = f"{folded[:_KEPT_OF_LONG_ID]}_{digest}"
    return f"{folded}_kato"


def pattern_name(events: list[Event]) -> str:
    """The name of a sequence, the same on every node and server (kato-api 8)."""
    printed = str([list(event) for event in events])
    return "PTRN|" + hashlib.sha1(printed.encode(), usedforsecurity=False).hexdigest()


def learn(
    node: Node,
    events: list[Event],
    emotives: list[Emotives],
    metadata: list[dict[str, Json]],
    persistence: int,
) -> str:
    """Learn a sequence once more and return its name; "" if it has fewer than two symbols.

    Args:
        node: Where it is learned.
        events: The sequence.
        emotives: Entries to append; the pattern keeps its newest ``persistence``.
        metadata: Entries whose values are added as strings, each once per key.
        persistence: How many emotives entries a pattern keeps.
    """
    if sum(map(len, events)) <= 1:
        return ""
    name = pattern_name(events)
    if name not in node.patterns:
        node.add(Pattern(name, list(events)))
    pattern = node.patterns[name]
    pattern.frequency += 1
    pattern.emotives = [*pattern.emotives, *emotives][-persistence:]
    for entry in metadata:
        for key, value in entry.items():
            values = pattern.metadata.setdefault(key, [])
            if str(value) not in values:
                values.append(str(value))
    return name


def lookup(node: Node, pattern_id: str) -> Json:
    """The ``pattern`` object of ``GET /pattern/{id}``; not found is an object too."""
    full = pattern_id if pattern_id.startswith("PTRN|") else f"PTRN|{pattern_id}"
    pattern = node.patterns.get(full)
    if pattern is None:
        return {"status": "error", "message": f"Pattern {pattern_id} not found"}
    found = {
        "name": pattern.name,
        "pattern_data": pattern.events,
        "length": len(pattern.symbols),
        "frequency": pattern.frequency,
        "emotives": pattern.emotives,
        "metadata": pattern.metadata,
    }
    return {"status": "okay", "pattern": found}
