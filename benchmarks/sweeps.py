"""Whether looking after sessions costs what is due, or what there is.

Two stores, one with few sessions and one with many. In turn, in each of them, so many new sessions
become due for a refresh, and a round looks after them; then so many for sleep. Counted are all
commands that the store has run, those of scripts too, its own time for the scripts, and the time
of the round. The server is one in this process, so that only the store counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from common import Report, median, parser
from lives_store import Site, key_of, site

from kato_tasks.lifecycle import look_after
from kato_tasks.lives import Index
from kato_tasks.models import SessionSpec

TARGET: Final = 1.5
_LIFETIME: Final = 4
"""Of those that are refreshed, in seconds: due once a quarter of it is over."""
_IDLE_AFTER: Final = 0.5
_LATER: Final = 0.2
_OUTCOME: Final = {Index.REFRESH: "extended", Index.IDLE: "hibernated"}
_NAMES: Final = {Index.REFRESH: "refresh", Index.IDLE: "idle"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one round has cost.

    Attributes:
        commands: Commands that the store has run.
        store_ms: Its own time for the scripts.
        ms: The time of the round.
    """

    commands: float
    store_ms: float
    ms: float


@dataclass(kw_only=True)
class Known:
    """A store with so many sessions, and what its rounds have cost."""

    site: Site
    numbers: Iterator[int]
    costs: dict[Index, list[Cost]] = field(default_factory=lambda: {one: [] for one in Index})

    def round(self, index: Index, due: int) -> None:
        """Let new sessions become due, and look after them.

        Raises:
            RuntimeError: Not all of them were looked after.
        """
        keys = [key_of(next(self.numbers)) for _ in range(due)]
        if index is Index.REFRESH:
            self.site.make(keys, _spec, lifetime=_LIFETIME, keep_alive=True)
            time.sleep(_LIFETIME / 4 + _LATER)
        else:
            self.site.make(keys, _spec, lifetime=3_600)
            time.sleep(_IDLE_AFTER + _LATER)
        self._measured(index, due)
        # Else they would be due again in the next round.
        self.site.look_no_more(keys)

    def _measured(self, index: Index, due: int) -> None:
        commands, store_ms = self.site.commands()
        began = time.perf_counter()
        self.site.clock.tick()
        found = self.site.lives.due(index, most=self.site.settings.due_sessions)
        cared = [look_after(self.site.caretaker, index, keys) for keys in found]
        ms = (time.perf_counter() - began) * 1000
        after, store_after_ms = self.site.commands()
        done = sum(one.get(_OUTCOME[index], 0) for one in cared)
        if done != due:
            raise RuntimeError(f"{done} of {due} sessions were {_OUTCOME[index]}: {cared}")
        cost = Cost(commands=after - commands, store_ms=store_after_ms - store_ms, ms=ms)
        self.costs[index].append(cost)

    def middle(self, index: Index) -> Cost:
        """Return the median cost of a round."""
        costs = self.costs[index]
        return Cost(
            commands=median([one.commands for one in costs]),
            store_ms=median([one.store_ms for one in costs]),
            ms=median([one.ms for one in costs]),
        )


def _spec(key: str) -> SessionSpec:
    return SessionSpec(node=key, instance="default", idle_after=_IDLE_AFTER)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--few", type=int, default=1_000)
    options.add_argument("--many", type=int, default=100_000)
    options.add_argument("--due", type=int, default=100)
    options.add_argument("--repeat", type=int, default=7)
    given = options.parse_args()
    names = ("few", "many", "due", "repeat")
    report = Report(benchmark="sweeps", options={name: getattr(given, name) for name in names})
    with site() as few, site() as many:
        known = {
            "few": Known(site=few, numbers=count(given.few)),
            "many": Known(site=many, numbers=count(given.many)),
        }
        few.fill([key_of(number) for number in range(given.few)])
        many.fill([key_of(number) for number in range(given.many)])
        for number in range(given.repeat + 1):
            for index in Index:
                # The later one finds the processor warm: each is that in turn.
                for one in list(known.values())[:: 1 if number % 2 else -1]:
                    one.round(index, given.due)
            if number == 0:  # Scripts were loaded, connections made.
                for one in known.values():
                    one.costs = {index: [] for index in Index}
    for index in Index:
        _fill(report, _NAMES[index], {name: one.middle(index) for name, one in known.items()})
        report.details[f"{_NAMES[index]} rounds, ms"] = {
            name: sorted(round(cost.ms, 1) for cost in one.costs[index])
            for name, one in known.items()
        }
        report.details[f"{_NAMES[index]} rounds, store's ms"] = {
            name: sorted(round(cost.store_ms, 1) for cost in one.costs[index])
            for name, one in known.items()
        }
    report.show(as_json=given.json)


def _fill(report: Report, name: str, costs: Mapping[str, Cost]) -> None:
    few, many = costs["few"], costs["many"]
    for size, cost in costs.items():
        report.add(f"{name}, {size} known: commands", cost.commands, "")
        report.add(f"{name}, {size} known: store's time", cost.store_ms, "ms")
        report.add(f"{name}, {size} known: time of a round", cost.ms, "ms")
    of = f"{name}, many / few:"
    report.add(f"{of} commands", many.commands / few.commands, "x", target=TARGET, bound="≤")
    report.add(f"{of} time of a round", many.ms / few.ms, "x", target=TARGET, bound="≤")
    # No target: the memory of few sessions fits into the processor's cache, whatever we do.
    report.add(f"{of} store's time", many.store_ms / few.store_ms, "x")


if __name__ == "__main__":
    main()
