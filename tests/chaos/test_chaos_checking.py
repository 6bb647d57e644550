"""Which of all that servers have applied is the session."""

from __future__ import annotations

from chaos_histories import entry, incarnation

from kato_tasks.chaos.checking import REPLAY, Effective, Entry, Incarnation, effective, in_order
from kato_tasks.demo import Difference
from kato_tasks.demo.checking import Observed


def history(*lineage: Incarnation, bound: str | None = None) -> list[int | str]:
    """Read a lineage, bound to its last one; observations by number, ``!n`` for emptied after n."""
    found = read(*lineage, bound=bound)
    assert found.difference == Difference()
    return labels(found)


def labels(found: Effective) -> list[int | str]:
    return [
        f"!{step.number}" if step.empties or step.number is None else step.number
        for step in found.steps
    ]


def read(*lineage: Incarnation, bound: str | None = None) -> Effective:
    return effective(lineage, lineage[-1].session_id if bound is None else bound)


def test_one_server_side_session_is_what_was_delivered_to_it() -> None:
    """Learns and settings change nothing in the order of events."""
    assert history(incarnation("a", 1, 2, "learn", "config", 3, "clear_stm", 4)) == [
        1,
        2,
        3,
        "!3",
        4,
    ]


def test_emptying_what_is_empty_is_nothing() -> None:
    assert history(incarnation("a", "clear_stm", 1, "clear_stm", "clear_stm")) == [1, "!1"]


def test_a_rebuilt_session_goes_on_where_its_replay_ends() -> None:
    """What the old one got afterwards went to an orphan, and does not count."""
    old = incarnation("a", 1, 2, 3, 4)
    assert history(old, incarnation("b", 3, 4, 5, replayed=[1, 2], at=9)) == [1, 2, 3, 4, 5]


def test_a_session_that_is_ended_begins_anew() -> None:
    assert history(incarnation("a", 1, "delete"), incarnation("b", 2, at=9)) == [1, "!1", 2]


def test_a_session_may_be_ended_before_anything_else_came_to_it() -> None:
    """It had moved, or was made anew. One that nothing was replayed to was cleaned up."""
    old = incarnation("a", 1, 2, entry("delete", at=6, source="replay"))
    moved = incarnation("b", entry("delete", at=7), replayed=[1, 2], at=5)
    assert history(old, moved, incarnation("c", 3, at=9)) == [1, 2, "!2", 3]
    in_vain = incarnation("b", entry("delete", at=7), at=5)
    assert (
        read(old, in_vain, incarnation("c", 3, replayed=[1, 2], at=9)).steps
        == read(old, incarnation("c", 3, replayed=[1, 2], at=9)).steps
    )


def test_an_end_that_is_done_again_after_doubt_counts_once() -> None:
    old = incarnation("a", 1, 2, entry("delete", at=4))
    again = incarnation("b", entry("delete", at=6), replayed=[1, 2], at=5)
    assert history(old, again, incarnation("c", 3, at=9)) == [1, 2, "!2", 3]


def test_the_clean_up_of_an_old_session_is_no_command() -> None:
    """Told by its source, or because it came when there was another one already."""
    old = incarnation("a", 1, "clear_stm", 2, entry("delete", at=10))
    assert history(old, incarnation("b", 2, at=9)) == [1, "!1", 2]
    marked = incarnation("a", 1, "clear_stm", 2, entry("delete", at=1, source="replay"))
    assert history(marked, incarnation("b", 2, at=9)) == [1, "!1", 2]


def test_rebuildings_that_were_not_finished_do_not_count() -> None:
    half = incarnation("b", replayed=[1], at=5)
    late = incarnation("d", replayed=[1, 2], at=20)
    lineage = (incarnation("a", 1, 2), half, incarnation("c", 3, replayed=[1, 2], at=9), late)
    assert history(*lineage, bound="c") == [1, 2, 3]


def test_an_empty_session_that_is_bound_counts() -> None:
    """All that was delivered to the one before went to an orphan."""
    assert history(incarnation("a", 1, 2), incarnation("b", at=9)) == []


def test_a_late_call_to_an_orphan_does_not_count() -> None:
    """Neither twice, when the journal had it, nor at all, when a clear came before."""
    late = incarnation("a", 1, 2, entry(2, at=12))
    assert history(late, incarnation("b", 3, replayed=[1, 2], at=9)) == [1, 2, 3]
    after = incarnation("a", 1, "clear_stm", entry(2, at=12))
    assert history(after, incarnation("b", 2, 3, at=9)) == [1, "!1", 2, 3]


