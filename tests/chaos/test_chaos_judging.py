"""What is said of one session, and of what was learned."""

from __future__ import annotations

from dataclasses import replace

from chaos_histories import PLAIN, accepted, entry, incarnation, observed

from kato_tasks.chaos.checking import REPLAY, Entry, Incarnation
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.expecting import expect
from kato_tasks.chaos.judging import Evidence, Finding, Learned, count_learns, judge
from kato_tasks.chaos.reading import Found, entry_of
from kato_tasks.demo import Difference
from kato_tasks.demo.checking import Observed


def events(*numbers: int) -> tuple[tuple[str, ...], ...]:
    return tuple((f"n{number}", "shared") for number in numbers)


def finding(
    *steps: int | str, there: Incarnation, stm: tuple[int, ...], member: Member = PLAIN
) -> Finding:
    taken = accepted(*steps)
    evidence = Evidence(lineage=[there], bound=there.session_id, found=Found(stm=events(*stm)))
    return judge(member, expect(member, taken, refused=(), delivered=99), taken, evidence)


def test_what_is_as_it_was_accepted_is_no_finding() -> None:
    there = incarnation("a", 1, 2, "learn", 3)
    assert finding(1, 2, "learn", 3, there=there, stm=(3,)) == Finding()


def test_each_difference_is_counted_once_and_told() -> None:
    """Where the history differs, the memory is not counted too."""
    lost = finding(1, 2, 3, there=incarnation("a", 1, 3), stm=(1, 3))
    assert lost.difference == Difference(lost=1)
    assert "from step 2 on: [2, 3] were accepted, [3] applied." in lost.problems[0]
    doubled = finding(1, 2, there=incarnation("a", 1, 2, 2), stm=(1, 2, 2))
    assert doubled.difference == Difference(duplicated=1)
    swapped = finding(1, 2, there=incarnation("a", 2, 1), stm=(2, 1))
    assert swapped.difference == Difference(reordered=2)


def test_a_clear_at_another_place_is_a_difference() -> None:
    there = incarnation("a", 1, "clear_stm", 2, 3)
    assert finding(1, 2, "clear", 3, there=there, stm=(2, 3)).difference != Difference()


def test_the_same_number_with_another_content_is_another_observation() -> None:
    other = Entry(kind="observe", number=1, observed=observed(1, emotives={"joy": 1.0}))
    found = finding(1, there=incarnation("a", other), stm=(1,))
    assert found.difference == Difference(lost=1, duplicated=1)


def test_a_stranger_that_writes_beside_us_is_seen() -> None:
    stranger = Entry(kind="observe", observed=Observed(event=("x",), others="{}"))
    found = finding(1, 2, there=incarnation("a", 1, stranger, 2), stm=(1, 2))
    assert found.difference.duplicated == 1


def test_a_memory_that_is_not_what_its_history_makes_is_a_difference() -> None:
    """As after an answer that said more than was stored."""
    found = finding(1, 2, there=incarnation("a", 1, 2), stm=(1,))
    assert found.difference == Difference(lost=1)
    assert "the short-term memory has 1 events and must have 2" in found.problems[0]


def test_emotives_that_got_lost_are_a_difference() -> None:
    taken = accepted(1)
    expected = replace(expect(PLAIN, taken, refused=(), delivered=1), emotives={"joy": 0.5})
    evidence = Evidence(lineage=[incarnation("a", 1)], bound="a", found=Found(stm=events(1)))
    assert judge(PLAIN, expected, taken, evidence).difference == Difference(lost=1)


def test_positions_must_follow_each_other() -> None:
    """A gap is a command that was accepted twice."""
    taken = accepted(1, 2)
    taken[1] = replace(taken[1], first=3, seq=3)
    evidence = Evidence(lineage=[incarnation("a", 1, 2)], bound="a", found=Found(stm=events(1, 2)))
    found = judge(PLAIN, expect(PLAIN, taken, refused=(), delivered=3), taken, evidence)
    assert found.difference == Difference(reordered=1)


def test_a_session_that_is_bound_to_none_has_nothing() -> None:
    taken = accepted(1, "delete")
    expected = expect(PLAIN, taken, refused=(), delivered=2)
    lineage = [incarnation("a", 1, "delete")]
    assert judge(PLAIN, expected, taken, Evidence(lineage=lineage, bound=None, found=Found())) == (
        Finding()
    )


def test_vectors_are_compared_without_the_names_that_the_server_gives() -> None:
    member = replace(PLAIN, vectors=True)
    step: dict[str, object] = {"strings": ["n1"], "vectors": [[1.0]], "metadata": {"n": 1}}
    taken = accepted(step)
    told = {"kind": "observe", "at": 1.0, "source": "delivery", "event": ["VCTR|5eb0", "n1"]}
    told["observation"] = {"vectors": [[1.0]], "metadata": {"n": 1}}
    there = incarnation("a", entry_of(told))
    evidence = Evidence(lineage=[there], bound="a", found=Found(stm=(("VCTR|5eb0", "n1"),)))
    expected = expect(member, taken, refused=(), delivered=1)
    assert judge(member, expected, taken, evidence) == Finding()


def test_learns_are_counted_by_the_frequency_of_their_patterns() -> None:
    frequency = {"a": 1, "b": 3, "c": 0}
    assert count_learns(["a", "b", "c"], frequency) == Learned(learns=3, twice=2, lost=1)


def test_an_entry_of_an_audit_without_our_number_is_not_ours() -> None:
    told = {"kind": "observe", "at": 1.0, "source": "replay", "event": ["x"]}
    found = entry_of(told)
    assert (found.number, found.replayed) == (None, True)
    assert entry("clear_stm").observed is None


def test_an_observation_that_is_known_from_its_faded_replay_alone_is_there() -> None:
    """Its call made the server learn, and counted; its event is in the pattern alone."""
    faded = Entry(kind="observe", source=REPLAY, number=2, observed=observed(2).faded())
    first = incarnation("a", 1)
    second = incarnation("b", entry(1, source=REPLAY), faded, 3, at=9)
    taken = accepted(1, 2, 3)
    evidence = Evidence(lineage=[first, second], bound="b", found=Found(stm=events(1, 2, 3)))
    expected = expect(PLAIN, taken, refused=(), delivered=99)
    assert judge(PLAIN, expected, taken, evidence) == Finding()
    delivered = incarnation("a", 1, replace(faded, source="delivery"), 3)
    assert finding(1, 2, 3, there=delivered, stm=(1, 2, 3)).difference.lost == 1
