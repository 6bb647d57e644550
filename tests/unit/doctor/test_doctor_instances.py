"""What the doctor says of instances by looking at them."""

from __future__ import annotations

import pytest
from doctor_servers import Server, Surgery, said, wrong

from kato_tasks.doctor import Severity
from kato_tasks.kato import GUIDE, V3
from kato_tasks.settings import Settings


def test_a_healthy_server_is_told_in_a_few_sentences() -> None:
    report = Surgery(a=Server()).visit()
    assert [(one.severity, one.sentence) for one in report.findings if not one.advice] == [
        (Severity.OK, "answers."),
        (Severity.OK, "runs KATO 3.10.1."),
        (Severity.OK, "speaks the dialect v3."),
        (
            Severity.OK,
            "has 0 nodes in the registry (7 in use at the server), of 100 that one process keeps.",
        ),
    ]
    assert report.sound
    assert report.unavailable == ()


def test_nothing_is_written_without_a_probe() -> None:
    servers = {"a": Server(), "b": Server(guide=True)}
    Surgery(**servers).visit()
    assert [server.written for server in servers.values()] == [[], []]


def test_every_warning_and_error_says_what_to_do() -> None:
    ill = Server()
    ill.version, ill.used, ill.loses, ill.broken = "4.0.0", 99, 3, {"/"}
    away = Server()
    away.away = True
    report = Surgery(a=ill, b=away).visit(probed=True)
    assert len(wrong(report)) >= 4
    assert all(one.advice for one in report.findings if one.severity is not Severity.OK)
    assert all(one.sentence.endswith(".") for one in report.findings)


def test_a_server_that_is_away_is_one_sentence_and_the_others_are_looked_at() -> None:
    away = Server()
    away.away = True
    report = Surgery(a=away, b=Server()).visit()
    assert report.unavailable == ("a",)
    assert wrong(report) == ["does not answer at http://a.test: ConnectError: refused."]
    assert away.lines == ["GET /"]
    assert said(report, "runs KATO").subject == "b"


def test_a_server_that_answers_an_error_is_there_and_ill() -> None:
    ill = Server()
    ill.broken = {"/"}
    report = Surgery(a=ill).visit()
    assert said(report, "answers 500 to GET /").severity is Severity.ERROR
    assert report.unavailable == ()


def test_another_version_is_a_warning_with_the_way_to_prove_it() -> None:
    old = Server()
    old.version = "3.9.2"
    finding = said(Surgery(a=old).visit(), "runs KATO 3.9.2")
    assert finding.severity is Severity.WARNING
    assert "make test-kato KATO_URL=http://a.test" in finding.advice


def test_a_patch_of_the_measured_version_is_fine() -> None:
    patched = Server()
    patched.version = "3.10.7"
    assert said(Surgery(a=patched).visit(), "runs KATO").severity is Severity.OK


def test_no_description_leaves_the_version_open() -> None:
    plain = Server()
    plain.broken = {"/openapi.json"}
    report = Surgery(a=plain).visit()
    assert said(report, "does not tell its version").severity is Severity.NOTE
    assert said(report, "speaks the dialect v3").severity is Severity.OK


def test_the_guides_dialect_is_noted_with_its_price() -> None:
    report = Surgery(a=Server(guide=True)).visit()
    assert said(report, "one observation per call").severity is Severity.NOTE
    assert report.sound


@pytest.mark.parametrize(("speaks", "set_to"), [(V3, "guide"), (GUIDE, "v3")])
def test_a_wrongly_set_dialect_is_a_warning(speaks: object, set_to: str) -> None:
    surgery = Surgery(a=Server(guide=speaks is GUIDE))
    surgery.settings = Settings.load(instances={"a": "http://a.test"}, dialects={"a": set_to})
    finding = said(surgery.visit(), f"is set to the dialect {set_to}")
    assert finding.severity is Severity.WARNING
    assert "KATO_TASKS_DIALECTS" in finding.advice


def test_a_dialect_that_cannot_be_told_is_an_error() -> None:
    mute = Server()
    mute.broken = {"/openapi.json", "/sessions/kato-tasks-nobody/exists"}
    finding = said(Surgery(a=mute).visit(), "no dialect that can be told")
    assert finding.severity is Severity.ERROR
    assert "KATO_TASKS_DIALECTS=a=v3" in finding.advice


def test_the_guides_fields_and_verbs_that_are_ignored_are_named() -> None:
    report = Surgery(a=Server()).visit()
    fields = said(report, "ignores the guide's fields")
    assert "ttl, config.session_ttl, config.session_auto_extend" in fields.sentence
    verbs = said(report, "lacks the guide's")
    assert "GET /sessions, " in verbs.sentence
    assert "GET /sessions/{id}/patterns" in verbs.sentence
    assert "POST /sessions/{id}/clear_stm" in verbs.sentence
    assert {fields.severity, verbs.severity} == {Severity.NOTE}


def test_a_server_of_the_guide_ignores_none_of_it() -> None:
    report = Surgery(a=Server(guide=True)).visit()
    assert not [one for one in report.findings if "the guide's fields" in one.sentence]
    assert not [one for one in report.findings if "lacks" in one.sentence]
