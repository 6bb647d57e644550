"""When each recorded request was served, so that a replay can move its clock alike.

The recordings carry no times of their own, but many answers do: the creation of a session, the
end a GET answers when reading moves it, a timestamp. Between those, the recorded durations and
the recorder's own "t=2.1s" tell the moment.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from scorecard.recordings import Exchange, Json

SECOND = 1_000_000
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SINCE_START = re.compile(r"t=([0-9.]+) ?s")
# The recorder slept until the noted second and noted it with one digit: it was a little later.
_LATER = 20_000
# Sections that are no new ones but what the recorder read from the server's store meanwhile.
_REMARK = "redis ttl"


def micros(printed: str) -> int:
    """Microseconds since the epoch of an ISO time."""
    moment = datetime.fromisoformat(printed)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moments(exchanges: list[Exchange], *, auto_extend: bool) -> list[int]:
    """The moment each exchange was served, in order, in microseconds since the epoch.

    Args:
        exchanges: Those of one transcript; an answer among them tells a moment.
        auto_extend: Whether a GET of a session answers the moment plus its ttl (kato-api 2).
    """
    lives: dict[str, int] = {}
    told = [_told(exchange, lives, auto_extend=auto_extend) for exchange in exchanges]
    place, first = next((n, moment) for n, moment in enumerate(told) if moment is not None)
    before = sum(exchange.elapsed for exchange in exchanges[:place])
    found = list(_forward(exchanges, told, first - int(before * SECOND)))
    # A duration measured by the client is a little too long: no guess may pass what is known.
    later = list(accumulate(reversed(found), min))
    return later[::-1]


def _forward(exchanges: list[Exchange], told: list[int | None], now: int) -> Iterator[int]:
    """Guess from the past: what was told, else what was noted, else the end of the last one."""
    start = now
    for place, (exchange, moment) in enumerate(zip(exchanges, told, strict=True)):
        since = _SINCE_START.match(exchange.note)
        if moment is not None:
            now = moment
        elif since:
            now = start + int(float(since[1]) * SECOND) + _LATER
        elif exchange.section and not exchange.section.startswith(_REMARK):
            now = max(now, _backward(exchanges[place:], told[place:]))
        if _is_create(exchange):
            start = now
        yield now
        now += int(exchange.elapsed * SECOND)


def _backward(exchanges: list[Exchange], told: list[int | None]) -> int:
    """When the first of these was served if no time passed until an answer tells one.

    For a new section: what took time came before it.
    """
    spent = 0.0
    for exchange, moment in zip(exchanges, told, strict=True):
        if moment is not None:
            return moment - int(spent * SECOND)
        spent += exchange.elapsed
    return 0


def _is_create(exchange: Exchange) -> bool:
    return exchange.method == "POST" and exchange.path == "/sessions" and exchange.status == 200  # noqa: PLR2004


def _told(exchange: Exchange, lives: dict[str, int], *, auto_extend: bool) -> int | None:
    """The moment an answer itself tells, or None; notes how long new sessions live."""
    answer = exchange.answer
    if not isinstance(answer, dict):
        return None
    if _is_create(exchange):
        created = micros(answer["created_at"])
        lives[answer["session_id"]] = micros(answer["expires_at"]) - created
        return created
    if auto_extend and "expires_at" in answer and answer["session_id"] in lives:
        return micros(answer["expires_at"]) - lives[answer["session_id"]]
    return _stamp(answer.get("timestamp"))


def _stamp(timestamp: Json) -> int | None:
    if isinstance(timestamp, str):
        return micros(timestamp)
    return None if timestamp is None else int(timestamp * SECOND)
