"""What a session that nobody uses costs the store: bytes of memory, without a journal.

The sessions are registered and bound, nothing waits, and their next look is noted. What the store
uses more than before, divided by their number, is what one costs, with all that the store's own
tables take; the parts are what ``MEMORY USAGE`` says of them.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from common import Report, parser
from lives_store import Site, key_of, site

from kato_tasks.keys import Keys
from kato_tasks.models import SessionSpec

TARGET: Final = 1_000
_ASKED: Final = 200
_CONFIGURED: Final = 1_000


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--sessions", type=int, default=100_000)
    given = options.parse_args()
    report = Report(benchmark="idle_bytes", options={"sessions": given.sessions})
    with site() as found:
        # What exists once, such as the cache of scripts, is there before the first reading.
        found.fill([key_of(given.sessions)])
        keys = [key_of(number) for number in range(given.sessions)]
        each = found.fill(keys) / given.sessions
        report.add("an idle session", each, "bytes", target=TARGET, bound="≤")
        _parts(report, found, given.sessions)
        uuids = [str(UUID(int=number, version=4)) for number in range(_CONFIGURED)]
        each = found.fill(uuids) / _CONFIGURED
        report.add("one with a UUID for its key and its node", each, "bytes")
        _configured(report, found, given.sessions)
    report.show(as_json=given.json)


def _parts(report: Report, found: Site, sessions: int) -> None:
    keys = Keys(prefix=found.settings.prefix, shards=found.settings.shards)
    step = max(1, sessions // _ASKED)
    asked = [keys.session(key_of(number)).session for number in range(0, sessions, step)]
    report.add("its record", sum(_usage(found, one) for one in asked) / len(asked), "bytes")
    for name, of in {"activity": keys.activity, "idle": keys.idle}.items():
        whole = sum(_usage(found, of(shard)) for shard in range(keys.shards))
        report.add(f"its place in the index {name!r}", whole / sessions, "bytes")
    first = asked[0]
    record: Any = found.client.hgetall(first)
    report.details["encoding of a record"] = str(_encoding(found, first))
    report.details["record"] = {name.decode(): value.decode() for name, value in record.items()}


def _configured(report: Report, found: Site, sessions: int) -> None:
    """Measure sessions whose options are longer than a compact record takes."""
    numbers = range(sessions + 1, sessions + 1 + _CONFIGURED)
    each = found.fill([key_of(number) for number in numbers], _with_config) / _CONFIGURED
    report.add("one with a config of two keys and a tag", each, "bytes")
    keys = Keys(prefix=found.settings.prefix, shards=found.settings.shards)
    record = keys.session(key_of(numbers[0])).session
    report.details["encoding of one with a config"] = str(_encoding(found, record))


def _with_config(key: str) -> SessionSpec:
    config = {"recall_threshold": 0.25, "max_predictions": 50}
    return SessionSpec(node=key, instance="default", config=config, tags=("shop",), ttl=7_200)


def _usage(found: Site, key: str) -> int:
    used: Any = found.client.memory_usage(key, samples=0)
    return int(used or 0)


def _encoding(found: Site, key: str) -> str:
    encoding: Any = found.client.object("encoding", key)
    return encoding.decode() if isinstance(encoding, bytes) else str(encoding)


if __name__ == "__main__":
    main()
