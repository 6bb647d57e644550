"""Compares an answer with the recorded one: what a server makes up is bound, nothing ignored.

A made-up name (a session's id, an observation's id) has another value here than there; the first
time it is seen the two are bound to each other, and from then on each must stand exactly where
the other stood. Times are compared with a tolerance, since the replay's clock is moved alike.
"""

import math
import re
from collections.abc import Iterator
from datetime import timedelta

from scorecard.moments import SECOND, micros
from scorecard.recordings import Json

_SESSION = re.compile(r"session-[0-9a-f]{32}-\d{13}")
_MADE_UP = re.compile(r"session-[0-9a-f]{32}-\d{13}|obs-[0-9a-f]{32}|seq-obs-[0-9a-f]{32}")
_TIMES = ("created_at", "expires_at", "last_accessed", "timestamp", "last_collection")
_SECONDS = ("uptime_seconds", "idle_seconds")
_DURATION_KEY = "time_ms"
_DURATION = re.compile(r"\d+(\.\d+)?ms\b")
_UNREACHABLE = re.compile(r"(Failed to retrieve pattern \S+: ).*", re.DOTALL)
_STORE = re.compile(r"redis://127\.0\.0\.1:\d+")
_TOLERANCE = timedelta(milliseconds=500)
_EXACT = {"expires_at": timedelta(milliseconds=20)}
_FLOAT_TOLERANCE = 1e-9
_ID_TOLERANCE_MS = 50


class Binding:
    """Which name of the recording is which name of the replay, one to one."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}

    def bind(self, theirs: str, ours: str) -> bool:
        """Whether the two are the same name; binds them if neither was seen before."""
        if theirs not in self._ours and ours not in self._theirs:
            self._ours[theirs], self._theirs[ours] = ours, theirs
        return self._ours.get(theirs) == ours

    def ours(self, text: str) -> str:
        """A text of the recording with the replay's sessions in it; unknown ones stay."""
        return _SESSION.sub(lambda found: self._ours.get(found[0], found[0]), text)


def differences(theirs: Json, ours: Json, binding: Binding, at: str = "") -> Iterator[str]:
    """Say where two bodies differ, one line for each place."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        yield from _of_objects(theirs, ours, binding, at)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        if at.endswith(".predictions"):
            theirs, ours = _settled(theirs), _settled(ours)
        for place, (left, right) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(left, right, binding, f"{at}[{place}]")
    elif not _equal(theirs, ours, binding, at.rpartition(".")[2]):
        yield f"{at or 'body'}: recorded {_short(theirs)}, got {_short(ours)}"


def _settled(predictions: list[Json]) -> list[Json]:
    """Predictions of exactly equal potential in the order of their names.

    Their order is that of the real server's store and differed between two recordings of the
    same knowledge; which potentials there are in which order is compared.
    """
    if not all(isinstance(entry, dict) and "potential" in entry for entry in predictions):
        return predictions
    found = sorted(predictions, key=lambda entry: str(entry["name"]))
    return sorted(found, key=lambda entry: -round(entry["potential"], 12))


def _of_objects(
    theirs: dict[str, Json], ours: dict[str, Json], binding: Binding, at: str
) -> Iterator[str]:
    for key in theirs.keys() | ours.keys():
        place = f"{at}.{key}"
        if key not in ours:
            yield f"{place}: recorded {_short(theirs[key])}, but it is missing"
        elif key not in theirs:
            yield f"{place}: was not recorded, got {_short(ours[key])}"
        else:
            yield from differences(theirs[key], ours[key], binding, place)


def _equal(theirs: Json, ours: Json, binding: Binding, key: str) -> bool:
    if type(theirs) is not type(ours):
        return False
    if key in _TIMES:
        distance = abs(_micros(theirs) - _micros(ours)) * timedelta(microseconds=1)
        return distance <= _EXACT.get(key, _TOLERANCE)
    if isinstance(theirs, float):
        return _same_number(theirs, ours, key)
    if isinstance(theirs, str):
        return _same_text(theirs, ours, binding)
    return bool(theirs == ours)


def _same_number(theirs: float, ours: float, key: str) -> bool:
    if key == _DURATION_KEY:
        return ours >= 0
    if key in _SECONDS:
        return abs(theirs - ours) <= _TOLERANCE.total_seconds()
    return math.isclose(theirs, ours, rel_tol=_FLOAT_TOLERANCE, abs_tol=_FLOAT_TOLERANCE)


def _same_text(theirs: str, ours: str, binding: Binding) -> bool:
    if _plain(binding.ours(theirs)) == _plain(ours):
        return True
    if _MADE_UP.fullmatch(theirs) and _MADE_UP.fullmatch(ours):
        return _alike(theirs, ours) and binding.bind(theirs, ours)
    return False


def _plain(text: str) -> str:
    """A text without the machine's part: durations, and what and where the stores are."""
    text = _UNREACHABLE.sub(r"\1", text)
    return _STORE.sub("redis://", _DURATION.sub("ms", text))


def _alike(theirs: str, ours: str) -> bool:
    """Whether two made-up names have the same prefix and, if they name one, the same moment."""
    (head, *ms), (our_head, *our_ms) = _parts(theirs), _parts(ours)
    close = all(abs(int(a) - int(b)) <= _ID_TOLERANCE_MS for a, b in zip(ms, our_ms, strict=True))
    return head == our_head and close


def _parts(name: str) -> list[str]:
    return re.split("-[0-9a-f]{32}-?", name.removesuffix("-"))[: 1 + name.startswith("session")]


def _micros(value: Json) -> int:
    return micros(value) if isinstance(value, str) else int(value * SECOND)


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"  # noqa: PLR2004
