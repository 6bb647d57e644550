"""How many observations per second, against four other ways to bring them to the same server.

All ways run in one process after one another, against one devserver and one store, and every
session exists at the server before the clock starts:

ours  interleaved events of all sessions, accepted chunk by chunk, delivered by one worker; from
      the first append until the registry says that the last one is applied
a     the guide's way: one Celery task per observation, each with a new HTTP client
b     the same with one HTTP client per worker process
c     a loop of single observes with one HTTP client
d     a loop of observe-sequence calls of 200 observations with one HTTP client: the limit

A ratio is ours divided by the median of the other. After each run the server is asked whether it
has applied exactly what was sent, and, for ours, a sample of sessions whether it is in order.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import httpx
from common import (
    REAL_COST,
    Dev,
    Report,
    Stack,
    applied,
    bound_sessions,
    event,
    median,
    parser,
    running_stack,
    supervised,
    wait_until,
    worker_spec,
)
from guide_app import QUEUE, make_guide_app

from kato_tasks.models import Append, Kind
from kato_tasks.observations import encode_observation
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Session, group_commands

TARGETS: Final = {"a": 200.0, "b": 25.0, "c": 8.0, "d": 0.3}
SEQUENCE: Final = 200
SAMPLE: Final = 10
LONGEST: Final = 600.0
_TASKS: Final = {"a": "guide.observe_new_client", "b": "guide.observe_shared_client"}
_run: Final = count()


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What the runs share.

    Attributes:
        stack: The processes.
        tasks: Our producer.
        dev: A look at the devserver.
        sessions: Over how many sessions the observations are spread.
        chunk: How many events one round trip of the producer accepts.
    """

    stack: Stack
    tasks: KatoTasks
    dev: Dev
    sessions: int
    chunk: int

    def names(self) -> list[str]:
        """Return names for the sessions of one run, used by no other."""
        run = next(_run)
        return [f"run{run}:session{number}" for number in range(self.sessions)]

    def check_count(self, before: int, expected: int) -> None:
        """Compare what the server has applied.

        Raises:
            RuntimeError: It is another number.
        """
        found = self.dev.observations() - before
        if found != expected:
            raise RuntimeError(f"{found} observations applied, {expected} sent")


def ours(bench: Bench, observations: int) -> float:
    """Measure kato_tasks: observations per second."""
    keys = bench.names()
    bound_sessions(bench.tasks, keys)
    sessions = [bench.tasks.session(key) for key in keys]
    before, goal = bench.dev.observations(), applied(bench.tasks) + observations
    start = time.perf_counter()
    for requests in chunks(sessions, observations, bench.chunk):
        bench.tasks.services.sessions.intake.accept(requests)
    wait_until(lambda: applied(bench.tasks) >= goal, LONGEST, "the last observation")
    rate = observations / (time.perf_counter() - start)
    bench.check_count(before, observations)
    _check_order(bench, keys, observations)
    return rate


def chunks(sessions: Sequence[Session], observations: int, chunk: int) -> Iterator[list[Append]]:
    """Yield the events 0, 1, 2, … in turn over the sessions, as requests for one round trip."""
    for start in range(0, observations, chunk):
        waiting: dict[int, list[bytes]] = defaultdict(list)
        for number in range(start, min(start + chunk, observations)):
            payload = encode_observation(event(number), max_bytes=65_536)
            waiting[number % len(sessions)].append(payload)
        yield [
            sessions[place].request(group_commands(Kind.OBSERVE, payloads, None))
            for place, payloads in waiting.items()
        ]


