"""What ``kato-tasks ingest`` says in the end."""

from __future__ import annotations

import pytest
from memory_world import World, strings

from kato_tasks.cli.ingest import Done, Problems, wait_for_spans
from kato_tasks.ingest import Problem, Span, Totals


def problems(number: int) -> tuple[Problem, ...]:
    return tuple(Problem(source="f", line=n, reason="bad.") for n in range(1, number + 1))


def test_each_problem_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The first ones in the list, the others on standard error as they come."""
    told = Problems(listed=2)
    told.add(problems(1))
    told.add(problems(3))
    assert told.listed == ["f:1: bad.", "f:1: bad."]
    assert told.cut
    assert capsys.readouterr().err == "f:2: bad.\nf:3: bad.\n"


def test_what_kato_refused_is_counted() -> None:
    """In the middle too, where the last command of the session was applied."""
    with World() as world:
        world.kato.refused = {payload.encode() for payload in strings("b", "d")}
        receipts = [world.session().observe([name]) for name in "abcde"]
        world.deliver_all()
        spans = {"a": Span(receipts[0].seq, receipts[-1].seq)}
        assert wait_for_spans(world.registry, spans, 1, lambda *_: None) == 2
        assert wait_for_spans(world.registry, {"a": Span(3, 4)}, 1, lambda *_: None) == 1


@pytest.mark.parametrize(
    ("refused", "applied", "words"),
    [
        (None, False, "1 observation for 1 session accepted in 0.5 s"),
        (0, True, "1 observation for 1 session accepted and applied in 0.5 s"),
        (2, False, "accepted, KATO REFUSED 2 and applied the others in 0.5 s"),
    ],
)
def test_the_last_sentence(refused: int | None, words: str, *, applied: bool) -> None:
    done = Done(
        totals=Totals(read=3, accepted=1, refused=1),
        sessions=1,
        refused_by_kato=refused,
        seconds=0.5,
    )
    assert words in str(done)
    assert str(done).endswith("0 known before, 1 line refused.")
    fields = done.as_json(Problems(listed=1))
    assert (fields["refused_by_kato"], fields["applied"]) == (refused, applied)
    assert (fields["problems"], fields["problems_cut"]) == ([], False)
