"""What it costs to wake a session that sleeps.

Sessions of so many events are put to sleep. In turn, one is woken by an observation, until the
registry says that it is applied (asked every half millisecond), one by a question, until the
predictions are there, and a session is made at the server itself, with the same events replayed
in one call and the same observation. HTTP calls are what the server has counted, without those
that the observation or the question costs a session that is awake.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from common import Dev, Report, event, median, parser, percentile, running_stack

from kato_tasks.lives import Index
from kato_tasks.models import SessionState
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Session

TARGET_CALLS: Final = 4
_ATTEMPTS: Final = 20
_LONGEST: Final = 60.0
_POLL_SECONDS: Final = 0.0005
_SLEEPS_AFTER: Final = 0.001
_WARM_UP: Final = 3


@dataclass(kw_only=True)
class Taken:
    """What was measured: milliseconds by way, and HTTP calls by way."""

    ms: dict[str, list[float]] = field(
        default_factory=lambda: {"command": [], "question": [], "direct": [], "awake": []}
    )
    calls: dict[str, list[int]] = field(
        default_factory=lambda: {"command": [], "question": [], "awake": [], "awake question": []}
    )


class Bed:
    """Sessions that sleep.

    Args:
        tasks: Connected to the stack.
        dev: The server.
        keys: Their keys.
        events: How many each has.
    """

    def __init__(self, tasks: KatoTasks, dev: Dev, keys: Sequence[str], events: int) -> None:
        self._tasks = tasks
        self._dev = dev
        self._keys = keys
        self._events = events
        self._looks = 0

    def make(self) -> None:
        """Make the sessions and put them to sleep."""
        observations = [event(number) for number in range(self._events)]
        receipts = [self.session(key).observe_many(observations) for key in self._keys]
        for receipt in receipts:
            receipt.wait(_LONGEST)
        self.sleep()

    def session(self, key: str) -> Session:
        """Return a session that is idle at once."""
        return self._tasks.services.sessions.session(key, idle_after=_SLEEPS_AFTER)

    def sleep(self) -> None:
        """Put all that are awake to sleep.

        Raises:
            RuntimeError: One would not.
        """
        services = self._tasks.services
        for _ in range(_ATTEMPTS):
            awake = [key for key in self._keys if not self._sleeps(key)]
            if not awake:
                return
            time.sleep(2 * _SLEEPS_AFTER)
            services.look_after(Index.IDLE, awake)
        raise RuntimeError(f"{len(awake)} sessions do not sleep")

    def _sleeps(self, key: str) -> bool:
        record = self._tasks.find(key)
        return record is not None and record.state is SessionState.HIBERNATED

    def counted(self) -> int:
        """Return how many calls the server has had, without those of this question."""
        self._looks += 1
        return self._dev.calls() - self._looks


def by_command(bed: Bed, key: str, number: int) -> float:
    """Let an observation be applied; milliseconds until it was."""
    session = bed.session(key)
    start = time.perf_counter()
    receipt = session.observe(**event(number))
    while not receipt.applied:
        if time.perf_counter() - start > _LONGEST:
            raise TimeoutError(key)
        time.sleep(_POLL_SECONDS)
    return (time.perf_counter() - start) * 1000


def by_question(bed: Bed, key: str) -> float:
    """Ask for predictions; milliseconds until they are there."""
    session = bed.session(key)
    start = time.perf_counter()
    session.predictions(timeout=_LONGEST)
    return (time.perf_counter() - start) * 1000


def direct(client: httpx.Client, url: str, key: str, events: int) -> float:
    """Make a session at the server, replay, and observe; milliseconds."""
    config = {"process_predictions": False}
    start = time.perf_counter()
    made = client.post(f"{url}/sessions", json={"node_id": key, "config": config})
    session = f"{url}/sessions/{made.raise_for_status().json()['session_id']}"
    body = {"observations": [event(number) for number in range(events)]}
    client.post(f"{session}/observe-sequence", json=body).raise_for_status()
    client.post(f"{session}/observe", json=event(events)).raise_for_status()
    return (time.perf_counter() - start) * 1000


def measure(tasks: KatoTasks, dev: Dev, samples: int, events: int) -> Taken:
    """Take the samples in turn."""
    keys = [f"sleeper{number:05d}" for number in range(samples + _WARM_UP)]
    bed = Bed(tasks, dev, keys, events)
    bed.make()
    taken = Taken()
    with httpx.Client(trust_env=False) as client:
        for number, key in enumerate(keys):
            if number == _WARM_UP:
                taken = Taken()
            before = bed.counted()
            taken.ms["command"].append(by_command(bed, key, events))
            woken = bed.counted()
            taken.ms["awake"].append(by_command(bed, key, events + 1))
            observed = bed.counted()
            taken.calls["command"].append(woken - before)
            taken.calls["awake"].append(observed - woken)
            taken.ms["direct"].append(direct(client, dev.url, f"direct:{key}", events))
    bed.sleep()
    for number, key in enumerate(keys):
        if number == _WARM_UP:
            taken.ms["question"], taken.calls["question"] = [], []
        before = bed.counted()
        taken.ms["question"].append(by_question(bed, key))
        asked = bed.counted()
        by_question(bed, key)
        taken.calls["question"].append(asked - before)
        taken.calls["awake question"].append(bed.counted() - asked)
    return taken


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--samples", type=int, default=300)
    options.add_argument("--events", type=int, default=100)
    given = options.parse_args()
    report = Report(benchmark="wake", options={"samples": given.samples, "events": given.events})
    with running_stack() as stack, KatoTasks(stack.settings) as tasks:
        dev = Dev(stack.kato_url)
        taken = measure(tasks, dev, given.samples, given.events)
        dev.close()
    _fill(report, taken)
    report.show(as_json=given.json)


def _fill(report: Report, taken: Taken) -> None:
    names = {
        "command": "woken by a command",
        "question": "woken by a question",
        "direct": "made and replayed directly",
        "awake": "the same command, awake",
    }
    for way, name in names.items():
        report.add(f"{name} p50", percentile(taken.ms[way], 0.5), "ms")
        report.add(f"{name} p99", percentile(taken.ms[way], 0.99), "ms")
    for way in ("command", "question"):
        ratio = median(taken.ms[way]) / median(taken.ms["direct"])
        report.add(f"woken by a {way} / directly, p50", ratio, "x")
    calls = {
        "command": median(taken.calls["command"]) - median(taken.calls["awake"]),
        "question": median(taken.calls["question"]) - median(taken.calls["awake question"]),
    }
    for way, count in calls.items():
        name = f"HTTP calls to wake by a {way}"
        report.add(name, count, "", target=TARGET_CALLS, bound="≤")
    report.details["HTTP calls"] = {way: sorted(set(found)) for way, found in taken.calls.items()}


if __name__ == "__main__":
    main()
