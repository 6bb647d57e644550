"""How values stand in Redis: small JSON objects."""

from __future__ import annotations

import json
from typing import Any, Final

from kato_tasks.models import Outcome, PredictionMode, SessionSpec

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def encode_spec(spec: SessionSpec) -> str:
    """Return a spec as JSON; fields at their default are left out."""
    fields: dict[str, Any] = {"node": spec.node, "instance": spec.instance}
    if spec.config:
        fields["config"] = dict(spec.config)
    if spec.ttl is not None:
        fields["ttl"] = spec.ttl
    if spec.tags:
        fields["tags"] = list(spec.tags)
    if spec.predictions is not PredictionMode.ON_DEMAND:
        fields["predictions"] = spec.predictions.value
    return _encode(fields)


def decode_spec(text: bytes) -> SessionSpec:
    """Return the spec that :func:`encode_spec` wrote."""
    fields = json.loads(text)
    return SessionSpec(
        node=fields["node"],
        instance=fields["instance"],
        config=fields.get("config", {}),
        ttl=fields.get("ttl"),
        tags=tuple(fields.get("tags", ())),
        predictions=PredictionMode(fields.get("predictions", PredictionMode.ON_DEMAND)),
    )


def encode_outcome(outcome: Outcome | None) -> str:
    """Return an outcome as JSON; ``""`` for none."""
    if outcome is None:
        return ""
    if outcome.refusal is not None:
        return _encode({"refusal": outcome.refusal})
    return _encode({"pattern": outcome.pattern})


def decode_outcome(text: bytes) -> Outcome:
    """Return the outcome that :func:`encode_outcome` wrote."""
    fields = json.loads(text)
    return Outcome(pattern=fields.get("pattern"), refusal=fields.get("refusal"))
