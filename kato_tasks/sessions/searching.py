"""Finds sessions by what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kato_tasks.models import SessionRecord, SessionState
from kato_tasks.naming import fold_node
from kato_tasks.registry import Registry


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What sessions are looked for; all by default.

    Attributes:
        states: They are in one of these; in any if there are none.
        tags: They have all of these.
        node: They have this node, or one that KATO files as the same.
        instance: They live on this server.
        prefix: Their keys begin with this.
    """

    states: frozenset[SessionState] = frozenset()
    tags: frozenset[str] = frozenset()
    node: str | None = None
    instance: str | None = None
    prefix: str = ""

    def fits(self, record: SessionRecord) -> bool:
        """Tell whether a session is wanted."""
        spec = record.spec
        return (
            (not self.states or record.state in self.states)
            and self.tags <= set(spec.tags)
            and (self.node is None or fold_node(self.node) == fold_node(spec.node))
            and self.instance in (None, spec.instance)
            and record.key.startswith(self.prefix)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of the sessions that were found.

    Attributes:
        records: Them, the latest used first.
        found: How many were found in all.
    """

    records: list[SessionRecord]
    found: int


def find_sessions(registry: Registry, wanted: Wanted) -> Iterator[SessionRecord]:
    """Return the wanted sessions, each once, in no order; a scan over all that there are."""
    seen: set[str] = set()
    for record in registry.walk():
        # Redis may name a member twice while its set grows or shrinks.
        if wanted.fits(record) and record.key not in seen:
            seen.add(record.key)
            yield record


def page_of(registry: Registry, wanted: Wanted, *, limit: int, offset: int) -> Page:
    """Return one page of the wanted sessions, the latest used first.

    Without a wish the index is read from its end; else all sessions are gone through, as there is
    no index of what they are: seconds for a hundred thousand.
    """
    if wanted == Wanted():
        found = registry.stats().sessions
        return Page(records=registry.recent(limit=limit, offset=offset), found=found)
    records = sorted(find_sessions(registry, wanted), key=lambda one: (-one.active_at, one.key))
    return Page(records=records[offset : offset + limit], found=len(records))


def count_states(registry: Registry, wanted: Wanted) -> Mapping[SessionState, int]:
    """Return how many of the wanted sessions are in each state; none of those nobody is in."""
    return Counter(record.state for record in find_sessions(registry, wanted))
