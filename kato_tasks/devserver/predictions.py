"""What a node's patterns predict for an STM, and in which order.

The figures equal the recorded answers; `ensemble` has their formulas. Not reproduced: fuzzy
symbols, filter pipelines, affinity weights (their fields stay null), recall thresholds of 0
(patterns without any common symbol), figures after finalize-training, and the order of exact
ties, which on the real server depends on its store: here the newest pattern comes first, of
those for a single symbol the oldest.
"""

from collections.abc import Iterable
from heapq import nlargest

from kato_tasks.devserver.alignment import align, similarity, split
from kato_tasks.devserver.configs import Config
from kato_tasks.devserver.ensemble import future_potentials, measure
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.patterns import Node, Pattern
from kato_tasks.devserver.rules import Event, mean_emotives

Prediction = dict[str, Json]

_WEIGHTED = dict.fromkeys(
    ("weighted_similarity", "weighted_evidence", "weighted_confidence", "weighted_snr")
)
_PRUNED_ABOVE = 3  # times the limit: more candidates are cut by a cheaper figure first


def asked(node: Node, stm: list[Event], config: Config) -> list[Prediction]:
    """What ``GET /predictions`` answers, with the session's own threshold and limit."""
    symbols = [symbol for event in stm for symbol in event]
    limit = int(config["max_predictions"])
    if not symbols:
        return []
    if len(symbols) == 1:
        return _of_one_symbol(node, symbols[0])[:limit]
    found = _candidates(node, stm, symbols, float(config["recall_threshold"]))
    if len(found) > _PRUNED_ABOVE * limit:
        found = _pruned(found, _PRUNED_ABOVE * limit)
    measure(found, node, symbols)
    node.futures = future_potentials(found)
    return nlargest(limit, found, key=lambda entry: entry[config["rank_sort_algo"]] or 0.0)


def observed(node: Node, stm: list[Event], defaults: Config) -> list[Prediction]:
    """What an observe stores: the session's threshold and limit do not count (kato-api 3)."""
    if not node.patterns or sum(map(len, stm)) <= 1:
        return []
    return asked(node, stm, defaults)


def _of_one_symbol(node: Node, symbol: str) -> list[Prediction]:
    """The patterns that begin with the symbol; no others count."""
    found = [
        _short_form(pattern, symbol)
        for pattern in _with(node, [symbol])
        if pattern.symbols[0] == symbol
    ]
    return sorted(found, key=lambda entry: -entry["potential"])


def _short_form(pattern: Pattern, symbol: str) -> Prediction:
    """What the server answers for an STM of a single symbol."""
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
        "past": [],
        "future": symbols[1:],
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


def _candidates(
    node: Node, stm: list[Event], symbols: list[str], threshold: float
) -> list[Prediction]:
    """Every pattern similar enough, the newest first."""
    found = []
    for pattern in reversed(list(_with(node, symbols))):
        likeness = similarity(pattern.symbols, symbols)
        if likeness >= threshold:
            entry = _shape(pattern, stm, symbols)
            found.append(entry | {"similarity": likeness})
    return found


def _with(node: Node, symbols: Iterable[str]) -> Iterable[Pattern]:
    """The patterns that have any of the symbols, the oldest first."""
    names = {name for symbol in set(symbols) for name in node.by_symbol.get(symbol, ())}
    if not names:
        return ()
    return (pattern for name, pattern in node.patterns.items() if name in names)


def _shape(pattern: Pattern, stm: list[Event], symbols: list[str]) -> Prediction:
    """The parts of the pattern before, at and after the match, and what does not fit."""
    flat = pattern.symbols
    fit = align(flat, symbols)
    assert fit is not None  # noqa: S101 - a candidate has a symbol of the STM
    past, present, future = split(pattern.events, fit)
    there = {symbol for event in present for symbol in event}
    matched, extras = len(fit.matches), len(symbols) - len(fit.matches)
    return {
        "type": "prototypical",
        "name": pattern.name.removeprefix("PTRN|"),
        "frequency": pattern.frequency,
        "emotives": mean_emotives(pattern.emotives),
        "matches": fit.matches,
        "past": past,
        "present": present,
        "missing": [[s for s in event if s not in fit.matches] for event in present],
        "extras": [[s for s in event if s not in there] for event in stm],
        "anomalies": [],
        "evidence": matched / len(flat),
        "fragmentation": float(fit.blocks - 1),
        "snr": (2 * matched - extras) / (2 * matched + extras),
        "sequence": pattern.events,
        "future": future,
        "confidence": matched / sum(map(len, present)),
        **_WEIGHTED,
    }


def _pruned(found: list[Prediction], limit: int) -> list[Prediction]:
    for entry in found:
        quality = (entry["evidence"] + entry["confidence"]) * entry["snr"]
        entry["_pre_potential"] = quality + 1 / (entry["fragmentation"] + 1)
    return nlargest(limit, found, key=lambda entry: entry["_pre_potential"])
