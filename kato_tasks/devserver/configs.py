"""Session configuration: the defaults and the server's two different validations (kato-api 3)."""

from collections.abc import Callable

from kato_tasks.devserver.failures import Json, Refused, ServerError

Config = dict[str, Json]
Rule = Callable[[Json], bool]

DEFAULTS: Config = {
    "max_pattern_length": 0,
    "persistence": 5,
    "recall_threshold": 0.1,
    "indexer_type": "VI",
    "max_predictions": 100,
    "sort_symbols": True,
    "process_predictions": True,
    "use_token_matching": True,
    "stm_mode": "CLEAR",
    "rank_sort_algo": "potential",
    "filter_pipeline": [],
    "length_min_ratio": 0.5,
    "length_max_ratio": 2.0,
    "jaccard_threshold": 0.3,
    "jaccard_min_overlap": 2,
    "minhash_threshold": 0.7,
    "minhash_bands": 20,
    "minhash_rows": 5,
    "minhash_num_hashes": 100,
    "bloom_false_positive_rate": 0.01,
    "max_candidates_per_stage": 100000,
    "enable_filter_metrics": True,
}
# Keys without a default: they show up in the effective configuration once they are set.
_UNSET = ("fuzzy_token_threshold", "affinity_emotive")

_INDEXERS = ("VI", "LSH", "ANNOY", "FAISS")
_FILTERS = ("length", "jaccard", "minhash", "bloom", "rapidfuzz")
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


def _whole(low: int, high: int | None = None) -> Rule:
    return lambda value: isinstance(value, int) and value >= low and (high is None or value <= high)


def _number(low: float, high: float | None = None) -> Rule:
    return lambda value: (
        isinstance(value, (int, float)) and value >= low and (high is None or value <= high)
    )


def _one_of(*choices: str) -> Rule:
    return lambda value: isinstance(value, str) and value in choices


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool)


def _is_pipeline(value: Json) -> bool:
    return isinstance(value, list) and all(name in _FILTERS for name in value)


_ON_CREATE: dict[str, Rule] = {
    "max_pattern_length": _whole(0),
    "persistence": _whole(1, 100),
    "recall_threshold": _number(0.0, 1.0),
    "indexer_type": _one_of(*_INDEXERS),
    "max_predictions": _whole(1, 10000),
    "stm_mode": _one_of("CLEAR", "ROLLING"),
    "rank_sort_algo": _one_of(*_RANKINGS),
    "filter_pipeline": _is_pipeline,
    "fuzzy_token_threshold": _number(0.0, 1.0),
    "length_min_ratio": _number(0.0, 1.0),
    "length_max_ratio": _number(1.0),
    "jaccard_threshold": _number(0.0, 1.0),
    "jaccard_min_overlap": _whole(1),
    "minhash_threshold": _number(0.0, 1.0),
    "minhash_bands": _whole(1),
    "minhash_rows": _whole(1),
    "minhash_num_hashes": _whole(1),
    "bloom_false_positive_rate": _number(0.0, 1.0),
    "max_candidates_per_stage": _whole(1),
}

_BOOLEAN_TEXT = "Must be a boolean (true/false)"
_ON_UPDATE: dict[str, tuple[Rule, str]] = {
    "recall_threshold": (_number(0.0, 1.0), "Must be a number between 0.0 and 1.0"),
    "persistence": (_whole(1, 100), "Must be an integer between 1 and 100"),
    "max_pattern_length": (_whole(0), "Must be a non-negative integer"),
    "max_predictions": (_whole(1, 10000), "Must be an integer between 1 and 10000"),
    "indexer_type": (_one_of(*_INDEXERS), "Must be one of: " + ", ".join(_INDEXERS)),
    "process_predictions": (_is_boolean, _BOOLEAN_TEXT),
    "use_token_matching": (_is_boolean, _BOOLEAN_TEXT),
    "rank_sort_algo": (_one_of(*_RANKINGS), "Must be one of: " + ", ".join(_RANKINGS)),
    "stm_mode": (lambda value: isinstance(value, str), "Must be a string"),
}


def created(config: Config | None, defaults: Config) -> Config:
    """The effective configuration of a new session of a server with these defaults.

    Unknown keys are ignored; one invalid value drops everything that was sent.

    Raises:
        ServerError: ``to_dict`` is among the keys, which breaks the real server.
    """
    sent = config or {}
    if "to_dict" in sent:
        raise ServerError
    for key, rule in _ON_CREATE.items():
        if sent.get(key) is not None and not rule(sent[key]):
            return dict(defaults)
    return defaults | _known(sent)


def updated(current: Config, body: Config) -> Config:
    """The effective configuration after ``POST /config`` with this body.

    The changes may stand at the top or under ``config``.

    Raises:
        Refused: 400 with a text per invalid key; nothing is to be applied.
        ServerError: ``config`` is there and no object.
    """
    sent = body.get("config", body)
    if not isinstance(sent, dict):
        raise ServerError
    errors = {
        key: text for key, (rule, text) in _ON_UPDATE.items() if key in sent and not rule(sent[key])
    }
    if errors:
        detail = {"error": "Configuration validation failed", "validation_errors": errors}
        raise Refused(400, {"detail": detail})
    changes = _known(sent)
    if changes.get("stm_mode") not in (None, "CLEAR", "ROLLING"):
        changes["stm_mode"] = "CLEAR"
    if "use_token_matching" in changes:
        changes["sort_symbols"] = changes["use_token_matching"]
    return current | changes


def _known(sent: Config) -> Config:
    """The keys that mean something and have a value: null is the same as not sent."""
    return {
        key: value
        for key, value in sent.items()
        if value is not None and (key in DEFAULTS or key in _UNSET)
    }
