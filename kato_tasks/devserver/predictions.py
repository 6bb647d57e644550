"""What a node's patterns predict for an STM.

The figures follow the recorded answers, from which their formulas were read off; what no
recording shows (fuzzy symbols, filter pipelines, affinity weights) is left out.
"""

import math
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple

from kato_tasks.devserver.configs import DEFAULTS, Config
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.patterns import Node, Pattern
from kato_tasks.devserver.rules import Event, mean_emotives

Prediction = dict[str, Json]

_WEIGHTED = dict.fromkeys(
    ("weighted_similarity", "weighted_evidence", "weighted_confidence", "weighted_snr")
)


class Alignment(NamedTuple):
    """How an STM lies on a pattern: matched places of both, and the number of blocks."""

    pattern_places: set[int]
    stm_places: set[int]
    blocks: int


def asked(node: Node, stm: list[Event], config: Config) -> list[Prediction]:
    """What ``GET /predictions`` answers, with the session's own threshold and limit."""
    symbols = [symbol for event in stm for symbol in event]
    known = _candidates(node, symbols)
    if len(symbols) == 1:
        found = [_of_one_symbol(pattern, symbols[0]) for pattern in known]
    else:
        found = _of_sequence(node, known, stm)
    threshold = float(config["recall_threshold"])
    ranking = config["rank_sort_algo"]
    kept = [entry for entry in found if entry["similarity"] >= threshold]
    kept.sort(key=lambda entry: -(entry.get(ranking) or 0.0))
    return kept[: int(config["max_predictions"])]


def observed(node: Node, stm: list[Event]) -> list[Prediction]:
    """What an observe stores: the session's threshold and limit do not count (kato-api 3)."""
    if not node.patterns or sum(map(len, stm)) <= 1:
        return []
    return asked(node, stm, DEFAULTS)


def future_potentials(found: list[Prediction]) -> list[Json]:
    """The futures of several predictions, each with its share of frequency times similarity."""
    weights: dict[str, float] = {}
    support: Counter[str] = Counter()
    futures: dict[str, Json] = {}
    for entry in found:
        if entry["future"] and "type" in entry:
            key = str(entry["future"])
            futures[key] = entry["future"]
            weights[key] = weights.get(key, 0.0) + entry["frequency"] * entry["similarity"]
            support[key] += 1
    total = sum(weights.values())
    return [
        {
            "future": futures[key],
            "aggregate_potential": weight / total,
            "supporting_patterns": support[key],
            "total_weighted_frequency": weight,
        }
        for key, weight in sorted(weights.items(), key=lambda item: -item[1])
    ]


def _candidates(node: Node, symbols: Iterable[str]) -> list[Pattern]:
    names: dict[str, None] = {}
    for symbol in dict.fromkeys(symbols):
        names.update(node.by_symbol.get(symbol, {}))
    return [node.patterns[name] for name in names]


def _of_one_symbol(pattern: Pattern, symbol: str) -> Prediction:
    """The short form the server answers for an STM of a single symbol."""
    symbols = pattern.symbols
    evidence = 1 / len(symbols)
    return {
        "name": pattern.name.removeprefix("PTRN|"),
        "pattern_data": pattern.events,
        "length": len(symbols),
        "frequency": pattern.frequency,
        "emotives": mean_emotives(pattern.emotives),
        "matches": [symbol],
        "missing": [],
        "present": [symbol],
        "past": symbols[: symbols.index(symbol)],
        "future": symbols[symbols.index(symbol) + 1 :],
        "extras": [],
        "similarity": 2 / (len(symbols) + 1),
        "evidence": evidence,
        "confidence": 1.0,
        "snr": 1.0,
        "fragmentation": 0,
        "anomalies": [],
        **_WEIGHTED,
        "potential": evidence + 2.0,
    }


def _of_sequence(node: Node, known: list[Pattern], stm: list[Event]) -> list[Prediction]:
    symbols = [symbol for event in stm for symbol in event]
    frequency = sum(pattern.frequency for pattern in known)
    found = []
    for pattern in known:
        alignment = _align(pattern.symbols, symbols)
        if alignment.pattern_places:
            entry = _shape(pattern, stm, alignment)
            _measure(entry, pattern, symbols, alignment)
            _weigh(entry, node, symbols, pattern.frequency / frequency)
            found.append(entry)
    likelihood = sum(entry["weighted_strength"] for entry in found)
    for entry in found:
        entry["bayesian_posterior"] = entry["weighted_strength"] / likelihood
    return found


