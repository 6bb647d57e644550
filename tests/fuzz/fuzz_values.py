"""Values of every kind that a program, a message or a file may hand in by mistake or malice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]


class Unshowable:
    """Has no ``repr``."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def nested(depth: int, *, mapping: bool = False) -> Any:  # noqa: ANN401 - lists or dicts
    """Return a list in a list in a list, or mappings, this deep."""
    inner: Any = {} if mapping else []
    for _ in range(depth):
        inner = {"k": inner} if mapping else [inner]
    return inner


def circular() -> list[Any]:
    """Return a list that holds itself."""
    inner: list[Any] = []
    inner.append(inner)
    return inner


def circular_mapping() -> dict[str, Any]:
    """Return a mapping that holds itself."""
    inner: dict[str, Any] = {}
    inner["k"] = inner
    return inner


def generated() -> Iterator[str]:
    """Yield two symbols, once."""
    yield from ("a", "b")


any_text: Final = st.text(st.characters(), max_size=6) | st.sampled_from(
    [
        "",
        "a",
        "a\0b",
        "a\nb",
        "\ud800",
        "b\udfff",
        "x" * 600,
        "x" * 5_000,
        "ü" * 300,
        "test_a",
        "👩‍👩‍👧",
    ]
)
"""NUL, line ends and lone surrogates among them, and texts that are too long for a name."""

_HUGE: Final = (10**20, -(10**400), 10**4299, 2**53 + 1)

json_scalars: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(_HUGE)
    | st.floats()  # NaN and the infinities too: Python's JSON has them
    | any_text
)

json_values: Final = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
) | st.builds(nested, st.sampled_from([40, 300]), mapping=st.booleans())
"""What a JSON decoder may answer."""

foreign: Final = st.one_of(
    st.binary(max_size=4),
    st.builds(bytearray, st.binary(max_size=4)),
    st.builds(set, st.lists(st.integers() | any_text, max_size=3)),
    st.builds(frozenset, st.lists(any_text, max_size=3)),
    st.builds(tuple, st.lists(json_scalars, max_size=3)),
    st.builds(circular),
    st.builds(circular_mapping),
    st.builds(nested, st.just(100_000), mapping=st.booleans()),
    st.builds(generated),
    st.builds(Unshowable),
    st.just(10**5_000),  # more digits than Python shows
    st.sampled_from([1j, Decimal(1), datetime(2026, 1, 1, tzinfo=UTC), object, len, range(3)]),
)
"""What JSON has no word for."""

anything: Final = (
    json_values
    | foreign
    | st.lists(foreign, min_size=1, max_size=2)
    | st.dictionaries(any_text, foreign, min_size=1, max_size=2)
    | st.dictionaries(st.integers() | st.none() | st.binary(max_size=2), json_scalars, max_size=2)
)

_names: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_numbers: Final = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000)
_documents: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | _numbers | _names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=5,
)

good_observations: Final = st.fixed_dictionaries(
    {},
    optional={
        "strings": st.lists(_names, max_size=4),
        "vectors": st.lists(st.lists(_numbers, min_size=2, max_size=2), max_size=3),
        "emotives": st.dictionaries(_names, _numbers, max_size=3),
        "metadata": st.dictionaries(_names, _documents, max_size=3),
    },
)


def decoded(payload: bytes) -> dict[str, Any]:
    """Return an observation's payload as it reads, with all four fields."""
    fields: dict[str, Any] = json.loads(payload)
    return {name: fields.get(name, kind()) for name, kind in _FIELDS.items()}


def meant(observation: dict[str, Any]) -> dict[str, Any]:
    """Return what an accepted observation says, in the form of :func:`decoded`."""
    given = {name: observation.get(name) or kind() for name, kind in _FIELDS.items()}
    return {
        "strings": _listed(given["strings"]),
        "vectors": [[float(number) for number in vector] for vector in given["vectors"]],
        "emotives": {name: float(number) for name, number in given["emotives"].items()},
        "metadata": dict(given["metadata"]),
    }


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - what can be iterated
    """Return a list; a generator has been used up, and there is only one of them."""
    return list(generated() if isinstance(value, Iterator) else value)


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same JSON: 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def is_sentence(text: str) -> bool:
    """Tell whether an error can be shown, logged and read: short, and text that can be written."""
    text.encode()  # a lone surrogate cannot
    return 10 < len(text) < 1_500


_FIELDS: Final[dict[str, type]] = {
    "strings": list,
    "vectors": list,
    "emotives": dict,
    "metadata": dict,
}
