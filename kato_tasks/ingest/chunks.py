"""Cuts a stream of events into chunks: large where they are at hand, prompt where they trickle."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

_END: Final = object()


def from_file(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Return chunks of ``most`` items, for sources that never make one wait."""
    remaining = iter(items)
    while chunk := list(islice(remaining, most)):
        yield chunk


def from_pipe(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Return what is at hand as soon as the source makes one wait, at most ``most`` items.

    A thread reads ahead, by twice that many items at most.

    Raises:
        Exception: Whatever reading an item raised, after the items before it.
    """
    ahead: queue.Queue[object] = queue.Queue(maxsize=2 * most)
    threading.Thread(target=_read, args=(items, ahead), daemon=True).start()
    while True:
        chunk: list[T] = []
        item = ahead.get()
        while item is not _END and not isinstance(item, BaseException):
            chunk.append(item)  # type: ignore[arg-type] # only T besides the two ends
            if len(chunk) == most or ahead.empty():
                break
            item = ahead.get()
        if chunk:
            yield chunk
        if isinstance(item, BaseException):
            raise item
        if item is _END:
            return


def _read(items: Iterable[object], ahead: queue.Queue[object]) -> None:
    try:
        for item in items:
            ahead.put(item)
        ahead.put(_END)
    except BaseException as error:  # noqa: BLE001 - raised again by the other thread
        ahead.put(error)
