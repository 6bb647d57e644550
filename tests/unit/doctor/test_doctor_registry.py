"""What the doctor says of the registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from doctor_servers import Server, Surgery, said, wrong

from kato_tasks.doctor import Context, Severity, examine
from kato_tasks.errors import StoreUnavailable
from kato_tasks.models import Command, Kind, Outcome, SessionRecord
from kato_tasks.testing import MemoryDeadLetters, MemoryRegistry


def test_nodes_that_fold_alike_on_one_instance_are_named() -> None:
    surgery = Surgery(a=Server(), b=Server())
    surgery.register("a", ["shop.1", "shop-1", "shop_2"])
    surgery.register("b", ["shop.2"])
    finding = said(surgery.visit(), "as one")
    assert finding.severity is Severity.WARNING
    assert finding.subject == "a"
    assert "'shop-1', 'shop.1'" in finding.sentence


def test_two_sessions_of_one_node_collide_with_nobody() -> None:
    surgery = Surgery(a=Server())
    surgery.register("a", ["n", "n"])
    assert surgery.visit().sound


@pytest.mark.parametrize(
    ("nodes", "severity"),
    [
        (79, Severity.OK),
        (80, Severity.WARNING),
        (100, Severity.WARNING),
        (101, Severity.ERROR),
    ],
)
def test_nodes_are_counted_against_what_a_process_keeps(nodes: int, severity: Severity) -> None:
    surgery = Surgery(a=Server())
    surgery.register("a", [f"n{number}" for number in range(nodes)])
    assert said(surgery.visit(), f"has {nodes} nodes in the registry").severity is severity


def test_nodes_of_others_at_the_server_count_too() -> None:
    crowded = Server()
    crowded.used = 95
    finding = said(Surgery(a=crowded).visit(), "95 in use at the server")
    assert finding.severity is Severity.WARNING


def test_sessions_in_doubt_are_counted() -> None:
    surgery = Surgery(a=Server())
    surgery.register("a", ["n1", "n2", "n3", "n4", "n5"])
    for number in range(1, 5):
        surgery.store.entry(f"a/n{number}").doubt = "the answer was lost"
    finding = said(surgery.visit(), "in doubt")
    assert finding.severity is Severity.WARNING
    assert "4 sessions in doubt" in finding.sentence
    assert "'a/n1', 'a/n2', 'a/n3' and 1 more" in finding.sentence
    assert "lanes list --state doubt" in finding.advice


def test_parked_sessions_are_counted_and_in_doubt_no_more() -> None:
    surgery = Surgery(a=Server(), b=Server())
    surgery.register("a", ["n1"])
    surgery.register("b", ["n2"])
    entry = surgery.store.entry("b/n2")
    entry.parked, entry.suspect = "an anomaly", "the store was restarted"
    report = surgery.visit()
    finding = said(report, "has 1 parked session, to which nothing is sent: 'b/n2'.")
    assert (finding.severity, finding.subject) == (Severity.WARNING, "b")
    assert "kato-tasks lanes unpark KEY" in finding.advice
    assert wrong(report) == [finding.sentence]


@pytest.mark.parametrize(("count", "words"), [(1, "1 dead letter:"), (2, "2 dead letters:")])
def test_dead_letters_are_counted(count: int, words: str) -> None:
    surgery = Surgery(a=Server())
    command = Command(kind=Kind.OBSERVE, accepted_ms=0, payload=b"{}")
    for seq in range(count):
        surgery.store.post("k", seq, command, Outcome(refusal="no"))
    finding = said(surgery.visit(), f"has {words} commands that their servers did not take.")
    assert (finding.severity, finding.subject) == (Severity.WARNING, "store")
    assert "kato-tasks dead-letters list" in finding.advice


def test_a_cordoned_instance_is_worth_a_note() -> None:
    surgery = Surgery(a=Server(), b=Server())
    assert not [one for one in surgery.visit().findings if "cordoned" in one.sentence]
    surgery.placement.cordon("a")
    report = surgery.visit()
    finding = said(report, "is cordoned: no new session is made on it.")
    assert (finding.severity, finding.subject) == (Severity.NOTE, "a")
    assert "kato-tasks uncordon a" in finding.advice
    assert report.sound


def test_every_instance_cordoned_is_worth_a_warning() -> None:
    surgery = Surgery(a=Server(), b=Server())
    for name in "ab":
        surgery.placement.cordon(name)
    assert wrong(surgery.visit()) == [
        "says that every instance is cordoned, so new sessions are refused."
    ]


def test_a_cordon_of_what_is_not_configured_is_noted() -> None:
    surgery = Surgery(a=Server(), b=Server())
    surgery.store.cordons["gone"] = 1.0
    assert said(surgery.visit(), "and it is not configured").subject == "gone"


def test_the_only_instance_takes_new_sessions_whatever_is_cordoned() -> None:
    surgery = Surgery(a=Server())
    surgery.placement.cordon("a")
    report = surgery.visit()
    assert report.sound
    assert said(report, "is cordoned, and takes new sessions all the same").subject == "a"


class NoRegistry(MemoryRegistry):
    """A registry whose store is away."""

    def walk(self) -> Iterator[SessionRecord]:
        raise StoreUnavailable("redis://r.test", "refused")


def test_a_store_that_is_away_does_not_keep_the_doctor_from_the_servers() -> None:
    surgery = Surgery(a=Server())
    context = Context(
        settings=surgery.settings,
        registry=NoRegistry(surgery.store, surgery.settings),
        letters=MemoryDeadLetters(surgery.store),
        placement=surgery.placement,
        client=lambda name: surgery.servers[name].client(name),
    )
    report = examine(context)
    assert report.unavailable == ("store",)
    assert wrong(report) == ["does not answer at redis://r.test: refused."]
    assert said(report, "runs KATO").subject == "a"
