"""What a session that nobody uses costs the store: bytes of memory, without its journal.

The sessions were made by one observation each, which was applied, and nothing waits. What the
store uses more than before, without the journals, divided by their number, is what one costs, with
all that the store's own tables take; the parts are what ``MEMORY USAGE`` says of them. It is read
three times: right after the use; once a round of care has looked at each, as it does when a session
is idle; and once all sleep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from common import Report, parser
from lives_store import Site, key_of, site

from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.models import Looks, Rest, SessionSpec, SessionState

TARGET: Final = 1_000
_ASKED: Final = 200
_FEW: Final = 1_000
_LATER: Final = 1_800.0
_GOES_ON: Final = Rest(looks=Looks(idle=_LATER))
_SLEEPS: Final = Rest(state=SessionState.HIBERNATED)


class Weighing:
    """Some sessions, and what the store has for them.

    Args:
        found: Where they are.
        keys: Their keys.
        spec: Returns what a session of a key is created with; nothing but the node by default.
    """

    def __init__(
        self,
        found: Site,
        keys: Sequence[str],
        spec: Callable[[str], SessionSpec] | None = None,
    ) -> None:
        self._found = found
        self._keys = keys
        self._names = Keys(prefix=found.settings.prefix, shards=found.settings.shards)
        self._before = found.memory()
        found.fill(keys, spec)
        self._journal = self.part(lambda names: names.journal)

    def each(self) -> float:
        """Return what one costs now, in bytes, without its journal."""
        return (self._found.memory() - self._before) / len(self._keys) - self._journal

    def look_at(self, how: Rest) -> None:
        """Have a round of care look at each, with this outcome."""
        self._found.look_at(self._keys, how)

    def part(self, of: Callable[[SessionKeys], str]) -> float:
        """Return what a key of its own costs one of them, in bytes."""
        step = max(1, len(self._keys) // _ASKED)
        asked = self._keys[::step]
        return sum(self._usage(of(self._names.session(key))) for key in asked) / len(asked)

    def index(self, of: Callable[[int], str]) -> float:
        """Return what its place in an index costs one of them, in bytes."""
        whole = sum(self._usage(of(shard)) for shard in range(self._names.shards))
        return whole / len(self._keys)

    def record(self) -> dict[str, str]:
        """Return the record of the first."""
        record: Any = self._found.client.hgetall(self._names.session(self._keys[0]).session)
        return {name.decode(): value.decode() for name, value in record.items()}

    def _usage(self, key: str) -> int:
        used: Any = self._found.client.memory_usage(key, samples=0)
        return int(used or 0)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--sessions", type=int, default=100_000)
    given = options.parse_args()
    report = Report(benchmark="idle_bytes", options={"sessions": given.sessions})
    with site() as found:
        # What exists once, such as the cache of scripts, is there before the first reading.
        warm = [key_of(given.sessions)]
        found.fill(warm)
        found.look_at(warm, _GOES_ON)
        names = Keys(prefix=found.settings.prefix, shards=found.settings.shards)
        weighed = Weighing(found, [key_of(number) for number in range(given.sessions)])
        report.add("used, and not looked at since", weighed.each(), "bytes")
        weighed.look_at(_GOES_ON)
        report.add("idle", weighed.each(), "bytes", target=TARGET, bound="≤")
        report.add("  its record", weighed.part(lambda one: one.session), "bytes")
        report.add(
            "  the ids of its commands, for a day", weighed.part(lambda one: one.ids), "bytes"
        )
        report.add("  its place in the index of uses", weighed.index(names.activity), "bytes")
        report.add("  its place in the index of looks", weighed.index(names.idle), "bytes")
        report.details["record"] = weighed.record()
        weighed.look_at(_SLEEPS)
        report.add("asleep", weighed.each(), "bytes", target=TARGET, bound="≤")
        _others(report, found)
    report.show(as_json=given.json)


def _others(report: Report, found: Site) -> None:
    """Measure sessions whose names or options are longer."""
    uuids = [str(UUID(int=number, version=4)) for number in range(_FEW)]
    weighed = Weighing(found, uuids)
    weighed.look_at(_GOES_ON)
    report.add("idle, with a UUID for its key and its node", weighed.each(), "bytes")
    weighed = Weighing(found, [f"shop-{number}" for number in range(_FEW)], _with_config)
    weighed.look_at(_GOES_ON)
    report.add("idle, with a config of two keys, a tag and a ttl", weighed.each(), "bytes")


def _with_config(key: str) -> SessionSpec:
    config = {"recall_threshold": 0.25, "max_predictions": 50}
    return SessionSpec(node=key, instance="default", config=config, tags=("shop",), ttl=7_200)


if __name__ == "__main__":
    main()