def _align(pattern: list[str], symbols: list[str]) -> Alignment:
    matcher = SequenceMatcher(None, pattern, symbols, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    return Alignment(
        {block.a + step for block in blocks for step in range(block.size)},
        {block.b + step for block in blocks for step in range(block.size)},
        len(blocks),
    )


def _shape(pattern: Pattern, stm: list[Event], alignment: Alignment) -> Prediction:
    """The parts of the pattern before, at and after the match, and what does not fit."""
    missing = _unmatched(pattern.events, alignment.pattern_places)
    touched = [
        place for place, event in enumerate(pattern.events) if len(missing[place]) < len(event)
    ]
    first, last = touched[0], touched[-1] + 1
    symbols = pattern.symbols
    return {
        "type": "prototypical",
        "name": pattern.name.removeprefix("PTRN|"),
        "frequency": pattern.frequency,
        "emotives": mean_emotives(pattern.emotives),
        "matches": [symbols[place] for place in sorted(alignment.pattern_places)],
        "past": pattern.events[:first],
        "present": pattern.events[first:last],
        "missing": missing[first:last],
        "extras": _unmatched(stm, alignment.stm_places),
        "anomalies": [],
        "sequence": pattern.events,
        "future": pattern.events[last:],
        **_WEIGHTED,
    }


def _unmatched(events: list[Event], places: set[int]) -> list[list[str]]:
    found, place = [], 0
    for event in events:
        found.append([symbol for step, symbol in enumerate(event) if place + step not in places])
        place += len(event)
    return found


def _measure(entry: Prediction, pattern: Pattern, symbols: list[str], fit: Alignment) -> None:
    """The figures that need only this pattern and the STM."""
    matched, length = len(fit.pattern_places), len(pattern.symbols)
    extras = sum(map(len, entry["extras"]))
    distance = length + len(symbols) - 2 * matched
    entry["evidence"] = matched / length
    # In hundredths and back, as the server's library does: the last digit depends on it.
    entry["similarity"] = (100 - 100 * distance / (length + len(symbols))) / 100
    entry["fragmentation"] = float(fit.blocks - 1)
    entry["snr"] = (2 * matched - extras) / (2 * matched + extras)
    entry["confidence"] = matched / sum(map(len, entry["present"]))


def _weigh(entry: Prediction, node: Node, symbols: list[str], probability: float) -> None:
    """The figures that compare the pattern with the node's whole knowledge."""
    present = [symbol for event in entry["present"] for symbol in event]
    shares = [len(node.by_symbol[symbol]) / len(node.patterns) for symbol in present]
    scale = math.log2(len(node.by_symbol)) or 1.0
    counts = Counter(present)
    entropy = -sum(n / len(present) * math.log2(n / len(present)) for n in counts.values()) + 0.0
    cosine = _cosine(node, symbols, entry["matches"])
    strength = probability * entry["similarity"]
    entry["confluence"] = entry["frequency"] / len(node.patterns) * (1 - math.prod(shares))
    entry["entropy"] = entropy
    entry["normalized_entropy"] = entropy / scale
    entry["global_normalized_entropy"] = sum(-p * math.log2(p) for p in shares) / scale + 0.0
    entry["itfdf_similarity"] = 1 - (1 - cosine) * probability
    entry["tfidf_score"] = sum(1 - math.log2(p) for p in shares) / len(present) ** 2
    entry["pattern_probability"] = entry["bayesian_prior"] = probability
    entry["bayesian_likelihood"] = entry["similarity"]
    entry["weighted_strength"] = strength
    entry["predictive_information"] = strength if entry["future"] else 0.0
    entry["potential"] = (
        (entry["evidence"] + entry["confidence"]) * entry["snr"]
        + entry["itfdf_similarity"]
        + 1 / (entry["fragmentation"] + 1)
    )


def _cosine(node: Node, symbols: list[str], matches: list[str]) -> float:
    """How alike STM and matches are, each symbol weighted by how often it was learned."""
    left = {symbol: n * _frequency(node, symbol) for symbol, n in Counter(symbols).items()}
    right = {symbol: n * _frequency(node, symbol) for symbol, n in Counter(matches).items()}
    dot = sum(value * left[symbol] for symbol, value in right.items())
    return dot / (math.hypot(*left.values()) * math.hypot(*right.values()))


def _frequency(node: Node, symbol: str) -> int:
    return sum(node.patterns[name].frequency for name in node.by_symbol.get(symbol, ()))
