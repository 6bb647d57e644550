"""Sabotage: a session that moves without a fence, and a checker that must raise alarm."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos_site import MEMBER, Site, open_two

from kato_tasks.chaos.judging import Finding
from kato_tasks.demo import Difference
from kato_tasks.lanes import RedisLanes
from kato_tasks.migration import How, Moved
from kato_tasks.models import Claim, Lease, Switch
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings

BEFORE, MEANWHILE = 3, 20


class Frozen(RedisLanes):
    """Lanes of a mover that is stopped where it is about to switch to its copy.

    Args:
        runner: Runs the scripts.
        settings: Prefix and shards.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        super().__init__(runner, settings)
        self.stopped = threading.Event()
        self.go_on = threading.Event()

    def switch(self, lease: Lease, applied: int, to: Switch) -> Lease | None:
        """Wait until told to go on, then switch."""
        self.stopped.set()
        assert self.go_on.wait(30)
        return super().switch(lease, applied, to)


class Unfenced(Frozen):
    """Lanes that switch whoever has the lease, and whatever was delivered since."""

    def switch(self, lease: Lease, applied: int, to: Switch) -> Lease | None:
        """Wait until told to go on, and compare nothing."""
        self.stopped.set()
        assert self.go_on.wait(30)
        claim = self.claim(lease.key, most=1, idle=True)
        assert isinstance(claim, Claim)
        assert claim.applied == applied + MEANWHILE
        switched = super().switch(claim.lease, claim.applied, to)
        assert switched is not None
        self.release(switched)
        return switched


def move(site: Site, lanes: Frozen, runner: Runner) -> Moved:
    """Have a session move away while its lease ends, and another worker delivers."""
    site.observe(BEFORE)
    site.deliver_all()
    target = next(one for one in site.settings.instances if one != site.record.spec.instance)
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(site.mover(lanes).move, MEMBER.key, target)
        assert lanes.stopped.wait(30)
        runner.client.delete(site.keys.lease)
        site.observe(MEANWHILE)
        site.deliver_all()
        assert site.finding() == Finding()
        lanes.go_on.set()
        return moving.result()


def test_with_the_fence_a_frozen_mover_has_moved_nothing(
    settings: Settings, tmp_path: Path, runner: Runner
) -> None:
    """It can begin again, and the session arrives with all that it was given."""
    with open_two(settings, tmp_path) as site:
        assert move(site, Frozen(runner, site.settings), runner).how is How.LATER
        assert site.finding() == Finding()
        target = next(one for one in site.settings.instances if one != site.record.spec.instance)
        assert site.services.mover.move(MEMBER.key, target).how is How.MOVED
        site.observe(1)
        site.deliver_all()
        assert site.record.spec.instance == target
        assert site.finding() == Finding()


def test_without_the_fence_what_was_delivered_meanwhile_is_lost(
    settings: Settings, tmp_path: Path, runner: Runner
) -> None:
    """The copy is bound that has nothing of it, and the source is deleted."""
    with open_two(settings, tmp_path) as site:
        assert move(site, Unfenced(runner, site.settings), runner).how is How.MOVED
        assert site.finding().difference == Difference(lost=MEANWHILE)
        site.observe(1)
        site.deliver_all()
        assert site.finding().difference.lost == MEANWHILE
