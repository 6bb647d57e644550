"""What it takes to move sessions from one server to another, against the loop of KATO's guide.

Sessions of 20 events, made by kato_tasks, move from one devserver to the other and back. In turn,
for each dialect:

guide  the guide's own loop, in this process, repaired where it does not run (``guide_migrator``);
       the source stays as it is, and the copies are deleted once they were compared
ours   ``plan`` and ``start``, by workers, from before the plan until nothing is under way: checked,
       with the source's sessions deleted. What each session's commands waited, and its HTTP calls,
       are the ledger's; both servers' own count of calls is beside it

Then ours with other numbers of hands and workers; and with a producer that observes steadily into
some of the sessions: the time from before the call until the server has applied the observation, by
the server's own audit, with and without a move. *Near* are those of the second before a session's
move was noted. Every observation must be there once.

At first, items alone: sessions that no server has are planned, written into the ledger, and hands
are sent for; no worker runs, so that every message stays in the store.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common import Report, median, parser, percentile
from migration_items import weigh
from migration_live import Watched, watched
from pair import Pair, Trial, guides, ours, running_pair

from kato_tasks.migration import Request

TARGET_RATIO: Final = 5.0
TARGET_PAUSE_MS: Final = 100.0
DEFAULT: Final = Request(source="").parallel
DIALECTS: Final = ("guide", "v3")
FEW: Final = 1_000
_WORKERS: Final = 2
"""One for each core that there is at least: threads of one process share one."""
_VARIANTS: Final = ((1, 1), (4, 1), (8, 1), (2, 2), (4, 2), (16, 2))
"""Hands and workers."""
_QUICK_VARIANTS: Final = ((4, 1), (4, 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        sessions: How many sessions move.
        guided: How many of them by the guide's loop.
        nodes: How many nodes they have.
        events: Events of each.
        repeat: Runs of each way.
        workers: Workers of ours.
        variants: Hands and workers of further runs of ours.
        watched: Into how many sessions the producer observes.
        quiet: Seconds for which it does so before the move.
        items: Sessions that no server has.
    """

    sessions: int
    guided: int
    nodes: int
    events: int
    repeat: int
    workers: int
    variants: tuple[tuple[int, int], ...]
    watched: int
    quiet: float
    items: int


def measure(dialect: str, size: Size, report: Report) -> None:
    """Measure all ways on two servers of a dialect."""
    with running_pair(dialect) as pair:
        with pair.workers(size.workers):
            pair.fill(size.sessions, nodes=size.nodes, events=size.events)
            # The first move opens connections and the ledger.
            ours(pair, DEFAULT, size.events)
            theirs, own = _in_turn(pair, size)
            _tell(report, dialect, theirs, own)
        for hands, workers in size.variants:
            with pair.workers(workers):
                trial = ours(pair, hands, size.events)
            _tell_one(report, f"{dialect}, {hands} hands, {workers} workers", trial)
        # Last: it adds to the sessions.
        with pair.workers(size.workers):
            seen = watched(pair, DEFAULT, size.watched, size.quiet)
            _tell_watched(report, dialect, seen)


def _in_turn(pair: Pair, size: Size) -> tuple[list[Trial], list[Trial]]:
    theirs, own = [], []
    for _ in range(size.repeat):
        theirs.append(guides(pair, size.guided, size.events))
        own.append(ours(pair, DEFAULT, size.events))
    return theirs, own


def _tell(report: Report, dialect: str, theirs: list[Trial], own: list[Trial]) -> None:
    rates = {"guide": [one.rate for one in theirs], "ours": [one.rate for one in own]}
    target = TARGET_RATIO if dialect == "guide" else None
    for way, found in rates.items():
        report.add(f"{dialect}: {way}", median(found), "sessions/s")
    ratio = median(rates["ours"]) / median(rates["guide"])
    report.add(f"{dialect}: ours / guide", ratio, "x", target=target)
    report.add(f"{dialect}: guide, HTTP calls", theirs[-1].calls_each, "per session")
    _tell_calls(report, f"{dialect}: ours", own[-1])
    _tell_pauses(report, f"{dialect}: ours", [pause for one in own for pause in one.pauses])
    report.details[f"{dialect}, runs"] = {
        way: [round(rate, 1) for rate in found] for way, found in rates.items()
    }
    report.details[f"{dialect}, seconds to plan"] = [round(one.plan, 3) for one in own]


