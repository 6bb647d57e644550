"""What a session does besides observing."""

from __future__ import annotations

import pytest
from integration_site import Site

from kato_tasks import CommandRefused, SessionConflict


def test_the_receipt_of_a_learn_tells_the_patterns_name(site: Site, key: str) -> None:
    session = site.kato.session(key)
    session.observe(["a"])
    session.observe(["b"])
    pattern = session.learn().wait().pattern
    [learned] = [e for e in site.server.audit(site.session_id(key)) if e["kind"] == "learn"]
    assert pattern == learned["pattern"]
    assert site.stm(key) == []


def test_a_clear_empties_the_memory(site: Site, key: str) -> None:
    session = site.kato.session(key)
    session.observe(["a"])
    session.clear_stm().wait()
    assert site.stm(key) == []
    session.observe(["b"]).wait()
    assert site.stm(key) == [["b"]]


def test_a_deleted_session_begins_anew(site: Site, key: str) -> None:
    """Its server-side session is gone, and the next observation starts an empty one."""
    session = site.kato.session(key)
    session.observe(["a"]).wait()
    first = site.session_id(key)
    session.delete()
    session.observe(["b"]).wait()
    assert site.stm(key) == [["b"]]
    alive = [one["session_id"] for one in site.server.sessions_of(key) if one["alive"]]
    assert alive == [site.session_id(key)] != [first]


def test_a_refused_command_does_not_stop_its_lane(site: Site, key: str) -> None:
    """KATO refuses to learn from an empty memory; who waits is told, the rest goes on."""
    session = site.kato.session(key)
    refused = session.learn()
    after = session.observe(["a"])
    with pytest.raises(CommandRefused, match="Cannot learn from empty STM"):
        refused.wait()
    after.wait()
    assert site.stm(key) == [["a"]]


def test_a_key_in_use_keeps_its_node(site: Site, key: str) -> None:
    site.kato.session(key, node="n1").observe(["a"]).wait()
    with pytest.raises(SessionConflict, match="already has the node 'n1'"):
        site.kato.session(key, node="n2").observe(["b"])
    site.kato.session(key).observe(["c"]).wait()
    assert site.stm(key) == [["a"], ["c"]]
