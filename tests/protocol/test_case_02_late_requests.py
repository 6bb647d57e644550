"""An answer is lost, and the call has been applied, or lands after somebody else took over.

On a server of several processes a call that was stuck may even write an old session back. So what
was doubtful once is never sent to the same server-side session again.
"""

from __future__ import annotations

import pytest
from conftest import MakeSite
from protocol_site import DevServer, Site

from kato_tasks.chaos.judging import Finding

IMPATIENT = {"kato_timeout": 0.2, "doubt_wait": 0.5, "look_wait": 0.05}


def begun(site: Site) -> Site:
    """Return a session that exists, with some observations waiting."""
    site.observe(1)
    site.drain()
    site.observe(8)
    return site


def test_a_call_whose_connection_is_reset_after_it_was_applied_is_not_made_again(
    make_site: MakeSite, any_server: DevServer
) -> None:
    site = begun(make_site(any_server))
    any_server.arm("reset_after:1,route=sequence")
    site.drain()
    assert any_server.struck() == 1
    assert (site.record.rehomed, site.finding()) == (0, Finding())


def test_a_call_whose_connection_is_reset_before_it_was_applied_is_made_elsewhere(
    make_site: MakeSite, any_server: DevServer
) -> None:
    site = begun(make_site(any_server))
    any_server.arm("reset_before:1,route=sequence")
    site.drain()
    assert any_server.struck() == 1
    assert (site.record.rehomed, site.finding()) == (1, Finding())


@pytest.mark.parametrize("read", ["now", "late"])
def test_a_call_that_lands_among_later_ones_hits_an_orphan(
    make_site: MakeSite, any_server: DevServer, read: str
) -> None:
    """It has read the session before them and writes it back, or reads it in their midst."""
    site = begun(make_site(any_server, settings=IMPATIENT))
    first = site.session_id
    any_server.arm(f"late:1,route=sequence,seconds=5,delay=0.4,read={read}")
    site.go_on(seconds=0.9)
    assert any_server.struck() == 1
    assert site.session_id != first
    assert site.finding() == Finding()


@pytest.mark.parametrize("read", ["now", "late"])
def test_a_call_that_lands_after_a_take_over_hits_an_orphan(
    make_site: MakeSite, any_server: DevServer, read: str
) -> None:
    """The one who made it has died over it; the next one finds no trace of it yet."""
    site = begun(make_site(any_server, settings=IMPATIENT))
    any_server.arm(f"late:1,route=sequence,seconds=5,delay=0.4,read={read}")
    site.die(at="before journal")
    site.go_on(seconds=0.9)
    assert any_server.struck() == 1
    assert site.finding() == Finding()


def test_many_lost_and_late_answers_lose_and_double_nothing(
    make_site: MakeSite, any_server: DevServer
) -> None:
    site = make_site(any_server, settings=IMPATIENT)
    any_server.arm("reset_after:0.3", "late:0.3,seconds=0.5,delay=0.2")
    for _ in range(15):
        site.observe(4)
        site.drain()
    assert any_server.struck() > 4
    assert site.finding() == Finding()
