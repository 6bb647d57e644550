"""Gathers the items of a migration before the first of them is written."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from kato_tasks.ledger import NewItem

_STEP: Final = 1_000
_FASTEST: Final = 1


def gather(items: Iterable[NewItem]) -> Iterator[NewItem]:
    """Take all items now, and return them again one by one.

    To find them is a walk over all sessions. In a transaction that waited for it, nobody else could
    write into a ledger that is a file. They are kept packed, some ten bytes each.
    """
    source = iter(items)
    packed = []
    while step := list(islice(source, _STEP)):
        packed.append(_pack(step))
    return _unpack(packed)


def _pack(items: Sequence[NewItem]) -> bytes:
    fields = [(one.key, one.node, one.source, one.target) for one in items]
    return zlib.compress(json.dumps(fields).encode(), _FASTEST)


def _unpack(packed: Sequence[bytes]) -> Iterator[NewItem]:
    for step in packed:
        for key, node, source, target in json.loads(zlib.decompress(step)):
            yield NewItem(key=key, node=node, source=source, target=target)
