"""The rules of one session, free of HTTP, clocks and files.

Times are whole microseconds since the epoch: a float could not hold the far deadlines the
real server accepts (kato-api 2) to the microsecond it answers.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kato_tasks.devserver.failures import Json, ServerError
from kato_tasks.devserver.vectors import Vector

Event = tuple[str, ...]
Emotives = dict[str, float]

SECOND = 1_000_000
STM_KEPT = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Observation(NamedTuple):
    """One validated observation; what was not sent is empty."""

    strings: list[str]
    vectors: list[Vector]
    emotives: Emotives
    metadata: dict[str, Json]


@dataclass(slots=True)
class Session:
    """One session as the server stores it.

    Attributes:
        ttl: Seconds of life a write gives back.
        expires_at: The stored deadline; only writes and ``extend`` move it.
        kept_until: When the store behind the server drops the session by itself.
        config: The effective configuration, defaults included.
        stm: Events, oldest first.
        time: Observations applied since the last clear.
        emotives: Accumulator of the emotives that were observed.
        metadata: Accumulator of the metadata that was observed.
        percept: The last observation, or None after a clear.
        predictions: What the last observation predicted.
    """

    session_id: str
    node_id: str
    created_at: int
    ttl: int
    expires_at: int
    kept_until: int
    config: dict[str, Json]
    info: dict[str, Json] = field(default_factory=dict)
    stm: list[Event] = field(default_factory=list)
    time: int = 0
    emotives: list[Emotives] = field(default_factory=list)
    metadata: list[dict[str, Json]] = field(default_factory=list)
    percept: Observation | None = None
    predictions: list[Json] = field(default_factory=list)


def moment(micros: int) -> datetime:
    """Turn microseconds since the epoch into a UTC time.

    Raises:
        ServerError: The time lies beyond the year 9999 (kato-api 2).
    """
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise ServerError from None


def deadline(now: int, ttl: int) -> int:
    """The moment ``ttl`` seconds after ``now``; ServerError if no calendar holds it."""
    later = now + ttl * SECOND
    moment(later)
    return later


def is_alive(session: Session, now: int) -> bool:
    """Whether the session still answers; both of its deadlines count."""
    return now < min(session.expires_at, session.kept_until)


def touch(session: Session, now: int, *, auto_extend: bool) -> bool:
    """Do what any access does to the deadlines; tell whether the session's end moved.

    With auto-extend every access gives the store's own deadline the full ttl again but leaves
    the stored one alone, so reading keeps nothing alive (kato-api 2).
    """
    if not auto_extend:
        return False
    before = min(session.expires_at, session.kept_until)
    session.kept_until = now + session.ttl * SECOND
    return min(session.expires_at, session.kept_until) != before


def whole_seconds(session: Session, now: int, *, auto_extend: bool) -> int:
    """The remaining life as the server counts it: whole seconds, the begun one dropped."""
    left = session.ttl * SECOND if auto_extend else session.expires_at - now
    return -(-left // SECOND) - 1


def shown_expiry(session: Session, now: int, *, auto_extend: bool) -> int:
    """The ``expires_at`` a GET answers, which with auto-extend is not the stored one."""
    return deadline(now, session.ttl) if auto_extend else session.expires_at


def save(session: Session, now: int, *, auto_extend: bool) -> bool:
    """Store the session after a write; False says that saving it deleted it.

    The STM is cut to its newest events (kato-api 4). The remaining life is truncated to whole
    seconds, so a write in the last second ends the session although it is answered with 200.
    """
    del session.stm[:-STM_KEPT]
    left = whole_seconds(session, now, auto_extend=auto_extend)
    if auto_extend:
        session.expires_at = deadline(now, session.ttl)
    session.kept_until = now + left * SECOND
    return left > 0


def extend(session: Session, now: int, ttl: int) -> bool:
    """Set both deadlines to ``ttl`` seconds from now; False (0 or less) deletes."""
    session.expires_at = session.kept_until = deadline(now, ttl)
    return ttl > 0


def event_of(strings: list[str], vector_symbols: list[str]) -> Event:
    """The event an observation adds: the symbols of its vectors, then the strings sorted.

    Raises:
        ServerError: A lone surrogate (kato-api 4).
    """
    _refuse_surrogates(strings)
    return (*vector_symbols, *sorted(strings))


def _refuse_surrogates(strings: list[str]) -> None:
    text = "".join(strings)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ServerError from None


def take_in(session: Session, observation: Observation, event: Event) -> None:
    """Apply one observation: time, percept and accumulators always, the STM if it has events.

    Raises:
        ServerError: Predictions are on and the whole STM would be one symbol with a quote,
            which the real server builds into a broken query (kato-api 4); nothing is applied.
    """
    lone = len(event) == 1 and not session.stm
    if lone and "'" in event[0] and session.config["process_predictions"]:
        raise ServerError
    session.time += 1
    session.percept = Observation(
        sorted(observation.strings), observation.vectors, observation.emotives, observation.metadata
    )
    if observation.emotives:
        session.emotives.append(observation.emotives)
    if observation.metadata:
        session.metadata.append(observation.metadata)
    if event:
        session.stm.append(event)


def auto_learns(session: Session) -> bool:
    """Whether the STM has reached ``max_pattern_length`` (0 is never)."""
    limit = int(session.config["max_pattern_length"])
    return 0 < limit <= len(session.stm)


def after_auto_learn(session: Session) -> None:
    """Shorten the STM: emptied in CLEAR, to one below the limit in ROLLING (kato-api 4)."""
    rolling = session.config["stm_mode"] == "ROLLING"
    keep = int(session.config["max_pattern_length"]) - 1 if rolling else 0
    del session.stm[: len(session.stm) - keep]


def forget(session: Session) -> None:
    """Empty STM, accumulators and percept and start counting anew (clear-stm)."""
    session.stm.clear()
    session.emotives.clear()
    session.metadata.clear()
    session.predictions = []
    session.percept = None
    session.time = 0


def mean_emotives(entries: list[Emotives]) -> Emotives:
    """The mean of each emotive over the entries that name it."""
    values: dict[str, list[float]] = {}
    for entry in entries:
        for name, value in entry.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
