"""What accepting costs a producer: `observe_many` against a bare pipelined RPUSH.

The bare way pushes the same payloads, ready encoded, one RPUSH each in one pipeline; ours checks
and encodes the observations first, and then appends them with a script. Both run in turn in one
process, without a worker. A second part counts what the process sends to its store and broker
(one and the same here) for single observes on a lane with work: every send of every connection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from common import Report, event, median, parser, running_stack

from kato_tasks import Settings
from kato_tasks.observations import encode_observation
from kato_tasks.producer import KatoTasks
from kato_tasks.worker.celery_app import queue_name
from kato_tasks.worker.names import Queue

TARGET_RATIO: Final = 0.5
BATCHES: Final = (1_000, 100)
_LANE: Final = "bare"


def observe_many(tasks: KatoTasks, key: str, batches: Sequence[Sequence[dict[str, Any]]]) -> float:
    """Accept batches of observations into one lane; observations per second."""
    session = tasks.session(key)
    session.observe(["the lane has work"])
    start = time.perf_counter()
    for batch in batches:
        session.observe_many(batch)
    return _rate(batches, start)


def bare(store: redis.Redis, batches: Sequence[Sequence[bytes]]) -> float:
    """Push batches of payloads to one list; payloads per second."""
    start = time.perf_counter()
    for batch in batches:
        with store.pipeline(transaction=False) as pipe:
            for payload in batch:
                pipe.rpush(_LANE, payload)
            pipe.execute()
    return _rate(batches, start)


def _rate(batches: Sequence[Sequence[object]], start: float) -> float:
    return sum(map(len, batches)) / (time.perf_counter() - start)


def compare(
    tasks: KatoTasks, store: redis.Redis, size: int, total: int, repeat: int
) -> dict[str, list[float]]:
    """Run both ways in turn, each time into a lane of its own; the first pair is not counted."""
    events = [[event(n) for n in range(start, start + size)] for start in range(0, total, size)]
    payloads = [[encode_observation(item, max_bytes=65_536) for item in batch] for batch in events]
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for turn in range(repeat + 1):
        rates["ours"].append(observe_many(tasks, f"batch{size}:{turn}", events))
        rates["bare"].append(bare(store, payloads))
        store.flushdb()
    return {way: runs[1:] for way, runs in rates.items()}


@contextmanager
def counting_sends() -> Iterator[list[int]]:
    """Count what any connection of redis-py sends, the broker's included, while a block runs."""
    sent: list[int] = []
    kind: Any = redis.connection.AbstractConnection
    original = kind.send_packed_command

    def counted(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: ANN401, FBT001, FBT002
        sent.append(len(command))
        original(self, command, check_health)

    kind.send_packed_command = counted
    try:
        yield sent
    finally:
        kind.send_packed_command = original


def round_trips(
    tasks: KatoTasks, store: redis.Redis, settings: Settings, observes: int
) -> tuple[float, int]:
    """Observe one by one on a lane with work.

    Returns:
        Sends per observe, and how many messages came to the broker.
    """
    session, queue = tasks.session("busy"), queue_name(settings, Queue.DELIVER)
    session.observe(["the lane has work"])
    before = store.llen(queue)
    with counting_sends() as sent:
        for number in range(observes):
            session.observe(**event(number))
    return len(sent) / observes, int(store.llen(queue)) - int(before)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--observations", type=int, default=20_000, help="per run")
    options.add_argument("--observes", type=int, default=1_000, help="single ones, counted")
    options.add_argument("--repeat", type=int, default=7)
    given = options.parse_args()
    report = Report(
        benchmark="producer",
        options={"observations": given.observations, "repeat": given.repeat},
    )
    with (
        running_stack(worker=False) as stack,
        KatoTasks(stack.settings) as tasks,
        redis.Redis.from_url(stack.settings.redis_url) as store,
    ):
        for size in BATCHES:
            rates = compare(tasks, store, size, given.observations, given.repeat)
            _fill(report, size, rates)
        trips, messages = round_trips(tasks, store, stack.settings, given.observes)
    report.add("round trips per observe", trips, "", target=1.0, bound="=")
    report.add("broker messages", messages, "", target=0.0, bound="=")
    report.show(as_json=given.json)


def _fill(report: Report, size: int, rates: dict[str, list[float]]) -> None:
    pairs = [ours / plain for ours, plain in zip(rates["ours"], rates["bare"], strict=True)]
    report.add(f"observe_many of {size}", median(rates["ours"]), "observations/s")
    report.add(f"bare RPUSH, {size} a pipeline", median(rates["bare"]), "payloads/s")
    report.add(f"ratio at {size}", median(pairs), "x", target=TARGET_RATIO)
    report.details[f"ratios at {size}"] = [round(ratio, 3) for ratio in pairs]


if __name__ == "__main__":
    main()
