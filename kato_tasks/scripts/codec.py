"""How values stand in Redis: small JSON objects, milliseconds, words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from kato_tasks.models import (
    IdlePolicy,
    Intent,
    Kind,
    Learning,
    Outcome,
    PredictionMode,
    SessionSpec,
)

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def milliseconds(seconds: float) -> int:
    """Return a time-out as scripts take it, milliseconds; at least 1, as a store takes no other."""
    return max(1, round(seconds * 1000))


def delay(seconds: float | None) -> int | str:
    """Return a delay as scripts take it, milliseconds from 0; ``""`` for None."""
    return "" if seconds is None else max(0, round(seconds * 1000))


def session_keys(reply: Sequence[bytes]) -> tuple[str, ...]:
    """Return the session keys that a script answered."""
    return tuple(key.decode() for key in reply)


def encode_spec(spec: SessionSpec) -> str:
    """Return a spec as JSON; fields at their default are left out, and node and instance.

    Those stand beside it. A record is stored in a third of the room while none of its values is
    longer than 64 bytes, and with them the spec would be as soon as a key is a UUID.
    """
    fields: dict[str, Any] = {}
    if spec.config:
        fields["config"] = dict(spec.config)
    if spec.ttl is not None:
        fields["ttl"] = spec.ttl
    if spec.tags:
        fields["tags"] = list(spec.tags)
    if spec.predictions is not PredictionMode.ON_DEMAND:
        fields["predictions"] = spec.predictions.value
    if not spec.auto_extend:
        fields["auto_extend"] = False
    if spec.idle is not None:
        fields["idle"] = spec.idle.value
    if spec.idle_after is not None:
        fields["idle_after"] = spec.idle_after
    return _encode(fields)


def decode_spec(text: bytes, *, node: str, instance: str) -> SessionSpec:
    """Return the spec that :func:`encode_spec` wrote, with what stands beside it."""
    fields = json.loads(text)
    idle = fields.get("idle")
    return SessionSpec(
        node=node,
        instance=instance,
        config=fields.get("config", {}),
        ttl=fields.get("ttl"),
        tags=tuple(fields.get("tags", ())),
        predictions=PredictionMode(fields.get("predictions", PredictionMode.ON_DEMAND)),
        auto_extend=fields.get("auto_extend", True),
        idle=None if idle is None else IdlePolicy(idle),
        idle_after=fields.get("idle_after"),
    )


def encode_observation(payload: bytes) -> bytes:
    """Return an observation as an entry of a journal that nobody accepted as it is."""
    return b"%s 0 %s" % (Kind.OBSERVE.value.encode(), payload)


def encode_memory(stm: Sequence[Sequence[str]] | None) -> str:
    """Return a short-term memory as JSON; ``""`` for none."""
    return "" if stm is None else _encode([list(event) for event in stm])


def decode_memory(text: bytes) -> list[list[str]] | None:
    """Return the memory that :func:`encode_memory` wrote."""
    if not text:
        return None
    found: list[list[str]] = json.loads(text)
    return found


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


def encode_intent(intent: Intent, token: str) -> str:
    """Return an intent as JSON; fields at their default are left out.

    Args:
        intent: The intent.
        token: Whose it is, so that no two claims write the same one.
    """
    fields: dict[str, Any] = {
        "first": intent.first,
        "count": intent.count,
        "kind": intent.kind.value,
        "time": intent.time,
        "sid": intent.session_id,
        "token": token,
    }
    if intent.pattern is not None:
        fields |= {"pattern": intent.pattern, "frequency": intent.frequency}
    if intent.config:
        fields["config"] = dict(intent.config)
    flags = {"failed": intent.failed, "rehomed": intent.rehomed}
    fields |= {name: True for name, is_set in flags.items() if is_set}
    return _encode(fields)


def decode_intent(text: bytes) -> Intent:
    """Return the intent that :func:`encode_intent` wrote."""
    fields = json.loads(text)
    return Intent(
        first=fields["first"],
        count=fields["count"],
        kind=Kind(fields["kind"]),
        time=fields["time"],
        session_id=fields["sid"],
        pattern=fields.get("pattern"),
        frequency=fields.get("frequency", -1),
        config=fields.get("config", {}),
        failed=fields.get("failed", False),
        rehomed=fields.get("rehomed", False),
    )


def encode_learning(learning: Learning) -> str:
    """Return how a server learns as a word: ``0``, ``4``, or ``4r`` for rolling."""
    return f"{learning.limit}{'r' if learning.rolling else ''}"


def decode_learning(text: bytes) -> Learning:
    """Return what :func:`encode_learning` wrote."""
    return Learning(limit=int(text.rstrip(b"r")), rolling=text.endswith(b"r"))
