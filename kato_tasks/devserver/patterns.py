"""What a node knows: learned patterns, by name and by symbol (kato-api 8)."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.neighbours import VectorIndex
from kato_tasks.devserver.rules import Emotives, Event, mean_emotives

_LONGEST_ID = 60
_KEPT_OF_LONG_ID = 50


@dataclass(slots=True)
class Pattern:
    """A learned sequence of events.

    Attributes:
        emotives: The newest emotives entries of its learns.
        metadata: Per key the distinct values, as strings, in the order they came.
        bare: It appeared after its learn had failed: no statistics know of it (kato-api 8).
    """

    name: str
    events: list[Event]
    frequency: int = 0
    emotives: list[Emotives] = field(default_factory=list)
    metadata: dict[str, list[str]] = field(default_factory=dict)
    bare: bool = False

    @property
    def symbols(self) -> list[str]:
        """Every symbol, in order, duplicates kept."""
        return [symbol for event in self.events for symbol in event]


@dataclass(slots=True)
class SymbolCount:
    """How often a symbol was learned, and in how many patterns it stands."""

    frequency: int = 0
    patterns: int = 0


@dataclass(slots=True)
class Node:
    """The knowledge shared by all sessions of one folded node id.

    Attributes:
        by_symbol: The names of the patterns each symbol stands in.
        counted: How many patterns the statistics know of.
        symbols: The statistics, by symbol.
        affinity: Per symbol the sums of the mean emotives of the learns it was in.
        vectors: The vectors that were learned.
        futures: The potentials of the last predictions from more than one symbol; the server
            answers them again where it predicts nothing anew (kato-api 3).
    """

    node_id: str
    created_at: int
    used_at: int = 0
    patterns: dict[str, Pattern] = field(default_factory=dict)
    by_symbol: dict[str, dict[str, None]] = field(default_factory=dict)
    counted: int = 0
    symbols: dict[str, SymbolCount] = field(default_factory=dict)
    affinity: dict[str, Emotives] = field(default_factory=dict)
    vectors: VectorIndex = field(default_factory=VectorIndex)
    futures: list[Json] = field(default_factory=list)

    def add(self, pattern: Pattern) -> None:
        """Keep a pattern and make it findable by each of its symbols."""
        self.patterns[pattern.name] = pattern
        for symbol in pattern.symbols:
            self.by_symbol.setdefault(symbol, {})[pattern.name] = None

    def forget(self) -> None:
        """Lose every pattern (clear-all)."""
        self.patterns.clear()
        self.by_symbol.clear()
        self.counted = 0
        self.symbols.clear()
        self.affinity.clear()
        self.vectors.forget()
        self.futures = []

    def count(self, pattern: Pattern, *, new: bool) -> None:
        """Take one learn of a pattern into the statistics."""
        for symbol in pattern.symbols:
            self.symbols.setdefault(symbol, SymbolCount()).frequency += 1
        for symbol in set(pattern.symbols) if new else ():
            self.symbols[symbol].patterns += 1
        self.counted += new

    def feel(self, symbols: Iterable[str], emotives: Emotives) -> None:
        """Add the mean emotives of one learn to each of its symbols."""
        for symbol in symbols if emotives else ():
            sums = self.affinity.setdefault(symbol, {})
            for name, value in emotives.items():
                sums[name] = sums.get(name, 0.0) + value


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
    new = name not in node.patterns
    if new:
        node.add(Pattern(name, list(events)))
    pattern = node.patterns[name]
    pattern.frequency += 1
    node.count(pattern, new=new)
    node.vectors.learn()
    node.feel(set(pattern.symbols), mean_emotives(emotives))
    pattern.emotives = [*pattern.emotives, *emotives][-persistence:]
    for entry in metadata:
        for key, value in entry.items():
            values = pattern.metadata.setdefault(key, [])
            if str(value) not in values:
                values.append(str(value))
    return name


def appear(node: Node, events: list[Event]) -> str:
    """Let a pattern appear whose learn had failed, and return its name (kato-api 8)."""
    name = pattern_name(events)
    if name not in node.patterns:
        node.add(Pattern(name, list(events), bare=True))
    node.patterns[name].frequency += 1
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
    }
    if not pattern.bare or pattern.emotives or pattern.metadata:
        found |= {"emotives": pattern.emotives, "metadata": pattern.metadata}
    return {"status": "okay", "pattern": found}


def symbol_statistics(node: Node) -> dict[str, Json]:
    """The ``symbols`` object of ``GET /symbols/stats``."""
    return {
        symbol: {
            "name": symbol,
            "frequency": count.frequency,
            "pattern_member_frequency": count.patterns,
        }
        for symbol, count in node.symbols.items()
    }