def _tell_one(report: Report, name: str, trial: Trial) -> None:
    report.add(f"{name}: ours", trial.rate, "sessions/s")
    _tell_pauses(report, name, trial.pauses)


def _tell_calls(report: Report, name: str, trial: Trial) -> None:
    report.add(f"{name}, HTTP calls", trial.noted / trial.sessions, "per session")
    report.details[f"{name}, HTTP calls by the servers"] = round(trial.calls_each, 2)


def _tell_pauses(report: Report, name: str, pauses: Sequence[float]) -> None:
    report.add(f"{name}, pause p50", percentile(pauses, 0.5), "ms")
    target = TARGET_PAUSE_MS
    report.add(f"{name}, pause p99", percentile(pauses, 0.99), "ms", target=target, bound="≤")


def _tell_watched(report: Report, dialect: str, seen: Watched) -> None:
    for name, waits in (("without", seen.without), ("with", seen.meanwhile), ("near", seen.near)):
        for share in (0.5, 0.99, 1.0):
            shown = "worst" if share == 1.0 else f"p{share * 100:g}"
            report.add(
                f"{dialect}: observe, {name} a move, {shown}", percentile(waits, share), "ms"
            )
    report.details[f"{dialect}, watched"] = {
        "sessions": seen.sessions,
        "observations": len(seen.without) + len(seen.meanwhile),
        "near": len(seen.near),
        "sessions/s": round(seen.rate, 1),
        "pause p99": round(percentile(seen.pauses, 0.99), 2),
    }


def _tell_items(report: Report, size: Size) -> None:
    few, many = weigh(min(FEW, size.items)), weigh(size.items)
    for one in (few, many):
        name = f"{one.items:,} items"
        report.add(f"{name}: plan", one.plan, "s")
        report.add(f"{name}: create", one.create, "s")
        report.add(f"{name}: publish", one.publish * 1000, "ms")
        report.add(f"{name}: the store grew by messages", one.store / 1000, "kB")
        report.add(f"{name}: the ledger", one.ledger / 1e6, "MB")
        report.add(f"{name}: client, most RSS beyond before", one.resident / 1e6, "MB")
    report.details["client RSS, MB"] = round(many.whole / 1e6, 1)


def size_of(given: Namespace) -> Size:
    """Return how much is to be measured."""
    sessions = min(given.sessions, 100) if given.quick else given.sessions
    return Size(
        sessions=sessions,
        guided=min(sessions, 50 if given.quick else given.guided),
        nodes=given.nodes,
        events=given.events,
        repeat=1 if given.quick else given.repeat,
        workers=given.workers,
        variants=_QUICK_VARIANTS if given.quick else _VARIANTS,
        watched=min(given.watched, sessions),
        quiet=2.0 if given.quick else given.quiet,
        items=min(given.items, 5_000) if given.quick else given.items,
    )


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--sessions", type=int, default=1_000)
    options.add_argument("--guided", type=int, default=1_000, help="sessions of the guide's loop")
    options.add_argument("--nodes", type=int, default=50)
    options.add_argument("--events", type=int, default=20)
    options.add_argument("--repeat", type=int, default=2, help="runs of each way")
    options.add_argument("--workers", type=int, default=_WORKERS, help="of ours")
    options.add_argument("--watched", type=int, default=20, help="sessions in use while they move")
    options.add_argument("--quiet", type=float, default=10.0, help="seconds of use before that")
    options.add_argument("--items", type=int, default=100_000)
    options.add_argument("--dialect", choices=DIALECTS, help="this one alone")
    options.add_argument("--quick", action="store_true", help="small, to see that it runs")
    given = options.parse_args()
    size = size_of(given)
    # The guide's clients ask the environment for a proxy.
    os.environ["NO_PROXY"] = "127.0.0.1"
    report = Report(
        benchmark="migration",
        options={
            "sessions": size.sessions,
            "events": size.events,
            "nodes": size.nodes,
            "hands": DEFAULT,
            "workers": size.workers,
        },
    )
    if size.items:
        _tell_items(report, size)
    for dialect in DIALECTS if given.dialect is None else (given.dialect,):
        measure(dialect, size, report)
    report.show(as_json=given.json)


if __name__ == "__main__":
    main()
