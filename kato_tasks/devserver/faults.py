"""Faults on demand: which are armed, and which of them strike a request.

A fault is written ``NAME[:AMOUNT][,PARAMETER=VALUE]...``; several stand in one text with ``;``
between them.

- AMOUNT with a decimal point is a rate: ``500:0.05`` strikes one request in twenty. A whole
  number is a count: ``500:3`` strikes three times and is over. Without one a fault strikes
  always, the violent ones once.
- ``route=observe+learn`` names the calls it may strike: the kinds in `Kind`, ``any-write`` or
  ``any``. ``after=10`` lets the first ten of them pass. ``count=2`` limits a rate.
- ``reset`` is another name of ``reset_store``.
- ``seconds``, ``delay``, ``status``, ``read``: see the faults that have them in `KNOWN`.

At most one fault strikes a request, the first in the order they were armed; only ``latency``
and ``freeze`` let another one follow. ``/_dev/...`` is never struck.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kato_tasks.devserver.failures import Json


class Kind(StrEnum):
    """What a request is about, as far as faults and workers are concerned."""

    CREATE = "create"
    OBSERVE = "observe"
    SEQUENCE = "sequence"
    LEARN = "learn"
    CLEAR = "clear"
    CONFIG = "config"
    EXTEND = "extend"
    DELETE = "delete"
    PREDICTIONS = "predictions"
    READ = "read"
    OTHER = "other"


WRITES = frozenset(Kind) - {Kind.PREDICTIONS, Kind.READ, Kind.OTHER}
_GROUPS = {"any": frozenset(Kind), "any-write": WRITES}
_OF_SESSION = frozenset(Kind) - {Kind.CREATE, Kind.OTHER}
_OF_PATTERNS = frozenset(
    {Kind.LEARN, Kind.OBSERVE, Kind.SEQUENCE, Kind.PREDICTIONS, Kind.READ, Kind.OTHER}
)
_PASSING = frozenset({"latency", "freeze"})


class FaultError(ValueError):
    """A text that names no fault; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a kind of fault does if nothing else is said.

    Attributes:
        effect: What it does, for people.
        kinds: The calls it strikes.
        parameters: Its parameters beside ``route``, ``after`` and ``count``, with defaults.
        once: It strikes once if no amount is given.
    """

    effect: str
    kinds: frozenset[Kind]
    parameters: Mapping[str, float | int | str]
    once: bool = False


_NONE: Mapping[str, float | int | str] = {}
KNOWN: Mapping[str, Known] = {
    "latency": Known("waits `seconds` before the call", _GROUPS["any"], {"seconds": 0.1}),
    "500": Known("500 as text, nothing applied", WRITES, _NONE),
    "503": Known("503 as over the connection limit, nothing applied", _GROUPS["any"], _NONE),
    "status": Known("`status` as text, nothing applied", _GROUPS["any"], {"status": 502}),
    "reset_before": Known("TCP reset, nothing applied", WRITES, _NONE),
    "reset_after": Known("applied, then TCP reset", WRITES, _NONE),
    "late": Known(
        "applied `delay` seconds after the client gave up, or after `seconds` if it does not; "
        "`read=now` reads the session at once and writes it back late, `read=late` does both late",
        WRITES,
        {"seconds": 30.0, "delay": 0.0, "read": "auto"},
    ),
    "not_stored": Known("200 and nothing stored, as with a full session store", WRITES, _NONE),
    "store_down": Known("sessions answer 404, create and exists 500", _GROUPS["any"], _NONE),
    "learn_store_down": Known(
        "learning a new pattern: 500, STM kept, counted once it is over; at the end: swallowed; "
        "nothing is predicted",
        _OF_PATTERNS,
        _NONE,
    ),
    "learn_500_counted": Known(
        "500, pattern counted, STM kept", frozenset({Kind.LEARN}), _NONE, once=True
    ),
    "freeze": Known("nothing answers for `seconds`", _GROUPS["any"], {"seconds": 1.0}, once=True),
    "crash": Known("kill -9 in the middle of the call", WRITES, _NONE, once=True),
    "crash_after": Known("kill -9 after applying, before the answer", WRITES, _NONE, once=True),
    "crash_in_learn": Known(
        "kill -9 between pattern and session", frozenset({Kind.LEARN}), _NONE, once=True
    ),
    "reset_store": Known("every session is gone, patterns stay", _OF_SESSION, _NONE, once=True),
    "session_gone": Known("the session is gone before the call", _OF_SESSION, _NONE, once=True),
}
_OTHER_NAMES = {"reset": "reset_store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as it was asked for.

    Attributes:
        text: As it was written.
        name: A key of `KNOWN`.
        kinds: The calls it may strike.
        rate: How often it strikes one of them, 0 to 1.
        count: After how many strikes it is over, or None.
        after: How many of them pass first.
        seconds: How long it lasts.
        delay: Seconds between a client's giving up and a late call.
        status: The HTTP status it answers.
        read: When a late call reads the session: now, late, or auto.
    """

    text: str
    name: str
    kinds: frozenset[Kind]
    rate: float = 1.0
    count: int | None = None
    after: int = 0
    seconds: float = 0.0
    delay: float = 0.0
    status: int = 0
    read: str = "auto"


