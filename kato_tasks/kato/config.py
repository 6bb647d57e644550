"""The session config of KATO 3.10.1: its keys, their ranges, and what a server made of them.

The server drops a whole config without a word when one value is out of range, stores wrong-typed
booleans as they come, and ignores keys it does not know (kato-api 3). All of it is refused here.
The ranges that no recorded exchange shows are those of KATO's own configuration reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import JsonValue

from kato_tasks.errors import InvalidInput
from kato_tasks.observations import shown

# The largest TTL that the server was seen to take; a little above it dates overflow (kato-api 2).
MAX_TTL_SECONDS = 250_000_000_000

_INDEXERS = ("VI", "LSH", "ANNOY", "FAISS")
_FILTERS = ("length", "jaccard", "bloom", "minhash", "rapidfuzz")
_RANKINGS = (
    "potential",
    "similarity",
    "evidence",
    "confidence",
    "snr",
    "fragmentation",
    "frequency",
    "normalized_entropy",
    "global_normalized_entropy",
    "itfdf_similarity",
    "confluence",
    "predictive_information",
    "bayesian_posterior",
    "bayesian_prior",
    "bayesian_likelihood",
    "tfidf_score",
    "weighted_similarity",
    "weighted_evidence",
    "weighted_confidence",
    "weighted_snr",
)
# Python writes and reads no number of more than 4,300 digits, and other JSON readers far less.
_LARGEST = 2**63 - 1
_LONGEST_NAME = 60
# KATO's guide shows these two as config keys; the server ignores them (kato-api 3).
_NOT_CONFIG = frozenset({"session_ttl", "session_auto_extend"})


@dataclass(frozen=True, kw_only=True)
class _Check:
    """What one config key may hold: as a phrase for people, and as a predicate."""

    allowed: str
    accepts: Callable[[object], bool]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _ranged(kind: str, is_kind: Callable[[object], bool], low: float, high: float | None) -> _Check:
    top = _LARGEST if high is None else high

    def accepts(value: object) -> bool:
        return is_kind(value) and isinstance(value, int | float) and low <= value <= top

    return _Check(allowed=f"{kind} from {low} to {top}", accepts=accepts)


def _integer(low: int, high: int | None = None) -> _Check:
    return _ranged("an integer", _is_integer, low, high)


def _number(low: float, high: float | None = None) -> _Check:
    return _ranged("a number", _is_number, low, high)


def _one_of(*names: str) -> _Check:
    return _Check(
        allowed="one of " + ", ".join(names),
        accepts=lambda value: isinstance(value, str) and value in names,
    )


def _some_of(*names: str) -> _Check:
    return _Check(
        allowed="a list of any of " + ", ".join(names),
        accepts=lambda value: (
            isinstance(value, list | tuple)
            and all(isinstance(name, str) and name in names for name in value)
        ),
    )


_FLAG = _Check(allowed="true or false", accepts=lambda value: isinstance(value, bool))
_TEXT = _Check(
    allowed="a string of printable characters",
    accepts=lambda value: isinstance(value, str) and value.isprintable(),
)

_CHECKS: Mapping[str, _Check] = MappingProxyType(
    {
        "max_pattern_length": _integer(0),
        "persistence": _integer(1, 100),
        "recall_threshold": _number(0.0, 1.0),
        "indexer_type": _one_of(*_INDEXERS),
        "max_predictions": _integer(1, 10_000),
        "sort_symbols": _FLAG,
        "process_predictions": _FLAG,
        "use_token_matching": _FLAG,
        "fuzzy_token_threshold": _number(0.0, 1.0),
        "stm_mode": _one_of("CLEAR", "ROLLING"),
        "rank_sort_algo": _one_of(*_RANKINGS),
        "affinity_emotive": _TEXT,
        "filter_pipeline": _some_of(*_FILTERS),
        "length_min_ratio": _number(0.0, 1.0),
        "length_max_ratio": _number(1.0),
        "jaccard_threshold": _number(0.0, 1.0),
        "jaccard_min_overlap": _integer(1),
        "minhash_threshold": _number(0.0, 1.0),
        "minhash_bands": _integer(1, 100),
        "minhash_rows": _integer(1, 20),
        "minhash_num_hashes": _integer(10, 256),
        "bloom_false_positive_rate": _number(0.0001, 0.1),
        "max_candidates_per_stage": _integer(100),
        "enable_filter_metrics": _FLAG,
    }
)


def validate_config(config: Mapping[str, object]) -> dict[str, JsonValue]:
    """Check a session config against the keys and ranges of KATO 3.10.1.

    An integer is a number where a number is asked for; a boolean is neither. None is no value:
    leave the key out for the server's default.

    Args:
        config: Config keys and their values.

    Returns:
        The same config as plain JSON values; a tuple has become a list.

    Raises:
        InvalidInput: For the first key or value that the server would drop, ignore or
            misread (kato-api 3); its subject is ``config.<key>``.
    """
    if not isinstance(config, Mapping):
        raise InvalidInput(
            "config", f"is of type {type(config).__name__}", "keys with their values"
        )
    return {key: _checked(key, value) for key, value in config.items()}


def _name(key: object) -> str:
    # What cannot be printed cannot be encoded either, as a lone surrogate.
    if isinstance(key, str) and len(key) <= _LONGEST_NAME:
        return key if key.isprintable() else ascii(key)
    return shown(key)


def _checked(key: str, value: object) -> JsonValue:
    subject = f"config.{_name(key)}"
    if key in _NOT_CONFIG:
        raise InvalidInput(subject, "is ignored by the server", "ttl instead, beside the config")
    check = _CHECKS.get(key)
    if check is None:
        known = "one of " + ", ".join(_CHECKS)
        raise InvalidInput(subject, "is no config key of the server", known)
    if not check.accepts(value):
        raise InvalidInput(subject, f"is {shown(value)}", check.allowed)
    return _as_json(value)


def _as_json(value: object) -> JsonValue:
    if isinstance(value, bool | int | float | str):
        return value
    # Only filter_pipeline gets here, and its check has seen that every item is a name.
    return [str(name) for name in value] if isinstance(value, list | tuple) else None


def validate_ttl(subject: str, seconds: object) -> int:
    """Return a session's time to live if it is one.

    The server takes 0 at create as "the default", fails on less, and at extend deletes the
    session for either (kato-api 2).

    Args:
        subject: The argument's name, for the error.
        seconds: Whole seconds, from 1 to ``MAX_TTL_SECONDS``.

    Raises:
        InvalidInput: For anything else.
    """
    if isinstance(seconds, int) and _is_integer(seconds) and 1 <= seconds <= MAX_TTL_SECONDS:
        return seconds
    allowed = f"whole seconds from 1 to {MAX_TTL_SECONDS}"
    raise InvalidInput(subject, f"is {shown(seconds)}", allowed)


def validate_flag(subject: str, value: object) -> bool:
    """Return a value if it is a boolean.

    Args:
        subject: The argument's name, for the error.
        value: What was given.

    Raises:
        InvalidInput: It is anything else.
    """
    if isinstance(value, bool):
        return value
    raise InvalidInput(subject, f"is {shown(value)}", _FLAG.allowed)


def effective_differences(
    sent: Mapping[str, JsonValue], effective: Mapping[str, JsonValue]
) -> tuple[str, ...]:
    """Name the config keys that a server did not take as they were sent.

    Args:
        sent: The config of a request.
        effective: The config that the server answered, its defaults merged in.

    Returns:
        The keys of ``sent``, in its order, that are missing from ``effective`` or have another
        value there. The integer 1 equals the float 1.0; true equals neither.
    """
    return tuple(
        key
        for key, value in sent.items()
        if key not in effective or not _same(value, effective[key])
    )


def _same(one: JsonValue, other: JsonValue) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
