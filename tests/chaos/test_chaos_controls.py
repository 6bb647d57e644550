"""Sabotage: with a part of the protocol taken out, the checker of the chaos run must raise alarm.

Otherwise a run that finds nothing would prove nothing.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from chaos_site import MEMBER, Site, open_site

from kato_tasks.chaos.judging import Finding
from kato_tasks.delivery import doubt
from kato_tasks.lanes import RedisLanes
from kato_tasks.models import AnomalyPolicy, Claim, Intent, Lease, NoClaim, Turn
from kato_tasks.scripts import Runner
from kato_tasks.settings import Settings
from kato_tasks.testing import wait_until

OBSERVATIONS = 20
UNMENDED = {"anomaly": AnomalyPolicy.ACCEPT}
"""Anomalies are noticed all the same; only, nothing is made anew of them."""
keep = doubt._withdraw  # noqa: SLF001 - what the sabotage does instead


def test_without_sabotage_there_is_no_alarm(settings: Settings, tmp_path: Path) -> None:
    """Two deliverers at once, and a server of several processes."""
    with open_site(settings, tmp_path, "--workers", "4") as site:
        site.observe(OBSERVATIONS)
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda _: site.deliver_all(), range(2)):
                pass
        assert site.finding() == Finding()


class Leaseless(RedisLanes):
    """Lanes without leases: whoever claims gets the lane, and all have the same token.

    Args:
        runner: Runs the scripts.
        site: Whose lease is taken away, and its settings.
        together: Where claims wait for each other.
    """

    _one_at_a_time = threading.Lock()

    def __init__(self, runner: Runner, site: Site, together: threading.Barrier) -> None:
        super().__init__(runner, site.settings)
        self._store = runner.client
        self._lease = site.keys.lease
        self._together = together

    def claim(self, key: str, *, most: int, idle: bool = False) -> Claim | NoClaim:
        """Claim, and wait until the others have claimed too."""
        with self._one_at_a_time:
            self._store.delete(self._lease)
            claim = super().claim(key, most=most, idle=idle)
        self._together.wait(timeout=10)
        return claim


def test_without_leases_two_deliverers_send_the_same(
    settings: Settings, tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have claimed before the first of two slow calls is answered."""
    monkeypatch.setattr("kato_tasks.lanes.secrets.token_hex", lambda _length: "everybody")
    with open_site(settings, tmp_path, "--cost-ms", "100", **UNMENDED) as site:
        site.observe(1)
        site.deliver_all()
        site.observe(OBSERVATIONS)
        together = threading.Barrier(2)
        deliverers = [site.deliverer(Leaseless(runner, site, together)) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            turns = list(pool.map(lambda one: one.deliver(MEMBER.key), deliverers))
        assert len(turns) == 2
        assert site.finding().difference.duplicated == OBSERVATIONS


class Unchecked(RedisLanes):
    """Lanes that ask nobody before a call, and stop for a while between asking and calling."""

    def __init__(self, runner: Runner, settings: Settings) -> None:
        super().__init__(runner, settings)
        self.stopped = threading.Event()
        self.go_on = threading.Event()

    def intend(self, lease: Lease, intent: Intent) -> bool:
        """Say yes, whoever has the lease; nothing is written down."""
        assert lease.key == MEMBER.key
        assert intent.count == OBSERVATIONS
        self.stopped.set()
        return self.go_on.wait(10)


def test_without_intents_a_frozen_deliverer_sends_again(
    settings: Settings, tmp_path: Path, runner: Runner
) -> None:
    """It is stopped where it is about to send; another one takes over; then it goes on."""
    with open_site(settings, tmp_path) as site:
        site.observe(1)
        site.deliver_all()
        site.observe(OBSERVATIONS)
        lanes = Unchecked(runner, site.settings)
        with ThreadPoolExecutor(1) as pool:
            frozen = pool.submit(site.deliverer(lanes).deliver, MEMBER.key)
            assert lanes.stopped.wait(10)
            runner.client.delete(site.keys.lease)
            site.deliver_all()
            assert site.finding() == Finding()
            lanes.go_on.set()
            frozen.result()
        assert site.finding().difference.duplicated == OBSERVATIONS


def test_a_session_kept_after_doubt_gets_the_late_call_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gives up, the look finds nothing, the call is made again where it was."""
    monkeypatch.setattr(doubt, "_anew", lambda tools, work, *_, **__: keep(tools, work))
    with open_site(settings, tmp_path, kato_timeout=0.3, look_wait=0.1) as site:
        site.observe(1)
        site.deliver_all()
        _arm(site.url, "late:1,seconds=5,delay=1.5")
        site.observe(OBSERVATIONS)
        assert site.deliver_all() is Turn.DONE
        wait_until(lambda: site.applied() > OBSERVATIONS + 1)
        assert site.finding().difference.duplicated == OBSERVATIONS


def test_a_second_writer_beside_us_is_found(settings: Settings, tmp_path: Path) -> None:
    """A server with several processes, and somebody who calls it without asking us."""
    several = ("--workers", "4", "--interleave-ms", "20")
    with open_site(settings, tmp_path, *several, **UNMENDED) as site:
        site.observe(1)
        site.deliver_all()
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            stranger = pool.submit(_write_beside, site, over)
            for _ in range(OBSERVATIONS):
                site.observe(1)
                site.deliver_all()
            over.set()
            assert stranger.result() > 0
        difference = site.finding().difference
        assert difference.lost + difference.duplicated > 0


def _write_beside(site: Site, over: threading.Event) -> int:
    """Observe in the same server-side session until told to end; how often it was answered 200."""
    written = 0
    with httpx.Client(base_url=site.url) as client:
        while not over.is_set() or not written:
            path = f"/sessions/{site.session_id}/observe"
            written += client.post(path, json={"strings": ["stranger"]}).status_code == 200
    return written


def _arm(url: str, text: str) -> None:
    httpx.post(f"{url}/_dev/faults", json={"faults": [text]}).raise_for_status()
