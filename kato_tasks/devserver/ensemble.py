"""The figures of predictions that depend on each other and on the node's whole knowledge."""

import math
from collections import Counter

from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.patterns import Node, SymbolCount

Prediction = dict[str, Json]


def measure(found: list[Prediction], node: Node, symbols: list[str]) -> None:
    """Add to each prediction what it is worth beside the others.

    Args:
        found: The predictions, with everything that needs only a pattern and the STM.
        node: Whose patterns they are.
        symbols: Those of the STM.
    """
    shares = _shares(found, node)
    total = sum(entry["frequency"] for entry in found)
    for entry in found:
        _inform(entry, node, shares)
        distance = 1 - _cosine(symbols, _flat(entry["present"]), shares)
        entry["itfdf_similarity"] = 1 - distance * entry["frequency"] / total
        entry["potential"] = (
            (entry["evidence"] + entry["confidence"]) * entry["snr"]
            + entry["itfdf_similarity"]
            + 1 / (entry["fragmentation"] + 1)
        )
        _believe(entry, entry["frequency"] / total)
    likelihood = sum(entry["weighted_strength"] for entry in found)
    futures = {str(f["future"]): f["aggregate_potential"] for f in future_potentials(found)}
    for entry in found:
        potential = futures.get(str(entry["future"]))
        strength = entry["weighted_strength"]
        entry["bayesian_posterior"] = strength / likelihood
        entry["predictive_information"] = strength / potential if potential else 0.0


def future_potentials(found: list[Prediction]) -> list[Json]:
    """The futures of several predictions, each with its share of frequency times similarity."""
    weights: dict[str, float] = {}
    support: Counter[str] = Counter()
    futures: dict[str, Json] = {}
    for entry in found:
        if entry["future"]:
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


def _flat(events: list[list[str]]) -> list[str]:
    return [symbol for event in events for symbol in event]


def _shares(found: list[Prediction], node: Node) -> dict[str, float]:
    """In which share of the patterns each matched or missing symbol stands; no others count."""
    symbols = {s for entry in found for s in (*entry["matches"], *_flat(entry["missing"]))}
    counts = {symbol: node.symbols.get(symbol, SymbolCount()).patterns for symbol in symbols}
    return {symbol: count / max(node.counted, 1) for symbol, count in counts.items()}


def _inform(entry: Prediction, node: Node, shares: dict[str, float]) -> None:
    """The figures of information theory, for the pattern's present."""
    present = _flat(entry["present"])
    counts = Counter(present)
    parts = {symbol: count / len(present) for symbol, count in counts.items()}
    scale = math.log2(max(len(node.symbols), 1)) or 1.0
    total = max(node.counted, 1)
    entropy = -sum(part * math.log2(part) for part in parts.values()) + 0.0
    chance = math.prod(shares[symbol] for symbol in present)
    entry["confluence"] = entry["frequency"] / total * (1 - chance)
    entry["entropy"] = entropy
    entry["normalized_entropy"] = entropy / scale
    entry["global_normalized_entropy"] = (
        sum(-shares[symbol] * math.log2(shares[symbol]) for symbol in parts if shares[symbol])
        / scale
        + 0.0
    )
    # A symbol the statistics do not know counts as being in one pattern.
    rarity = (
        part * (1 - math.log2(max(shares[symbol], 1 / total))) for symbol, part in parts.items()
    )
    entry["tfidf_score"] = sum(rarity) / len(parts)


def _believe(entry: Prediction, probability: float) -> None:
    """The figures of probability, as far as one prediction has them alone."""
    entry["pattern_probability"] = entry["bayesian_prior"] = probability
    entry["bayesian_likelihood"] = entry["similarity"]
    entry["weighted_strength"] = probability * entry["similarity"]


def _cosine(symbols: list[str], present: list[str], shares: dict[str, float]) -> float:
    """How alike the STM and a present are, each symbol weighted by its share of patterns."""
    left = {symbol: n * shares.get(symbol, 0.0) for symbol, n in Counter(symbols).items()}
    right = {symbol: n * shares.get(symbol, 0.0) for symbol, n in Counter(present).items()}
    size = math.hypot(*left.values()) * math.hypot(*right.values())
    dot = sum(value * left.get(symbol, 0.0) for symbol, value in right.items())
    return dot / size if size else 0.0