@dataclass(slots=True)
class Armed:
    """A fault with its counters: requests it could have struck, and those it struck."""

    fault: Fault
    matched: int = 0
    fired: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.fault.count is not None and self.fired >= self.fault.count

    def strikes(self, kind: Kind, draw: random.Random) -> bool:
        """Count a request and decide whether the fault strikes it."""
        if kind not in self.fault.kinds:
            return False
        self.matched += 1
        if self.matched <= self.fault.after or self.is_over:
            return False
        if self.fault.rate < 1.0 and draw.random() >= self.fault.rate:
            return False
        self.fired += 1
        return True


class Faults:
    """The faults of one server.

    Args:
        texts: What is armed from the start.
        seed: Makes rates fall alike in every run; each arming begins anew.

    Raises:
        FaultError: A text names no fault.
    """

    def __init__(self, texts: Iterable[str], seed: int) -> None:
        self.armed: list[Armed] = []
        self._seed = seed
        self._draw = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.arm(texts)

    def arm(self, texts: Iterable[str]) -> None:
        """Replace the armed faults; a FaultError leaves them as they were."""
        self.armed = [Armed(fault) for text in texts for fault in parse(text)]
        self._draw = random.Random(self._seed)  # noqa: S311 - repeatable on purpose

    def is_on(self, name: str) -> bool:
        """Whether a fault of that name can still strike."""
        return any(armed.fault.name == name and not armed.is_over for armed in self.armed)

    def fire(self, kind: Kind) -> list[Fault]:
        """The faults that strike this request, those that let others follow first."""
        found: list[Fault] = []
        for armed in self.armed:
            if armed.strikes(kind, self._draw):
                found.append(armed.fault)
                if armed.fault.name not in _PASSING:
                    break
        return found

    def shown(self) -> Json:
        """The armed faults and their counters as JSON."""
        return [
            {
                "fault": armed.fault.text,
                "name": armed.fault.name,
                "effect": KNOWN[armed.fault.name].effect,
                "routes": sorted(armed.fault.kinds),
                "rate": armed.fault.rate,
                "count": armed.fault.count,
                "matched": armed.matched,
                "fired": armed.fired,
                "over": armed.is_over,
            }
            for armed in self.armed
        ]


def parse(text: str) -> Iterator[Fault]:
    """Read a text of one or more faults.

    Raises:
        FaultError: It does not follow the grammar at the top of this module.
    """
    for part in text.split(";"):
        yield _parsed(part.strip())


def _parsed(text: str) -> Fault:
    head, *pairs = text.split(",")
    written, has_amount, amount = head.partition(":")
    name = _OTHER_NAMES.get(written, written)
    known = KNOWN.get(name)
    if known is None:
        raise FaultError(f"There is no fault {name!r}: take one of {', '.join(KNOWN)}.")
    values: dict[str, Json] = {"kinds": known.kinds, **known.parameters}
    if has_amount:
        values |= _amount(text, amount)
    for pair in pairs:
        values |= _parameter(text, known, pair)
    if known.once and not has_amount:
        values.setdefault("count", 1)
    return Fault(text=text, name=name, **values)


def _amount(text: str, amount: str) -> dict[str, Json]:
    if amount.isdecimal():
        return {"count": int(amount)}
    try:
        rate = float(amount)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        message = (
            f"{amount!r} in {text!r} is no amount: a rate from 0.0 to 1.0 with its decimal "
            "point, or a whole number of times."
        )
        raise FaultError(message)
    return {"rate": rate}


def _parameter(text: str, known: Known, pair: str) -> dict[str, Json]:
    key, _, value = (part.strip() for part in pair.partition("="))
    if key == "route":
        return {"kinds": _kinds(text, value)}
    default = 0 if key in ("after", "count") else known.parameters.get(key)
    if default is None:
        allowed = ", ".join(["route", "after", "count", *known.parameters])
        raise FaultError(f"{text!r} has no parameter {key!r}: it has {allowed}.")
    if isinstance(default, str):
        if value not in ("auto", "now", "late"):
            raise FaultError(f"{key} in {text!r} is auto, now or late, not {value!r}.")
        return {key: value}
    return {key: _number(text, key, value, whole=isinstance(default, int))}


def _number(text: str, key: str, value: str, *, whole: bool) -> float:
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        wanted = "a whole number" if whole else "a number"
        raise FaultError(f"{key} in {text!r} must be {wanted}, not negative, and is {value!r}.")
    return number


def _kinds(text: str, value: str) -> frozenset[Kind]:
    found: frozenset[Kind] = frozenset()
    for name in value.split("+"):
        if name in _GROUPS:
            found |= _GROUPS[name]
        elif name in frozenset(Kind):
            found |= {Kind(name)}
        else:
            allowed = ", ".join([*Kind, *_GROUPS])
            raise FaultError(f"{text!r} has no route {name!r}: take {allowed}, joined with +.")
    return found
