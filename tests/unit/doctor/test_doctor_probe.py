"""What the doctor finds by writing to servers, and what it leaves behind: nothing."""

from __future__ import annotations

import pytest
from doctor_servers import Server, Surgery, said, wrong

from kato_tasks.doctor import Severity


@pytest.mark.parametrize("guide", [False, True])
def test_a_server_that_keeps_everything_has_one_process(*, guide: bool) -> None:
    server = Server(guide=guide)
    report = Surgery(a=server).visit(probed=True)
    assert said(report, "kept all of 40 observations").severity is Severity.OK
    assert server.sessions == {}
    assert sum(line.endswith("/observe") for line in server.lines) == 40


def test_a_server_that_loses_concurrent_writes_has_several() -> None:
    racy = Server()
    racy.loses = 4
    finding = said(Surgery(a=racy).visit(probed=True), "more than one process")
    assert finding.severity is Severity.ERROR
    assert "lost 10 of 40" in finding.sentence
    assert "behind kato-tasks" in finding.advice
    assert racy.sessions == {}


def test_two_instances_on_one_store_are_noticed() -> None:
    one, other, third = Server(), Server(), Server()
    other.sessions = one.sessions
    report = Surgery(a=one, b=other, c=third).visit(probed=True)
    assert said(report, "share one store").subject == "a and b"
    assert report.sound
    assert one.sessions == {}


def test_instances_with_stores_of_their_own_are_told_so() -> None:
    report = Surgery(a=Server(), b=Server(guide=True)).visit(probed=True)
    assert said(report, "share no store").subject == "a, b"


def test_a_full_server_is_not_probed_because_that_would_cost_vectors() -> None:
    full = Server()
    full.used = 100
    report = Surgery(a=full).visit(probed=True)
    assert said(report, "was not probed").severity is Severity.NOTE
    assert full.written == []


def test_a_probe_that_fails_is_a_finding() -> None:
    ill = Server()
    ill.broken = {"/sessions"}
    report = Surgery(a=ill, b=Server()).visit(probed=True)
    assert wrong(report) == [
        "could not be probed to the end: POST /sessions: Internal Server Error."
    ]
    assert said(report, "kept all").subject == "b"


def test_the_probes_session_is_short_lived_and_wedges_nothing() -> None:
    server = Server()
    Surgery(a=server).visit(probed=True)
    assert server.created == [
        {
            "node_id": "kato-tasks-doctor",
            "config": {"process_predictions": False},
            "ttl_seconds": 60,
        }
    ]
    assert server.written[-1].startswith("DELETE /sessions/")
