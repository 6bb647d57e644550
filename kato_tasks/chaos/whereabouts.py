"""Where sessions are after migrations: on one instance each, and where the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from kato_tasks.chaos.checking import Incarnation
from kato_tasks.chaos.report import Migrated
from kato_tasks.chaos.times import LONGEST_AFTER_SWITCH
from kato_tasks.ledger import Item, ItemState, Ledger
from kato_tasks.migration import Standing
from kato_tasks.models import SessionRecord
from kato_tasks.registry import Registry

_ALL: Final = 100_000


def find_astray(
    key: str, lineage: Sequence[Incarnation], bound: str | None, server: str | None
) -> str | None:
    """Tell in a sentence why a session is not on one instance alone; None if it is.

    Args:
        key: The session key.
        lineage: Its server-side sessions at all servers, in the order of their turns.
        bound: The one that it is bound to; None if to none.
        server: The URL of the server that it is on by the registry; None if nobody knows.
    """
    counted = [one for one in lineage if one.delivered or one.session_id == bound]
    for one in counted:
        if one.session_id == bound and one.server != (server or ""):
            return f"{key}: it is bound to {bound}, which is at {one.server}, not at {server}."
    for left, entered in pairwise(counted):
        late = left.deliveries[-1].at - entered.begins if left.deliveries else 0.0
        if late > LONGEST_AFTER_SWITCH:
            return (
                f"{key}: {left.session_id} was written to {late:.1f} s after "
                f"{entered.session_id} had taken its place."
            )
    return None


def compare_ledger(
    ledger: Ledger, registry: Registry, instances: Sequence[str]
) -> tuple[Migrated, tuple[str, ...]]:
    """Compare what the ledger says of all migrations with where sessions are.

    Args:
        ledger: Has the migrations.
        registry: Tells where each session is.
        instances: All instances.

    Returns:
        What came of the migrations, but for sessions astray; and what is wrong, as sentences.

    Raises:
        LedgerUnavailable: The ledger did not answer.
        StoreUnavailable: The store did not answer.
    """
    account = _Account()
    for migration in ledger.recent(limit=_ALL):
        standing = Standing(migration=migration, tally=ledger.tally(migration.id))
        account.take(standing)
        for item in ledger.items(migration.id):
            account.note(item)
    wrong = tuple(account.mismatches(registry, instances))
    return account.migrated(len(wrong)), (*account.unfinished, *wrong)


@dataclass(slots=True)
class _Account:
    """What the ledger says of all migrations together, the newest first."""

    migrations: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    latest: dict[str, Item] = field(default_factory=dict)
    moved: dict[str, Item] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)

    def take(self, standing: Standing) -> None:
        tally = standing.tally
        self.migrations += 1
        self.begun[standing.migration.id] = standing.migration.created_at
        for name in ("moved", "skipped", "failed", "cancelled"):
            self.counts[name] = self.counts.get(name, 0) + getattr(tally, name)
        if not standing.over:
            one = standing.migration
            self.unfinished.append(
                f"Migration {one.id} is {one.state.value}, and not over: {tally.moving} sessions "
                f"are on their way, {tally.pending} wait."
            )

    def note(self, item: Item) -> None:
        """Note an item of a migration that is older than those noted before."""
        self.latest.setdefault(item.key, item)
        if item.state is not ItemState.MOVED:
            return
        # One that was cancelled may have been resumed when a later one was done.
        before = self.moved.get(item.key)
        if before is None or (item.ended_at or 0.0) > (before.ended_at or 0.0):
            self.moved[item.key] = item

    def mismatches(self, registry: Registry, instances: Sequence[str]) -> Iterator[str]:
        for key, latest in self.latest.items():
            record, said = registry.get(key), self.moved.get(key, latest)
            wanted = said.target if said.state is ItemState.MOVED else said.source
            if record is None or record.spec.instance == wanted:
                continue
            if record.spec.instance in instances and self._is_anew(record, said):
                continue
            yield (
                f"{key}: it is on {record.spec.instance}, and must be on {wanted} by migration "
                f"{said.migration}, where it is {said.state.value}."
            )

    def _is_anew(self, record: SessionRecord, said: Item) -> bool:
        """Tell whether a session has ended and begun anew since: it was placed anew then."""
        return record.created_at >= (said.began_at or self.begun[said.migration])

    def migrated(self, mismatches: int) -> Migrated:
        return Migrated(
            migrations=self.migrations,
            **self.counts,
            unfinished=len(self.unfinished),
            ledger_mismatches=mismatches,
        )
