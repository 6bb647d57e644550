"""The renewal of leases."""

from __future__ import annotations

import pytest

from kato_tasks.delivery import LeaseKeeper
from kato_tasks.errors import StoreUnavailable
from kato_tasks.testing import wait_until


class Renewals:
    """Counts renewals, and is lost or fails at the one it is told to."""

    def __init__(self, *, lost_at: int = 0, fails_at: int = 0) -> None:
        self.count = 0
        self._lost_at = lost_at
        self._fails_at = fails_at

    def __call__(self) -> bool:
        self.count += 1
        if self.count == self._fails_at:
            raise StoreUnavailable("redis://h", "gone")
        return self.count != self._lost_at


def test_a_kept_lease_is_renewed_until_it_is_let_go() -> None:
    keeper, renew, other = LeaseKeeper(0.005), Renewals(), Renewals()
    with keeper.keeping(other):
        with keeper.keeping(renew):
            wait_until(lambda: renew.count >= 3)
        wait_until(lambda: other.count >= 4)
        seen, still = renew.count, other.count
        wait_until(lambda: other.count >= still + 3)
    keeper.close()
    assert renew.count <= seen + 1


def test_a_lost_lease_is_not_renewed_again() -> None:
    keeper, lost, other = LeaseKeeper(0.005), Renewals(lost_at=2), Renewals()
    with keeper.keeping(lost), keeper.keeping(other):
        wait_until(lambda: other.count >= 6)
    keeper.close()
    assert lost.count == 2


def test_a_store_that_does_not_answer_once_is_asked_again() -> None:
    keeper, renew = LeaseKeeper(0.005), Renewals(fails_at=1)
    with keeper.keeping(renew):
        wait_until(lambda: renew.count >= 3)
    keeper.close()


def test_a_lease_is_let_go_when_the_work_fails() -> None:
    keeper, renew = LeaseKeeper(0.005), Renewals()
    with pytest.raises(ZeroDivisionError), keeper.keeping(renew):
        _ = 1 / 0
    keeper.close()
    assert renew.count <= 1


def test_a_keeper_without_work_may_be_closed() -> None:
    LeaseKeeper(60).close()