def test_a_call_repeated_on_the_same_session_counts_twice() -> None:
    assert history(incarnation("a", 1, 2, 2, 3)) == [1, 2, 2, 3]


def test_what_a_replay_left_out_is_lost() -> None:
    found = read(incarnation("a", 1, 2, 3), incarnation("b", 4, replayed=[1, 3], at=9))
    assert found.difference == Difference(lost=1)


def test_what_a_replay_doubled_is_doubled() -> None:
    found = read(incarnation("a", 1, 2), incarnation("b", replayed=[1, 2, 2], at=9))
    assert found.difference.duplicated == 1


def test_a_bounded_journal_replays_the_newest_only() -> None:
    """What went before may be made up for by observations that hold nothing."""
    old = incarnation("a", 1, "clear_stm", 2, 3)
    assert history(old, incarnation("b", 4, replayed=[3], at=9)) == [1, "!1", 2, 3, 4]
    nothing = Entry(kind="observe", source=REPLAY, observed=Observed(event=(), others="{}"))
    new = incarnation("b", nothing, entry(3, source=REPLAY), 4, at=9)
    assert history(old, new) == [1, "!1", 2, 3, 4]


def test_a_call_in_doubt_may_be_part_of_the_replay() -> None:
    """It was not applied before; now it is, once."""
    old = incarnation("a", 1, 2)
    assert history(old, incarnation("b", 4, replayed=[1, 2, 3], at=9)) == [1, 2, 3, 4]


def test_rebuilding_twice_is_read_one_after_the_other() -> None:
    lineage = (
        incarnation("a", 1, 2, 3),
        incarnation("b", 3, 4, replayed=[1, 2], at=5),
        incarnation("c", 4, 5, replayed=[1, 2, 3], at=9),
    )
    assert history(*lineage) == [1, 2, 3, 4, 5]


def test_an_overwritten_session_counts_as_destroyed_unless_it_is_an_orphan() -> None:
    assert read(incarnation("a", 1, 2, "overwrote", 3)).destroyed == 1
    orphan = incarnation("a", 1, 2, "clear_stm", "overwrote")
    assert read(orphan, incarnation("b", 3, replayed=[1, 2], at=9)).destroyed == 0


def test_the_end_of_a_session_that_was_lost_before_is_in_no_audit() -> None:
    """It counts where it was accepted, and just there: else what went before is missing."""
    lineage = (incarnation("a", 1, 2, "gone"), incarnation("b", 3, at=9))
    assert labels(effective(lineage, "b", ends={2})) == [1, 2, "!2", 3]
    assert labels(effective(lineage, "b", ends={1})) == [3]
    assert labels(effective((incarnation("a", 1, 2), lineage[1]), "b", ends={2})) == [3]
    again = (incarnation("a", 1, "clear_stm", 2, "gone"), incarnation("b", 2, 3, at=9))
    assert labels(effective(again, "b", ends={1, 2})) == [1, "!1", 2, 3]


def test_neither_is_that_of_one_that_slept() -> None:
    """Its server-side session was deleted, by no command."""
    asleep = incarnation("a", 1, 2, entry("delete", at=3, source="replay"))
    lineage = (asleep, incarnation("b", 3, at=9))
    assert labels(effective(lineage, "b", ends={2})) == [1, 2, "!2", 3]
    assert labels(effective(lineage, "b", ends={1})) == [3]


def test_what_was_answered_and_not_stored_comes_to_light_in_the_replay() -> None:
    lineage = (incarnation("a", "gone"), incarnation("b", 3, replayed=[1, 2], at=9))
    assert history(*lineage) == [1, 2, 3]


def test_a_copy_that_was_made_ahead_of_a_move_comes_when_it_had_all() -> None:
    """The session was made anew at the source meanwhile, by others."""
    first = incarnation("blue-1", 1, 2)
    anew = incarnation("blue-2", 3, replayed=[1, 2], at=5)
    rest = [entry(3, at=6, source=REPLAY), entry(4, at=7)]
    copy = incarnation("green-1", *rest, replayed=[1, 2], at=4)
    lineage = in_order([[first, anew], [copy]])
    assert [one.session_id for one in lineage] == ["blue-1", "blue-2", "green-1"]
    assert history(*lineage) == [1, 2, 3, 4]
