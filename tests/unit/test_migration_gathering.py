"""The items of a migration are found before the ledger is written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_steps import new_migration

from kato_tasks.errors import StoreUnavailable
from kato_tasks.ledger import Ledger, NewItem
from kato_tasks.migration.gathering import gather


def item(number: int) -> NewItem:
    return NewItem(key=f"käse {number}", node="shop", source="blue", target="green")


def test_what_was_gathered_comes_back_in_order() -> None:
    items = [item(number) for number in range(2_345)]
    assert list(gather(iter(items))) == items
    assert list(gather(())) == []


def test_others_write_into_the_ledger_while_items_are_found(tmp_path: Path) -> None:
    first, other = (Ledger(f"sqlite:///{tmp_path}/ledger.db") for _ in range(2))

    def found() -> Iterator[NewItem]:
        yield item(1)
        # In a transaction that waited for this, the other would wait for ever.
        assert other.create(new_migration(), [item(2)]).total == 1
        yield item(3)

    assert first.create(new_migration(), gather(found())).total == 2
    first.close()
    other.close()


def test_a_walk_that_fails_begins_nothing() -> None:
    def found() -> Iterator[NewItem]:
        yield item(1)
        raise StoreUnavailable("redis://store", "was killed")

    with pytest.raises(StoreUnavailable):
        gather(found())
