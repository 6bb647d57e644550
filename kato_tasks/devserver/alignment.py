"""How the symbols of an STM lie on those of a pattern."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple

from kato_tasks.devserver.rules import Event


class Alignment(NamedTuple):
    """Where an STM matches a pattern; both are sequences of symbols.

    Attributes:
        matches: The symbols of the STM that match, in order.
        first: Place in the pattern of the first match.
        end: Place in the pattern behind the last match.
        blocks: Runs of matches without a gap on either side.
    """

    matches: list[str]
    first: int
    end: int
    blocks: int


class Split(NamedTuple):
    """A pattern's events before, at and after the match."""

    past: list[Event]
    present: list[Event]
    future: list[Event]


def align(pattern: Sequence[str], symbols: Sequence[str]) -> Alignment | None:
    """Lay an STM on a pattern; None if no symbol matches."""
    matcher = SequenceMatcher(None, pattern, symbols, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    if not blocks:
        return None
    matches = [symbol for block in blocks for symbol in symbols[block.b : block.b + block.size]]
    return Alignment(matches, blocks[0].a, blocks[-1].a + blocks[-1].size, len(blocks))


def split(events: list[Event], alignment: Alignment) -> Split:
    """Cut a pattern where the match begins and ends; an event it touches is present.

    An event that ends where the match begins counts as present too if it has the first
    matched symbol.
    """
    ends = list(accumulate(map(len, events)))
    first = sum(end <= alignment.first for end in ends)
    last = sum(end < alignment.end for end in ends) + 1
    whole = first > 0 and ends[first - 1] == alignment.first
    if whole and alignment.matches[0] in events[first - 1]:
        first -= 1
    return Split(events[:first], events[first:last], events[last:])


def similarity(pattern: Sequence[str], symbols: Sequence[str]) -> float:
    """Twice the longest common subsequence as a share of both lengths.

    In hundredths and back, as the server's library does: the last digit depends on it.
    """
    total = len(pattern) + len(symbols)
    distance = total - 2 * _common(pattern, symbols)
    return (100 - 100 * distance / total) / 100


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """The length of the longest common subsequence, a row of its table as bits of a number."""
    places: dict[str, int] = {}
    for place, symbol in enumerate(left):
        places[symbol] = places.get(symbol, 0) | 1 << place
    full = (1 << len(left)) - 1
    row = full
    for symbol in right:
        matched = row & places.get(symbol, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(left) - row.bit_count()