def _check_order(bench: Bench, keys: Sequence[str], observations: int) -> None:
    for place in range(0, len(keys), max(1, len(keys) // SAMPLE)):
        record = bench.tasks.find(keys[place])
        found = bench.dev.strings(record.session_id or "") if record else []
        sent = [event(number)["strings"] for number in range(place, observations, len(keys))]
        if found != sent:
            raise RuntimeError(f"{keys[place]}: {len(found)} events applied, or in another order")


def guide(bench: Bench, observations: int, way: str) -> float:
    """Measure a or b: observations per second. Its worker must be running."""
    urls = _observe_urls(bench, "observe")
    app = make_guide_app(bench.stack.settings)
    before = bench.dev.observations()
    start = time.perf_counter()
    with app, app.producer_or_acquire() as producer:
        for number in range(observations):
            arguments = [urls[number % len(urls)], event(number)]
            app.send_task(_TASKS[way], args=arguments, queue=QUEUE, producer=producer)
        goal = before + observations
        wait_until(lambda: bench.dev.observations() >= goal, LONGEST, "the last task")
    rate = observations / (time.perf_counter() - start)
    bench.check_count(before, observations)
    return rate


def single(bench: Bench, observations: int) -> float:
    """Measure c: observations per second."""
    urls = _observe_urls(bench, "observe")
    before = bench.dev.observations()
    with httpx.Client(trust_env=False) as client:
        start = time.perf_counter()
        for number in range(observations):
            client.post(urls[number % len(urls)], json=event(number)).raise_for_status()
        rate = observations / (time.perf_counter() - start)
    bench.check_count(before, observations)
    return rate


def sequence(bench: Bench, observations: int) -> float:
    """Measure d: observations per second."""
    urls = _observe_urls(bench, "observe-sequence")
    before = bench.dev.observations()
    with httpx.Client(trust_env=False, timeout=60) as client:
        start = time.perf_counter()
        for call, first in enumerate(range(0, observations, SEQUENCE)):
            numbers = range(first, min(first + SEQUENCE, observations))
            body = {"observations": [event(number) for number in numbers]}
            client.post(urls[call % len(urls)], json=body).raise_for_status()
        rate = observations / (time.perf_counter() - start)
    bench.check_count(before, observations)
    return rate


def _observe_urls(bench: Bench, route: str) -> list[str]:
    ids = [bench.dev.create(name) for name in bench.names()]
    return [f"{bench.dev.url}/sessions/{session_id}/{route}" for session_id in ids]


def measure(bench: Bench, observations: int, repeat: int, singles: int) -> dict[str, list[float]]:
    """Run ours, c and d in turn; one short run of ours goes before and is not counted."""
    rates: dict[str, list[float]] = {"ours": [], "c": [], "d": []}
    ours(bench, min(observations, 2_000))
    for _ in range(repeat):
        rates["ours"].append(ours(bench, observations))
        rates["c"].append(single(bench, min(observations, singles)))
        rates["d"].append(sequence(bench, observations))
    return rates


def measure_guide(
    bench: Bench, new_clients: int, shared: int, repeat: int
) -> dict[str, list[float]]:
    """Run a and b in turn on a worker of their own, while ours has nothing to do."""
    rates: dict[str, list[float]] = {"a": [], "b": []}
    spec = worker_spec("guide", "guide_app", bench.stack.settings, "-Q", QUEUE)
    with supervised([spec], bench.stack.folder / "guide.log"):
        guide(bench, 50, "b")
        for _ in range(repeat):
            rates["a"].append(guide(bench, new_clients, "a"))
            rates["b"].append(guide(bench, shared, "b"))
    return rates


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--observations", type=int, default=20_000)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--cost", choices=("none", "real"), default="none")
    options.add_argument(
        "--chunk", type=int, default=10_000, help="events per round trip of ours, as ingest has it"
    )
    options.add_argument("--repeat", type=int, default=3, help="runs of ours, c and d")
    options.add_argument("--repeat-guide", type=int, default=1, help="runs of a and b")
    given = options.parse_args()
    costly = given.cost == "real"
    report = Report(
        benchmark="throughput",
        options={
            name: getattr(given, name) for name in ("observations", "sessions", "cost", "chunk")
        },
    )
    with (
        running_stack(cost=REAL_COST if costly else ()) as stack,
        KatoTasks(stack.settings) as tasks,
    ):
        dev = Dev(stack.kato_url)
        bench = Bench(stack=stack, tasks=tasks, dev=dev, sessions=given.sessions, chunk=given.chunk)
        rates = measure(bench, given.observations, given.repeat, 1_000 if costly else 4_000)
        rates |= measure_guide(bench, 500, 1_000 if costly else 2_000, given.repeat_guide)
        dev.close()
    _fill(report, rates, with_targets=not costly)
    report.show(as_json=given.json)


def _fill(report: Report, rates: dict[str, list[float]], *, with_targets: bool) -> None:
    for way in ("ours", "a", "b", "c", "d"):
        if rates[way]:
            report.add(way, median(rates[way]), "observations/s")
    for way, target in TARGETS.items():
        if rates[way]:
            ratio = median(rates["ours"]) / median(rates[way])
            report.add(f"ours / {way}", ratio, "x", target=target if with_targets else None)
    report.details["runs"] = {way: [round(rate, 1) for rate in runs] for way, runs in rates.items()}


if __name__ == "__main__":
    main()
