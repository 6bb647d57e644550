"""Observations: what they may hold, checked before anything is accepted.

Much of what is refused here a server would take and then suffer from: one lone surrogate blocks
a KATO process for 51 s, ragged vectors answer 500 every time (kato-api 4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from kato_tasks.errors import InvalidInput

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
).encode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SHOWN: Final = 60


def _same_length(vectors: list[list[float]]) -> list[list[float]]:
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) > 1:
        problem = f"have different lengths ({', '.join(map(str, lengths))})"
        raise InvalidInput("vectors", problem, "lists of one length")
    return vectors


class Observation(BaseModel):
    """One observation: what happened at one moment of a session.

    Attributes:
        strings: Symbols; the server sorts them and keeps repetitions.
        vectors: Vectors of finite numbers, all of one length.
        emotives: Named finite numbers.
        metadata: Named JSON values; finite numbers only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    strings: list[str] = Field(default_factory=list)
    vectors: Annotated[list[list[float]], AfterValidator(_same_length)] = Field(
        default_factory=list
    )
    emotives: dict[str, float] = Field(default_factory=dict)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


ObservationLike = Observation | Mapping[str, object]
"""What callers may hand in: an :class:`Observation`, or a mapping with its fields."""


def encode_observation(observation: ObservationLike, *, max_bytes: int, subject: str = "") -> bytes:
    """Return an observation as the JSON that goes to the server.

    Args:
        observation: The observation, or a mapping with its fields.
        max_bytes: The longest JSON that is accepted.
        subject: How the caller knows this observation, such as ``"observation 3"``; it begins
            the sentence of a refusal.

    Raises:
        InvalidInput: A field is unknown or of a wrong type, a number is not finite, the vectors
            are ragged, a text has a lone surrogate, or the whole is too long.
    """
    checked = _checked(observation, subject)
    fields = {name: value for name, value in checked.__dict__.items() if value}
    try:
        encoded = _encode(fields).encode()
    except UnicodeEncodeError as error:
        raise _surrogate(error, subject) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(subject or "observation", f"is no JSON ({error})", "JSON") from None
    if len(encoded) > max_bytes:
        raise InvalidInput(
            subject or "observation", f"has {len(encoded)} bytes as JSON", f"at most {max_bytes}"
        )
    return encoded


def encode_observations(
    observations: Iterable[ObservationLike], *, max_bytes: int
) -> tuple[bytes, ...]:
    """Return several observations as JSON, all or none.

    Raises:
        InvalidInput: As for :func:`encode_observation`; the sentence counts from 0.
    """
    if not isinstance(observations, Iterable):
        raise InvalidInput("observations", f"are {shown(observations)}", "a list of observations")
    return tuple(
        encode_observation(item, max_bytes=max_bytes, subject=f"observation {index}:")
        for index, item in enumerate(observations)
    )


def observation_fields(
    strings: object, vectors: object, emotives: object, metadata: object
) -> dict[str, object]:
    """Return the fields of an observation as it is checked: lists of lists, and plain mappings.

    What is no list and no mapping stays as it is, for :func:`encode_observation` to refuse. A
    text is none: its letters would become symbols of their own.
    """
    rows = _listed(vectors)
    return {
        "strings": _listed(strings),
        "vectors": list(map(_listed, rows)) if isinstance(rows, list) else rows,
        "emotives": _mapped(emotives),
        "metadata": _mapped(metadata),
    }


def _listed(value: object) -> object:
    if isinstance(value, (str, bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
        return value
    return list(value)


def _mapped(value: object) -> object:
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else value


def explain(error: ValidationError, subject: str = "") -> InvalidInput:
    """Return pydantic's refusal as ours: its first complaint, in one sentence.

    Args:
        error: What pydantic raised.
        subject: How the caller knows the input; it begins the sentence.
    """
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInput):
        place = _cut(_writable(cause.subject))
        return InvalidInput(f"{subject} {place}".strip(), cause.problem, cause.allowed)
    place = _cut(_place(first["loc"]))
    return InvalidInput(f"{subject} {place}".strip() or "input", _problem(first), _allowed(first))


def shown(value: object) -> str:
    """Return any value as a sentence may show it: cut, and without lone surrogates."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - what others' code raises is not the caller's mistake
        # Nested beyond the interpreter's stack, an integer beyond its 4300 digits, a bad repr.
        return f"a {type(value).__name__} that cannot be shown"
    return _writable(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _writable(text: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _checked(observation: ObservationLike, subject: str) -> Observation:
    if isinstance(observation, Observation):
        return observation
    try:
        return Observation.model_validate(observation)
    except ValidationError as error:
        raise explain(error, subject or "observation") from None


def _place(location: Sequence[int | str]) -> str:
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        else:
            place += f".{part}" if place else str(part)
    return place


def _problem(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing"
    return f"is {shown(detail['input'])}"


_ALLOWED: Final = {
    "extra_forbidden": "only the documented fields",
    "finite_number": "a finite number",
    "float_type": "a finite number",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "string_type": "text",
    "string_unicode": "text without lone surrogates",
    "missing": "a value",
    "invalid-json-value": "a JSON value",
    "invalid_key": "text as a name",
    "model_type": "an observation or a mapping of its fields",
    "recursion_depth_exceeded": "JSON that is not nested so deeply",
    "recursion_loop": "JSON that is neither circular nor nested so deeply",
}


def _allowed(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Input should be ")
    return _ALLOWED.get(detail["type"], message[:1].lower() + message[1:])


def _surrogate(error: UnicodeEncodeError, subject: str) -> InvalidInput:
    around = error.object[max(0, error.start - 10) : error.start]
    return InvalidInput(
        subject or "observation",
        f"has a lone surrogate after {around!r}",
        "text without lone surrogates",
    )
