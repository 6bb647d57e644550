"""What kato_tasks adds to the latency of one observation at low load.

In turn: one observation through kato_tasks, from just before the append until the registry says
that it is applied (asked every half millisecond), and one direct POST to the same server; then a
pause, so that every append finds an idle lane and has to wake a worker. *Added* is the one minus
the other, pair by pair. The worker's own histogram, from accepted to settled by the store's
clock, is shown beside it; its buckets are up to 9 % too high and begin at 1 ms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import httpx
from common import Dev, Report, bound_sessions, event, parser, percentile, running_stack

from kato_tasks.instrumentation import quantile
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Receipt

TARGET_P99_MS: Final = 25.0
_POLL_SECONDS: Final = 0.0005
_WARM_UP: Final = 20
_LONGEST: Final = 30.0


def through_lane(tasks: KatoTasks, key: str, number: int) -> float:
    """Bring one observation through kato_tasks; milliseconds until it was applied."""
    session = tasks.session(key)
    start = time.perf_counter()
    receipt = session.observe(**event(number))
    while not receipt.applied:
        if time.perf_counter() - start > _LONGEST:
            raise TimeoutError(key)
        time.sleep(_POLL_SECONDS)
    return (time.perf_counter() - start) * 1000


def through_wait(tasks: KatoTasks, key: str, number: int) -> float:
    """Bring one observation through kato_tasks; milliseconds until its receipt's wait ended."""
    session = tasks.session(key)
    start = time.perf_counter()
    receipt: Receipt = session.observe(**event(number))
    receipt.wait(_LONGEST)
    return (time.perf_counter() - start) * 1000


def direct(client: httpx.Client, url: str, number: int) -> float:
    """Post one observation to the server itself; milliseconds."""
    start = time.perf_counter()
    client.post(url, json=event(number)).raise_for_status()
    return (time.perf_counter() - start) * 1000


def measure(
    tasks: KatoTasks, dev: Dev, samples: int, pause: float
) -> tuple[dict[str, list[float]], dict[int, int]]:
    """Take the samples in turn.

    Returns:
        Milliseconds by way (``lane``, ``direct``, ``wait``), and the worker's histogram of them.
    """
    keys = [f"session{number}" for number in range(10)]
    bound_sessions(tasks, keys)
    urls = [f"{dev.url}/sessions/{dev.create(f'direct:{key}')}/observe" for key in keys]
    taken: dict[str, list[float]] = {"lane": [], "direct": [], "wait": []}
    before: Mapping[int, int] = {}
    with httpx.Client(trust_env=False) as client:
        for number in range(samples + _WARM_UP):
            if number == _WARM_UP:
                taken = {way: [] for way in taken}
                before = tasks.services.registry.stats().latency
            key, url = keys[number % len(keys)], urls[number % len(keys)]
            taken["lane"].append(through_lane(tasks, key, number))
            taken["direct"].append(direct(client, url, number))
            time.sleep(pause)
            taken["wait"].append(through_wait(tasks, key, number))
            time.sleep(pause)
    after = tasks.services.registry.stats().latency
    return taken, {bucket: after[bucket] - before.get(bucket, 0) for bucket in after}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--samples", type=int, default=1_000)
    options.add_argument("--pause", type=float, default=0.01, help="seconds between two samples")
    given = options.parse_args()
    report = Report(benchmark="latency", options={"samples": given.samples, "pause": given.pause})
    with running_stack() as stack, KatoTasks(stack.settings) as tasks:
        dev = Dev(stack.kato_url)
        taken, histogram = measure(tasks, dev, given.samples, given.pause)
        dev.close()
    _fill(report, taken, histogram)
    report.show(as_json=given.json)


def _fill(report: Report, taken: dict[str, list[float]], histogram: dict[int, int]) -> None:
    added = [ours - plain for ours, plain in zip(taken["lane"], taken["direct"], strict=True)]
    report.add("added p50", percentile(added, 0.5), "ms")
    report.add("added p99", percentile(added, 0.99), "ms", target=TARGET_P99_MS, bound="≤")
    names = {"lane": "through the lane", "direct": "direct POST", "wait": "until wait() ends"}
    for way, name in names.items():
        report.add(f"{name} p50", percentile(taken[way], 0.5), "ms")
        report.add(f"{name} p99", percentile(taken[way], 0.99), "ms")
    for share in (0.5, 0.99):
        seen = quantile(histogram, share) or 0.0
        report.add(f"worker's histogram p{share * 100:g}", seen, "ms")
    report.details["added p99.9"] = round(percentile(added, 0.999), 2)
    report.details["added max"] = round(max(added), 2)


if __name__ == "__main__":
    main()
