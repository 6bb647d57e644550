"""Whether worker and producer grow: resident memory after many observations and after few.

The process of this script is the producer. It waits whenever more than ``--backlog`` commands
are unapplied, so that the store stays small. Memory is read once everything is applied and a
second has passed. The devserver keeps no audit and does not count here.
"""

from __future__ import annotations

import time
from typing import Final

import psutil
from common import Dev, Report, applied, bound_sessions, parser, running_stack, wait_until
from throughput import chunks

from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Session

TARGET: Final = 1.1
CHUNK: Final = 2_000
_MEGABYTE: Final = 1_000_000
_LONGEST: Final = 600.0


def push(tasks: KatoTasks, sessions: list[Session], observations: int, backlog: int) -> None:
    """Accept observations with a bounded backlog, and wait until all are applied."""
    start = applied(tasks)
    accepted = 0
    for requests in chunks(sessions, observations, CHUNK):
        tasks.services.sessions.intake.accept(requests)
        accepted += sum(len(group.payloads) for request in requests for group in request.groups)
        _wait_for(tasks, start + accepted - backlog)
    _wait_for(tasks, start + observations)


def _wait_for(tasks: KatoTasks, goal: int) -> None:
    wait_until(lambda: applied(tasks) >= goal, _LONGEST, f"{goal} observations")


def resident(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Return the resident memory of processes in megabytes, a second after their last work."""
    time.sleep(1)
    return {name: process.memory_info().rss / _MEGABYTE for name, process in processes.items()}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--small", type=int, default=100_000)
    options.add_argument("--large", type=int, default=1_000_000)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--backlog", type=int, default=20_000)
    given = options.parse_args()
    report = Report(
        benchmark="memory",
        options={name: getattr(given, name) for name in ("small", "large", "sessions", "backlog")},
    )
    with running_stack(audit=False) as stack, KatoTasks(stack.settings) as tasks:
        processes = {name: psutil.Process(pid) for name, pid in stack.pids.items()}
        processes["producer"] = psutil.Process()
        keys = [f"session{number}" for number in range(given.sessions)]
        bound_sessions(tasks, keys)
        sessions = [tasks.session(key) for key in keys]
        start = time.perf_counter()
        push(tasks, sessions, given.small, given.backlog)
        small = resident(processes)
        push(tasks, sessions, given.large - given.small, given.backlog)
        large = resident(processes)
        report.details["observations/s"] = round(given.large / (time.perf_counter() - start))
        _check(stack.kato_url, given.large)
    _fill(report, small, large)
    report.show(as_json=given.json)


def _check(url: str, expected: int) -> None:
    dev = Dev(url)
    found = dev.observations()
    dev.close()
    if found != expected:
        raise RuntimeError(f"{found} observations applied, {expected} sent")


def _fill(report: Report, small: dict[str, float], large: dict[str, float]) -> None:
    for name in ("worker", "producer"):
        report.add(f"{name}, few", small[name], "MB")
        report.add(f"{name}, many", large[name], "MB")
        report.add(f"{name}, many / few", large[name] / small[name], "x", target=TARGET, bound="≤")
    report.details["store MB"] = [round(small["store"], 1), round(large["store"], 1)]
    report.details["devserver MB"] = [round(small["devserver"], 1), round(large["devserver"], 1)]


if __name__ == "__main__":
    main()
