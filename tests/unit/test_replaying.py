"""What people do with dead letters, against a server that stops refusing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from memory_world import World, strings

from kato_tasks.errors import InvalidInput, LaneFull, LetterGone, LetterUnreadable, SessionOver
from kato_tasks.models import DeadLetter, SessionState
from kato_tasks.sessions import unpark


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(**getattr(request, "param", {})) as world:
        yield world


parking = pytest.mark.parametrize("world", [{"poison": "park"}], indirect=True)


def refuse(world: World, *names: str, behind: tuple[str, ...] = (), key: str = "a") -> DeadLetter:
    """Send observations that the server does not take for now, and some that it does."""
    world.kato.refused = {name.encode() for name in strings(*names)}
    for name in (*names, *behind):
        world.session(key, node="n").observe([name])
    world.deliver_all(key)
    world.kato.refused = set()
    world.wake.calls.clear()
    return world.letters.list(limit=1)[0]


def test_a_letter_whose_lane_went_on_goes_to_its_end(world: World) -> None:
    """What was accepted after it has taken effect long since."""
    letter = refuse(world, "x", behind=("y",))
    receipt = world.office.replay(letter.id)
    assert receipt is not None
    assert (receipt.seq, receipt.command_id) == (3, f"replay:{letter.id}")
    assert world.wake.keys == ["a"]
    assert world.letters.count() == 0
    world.deliver_all()
    assert world.observed() == strings("y", "x")


def test_a_replay_that_is_repeated_adds_nothing(world: World) -> None:
    """As after an answer that was lost: the letter is still there, its command accepted."""
    letter = refuse(world, "x")
    first = world.office.replay(letter.id)
    world.store.dead.append(letter)
    again = world.office.replay(letter.id)
    assert first is not None
    assert again is not None
    assert (again.seq, again.repeated) == (first.seq, True)
    assert world.letters.count() == 0
    world.deliver_all()
    assert world.observed() == strings("x")


def test_a_command_that_is_refused_again_becomes_another_letter(world: World) -> None:
    letter = refuse(world, "x")
    world.kato.refused = {strings("x")[0].encode()}
    world.office.replay(letter.id)
    world.deliver_all()
    [another] = world.letters.list(limit=10)
    assert (another.id != letter.id, another.seq, another.command) == (True, 2, letter.command)


@parking
def test_a_letter_at_which_its_lane_is_parked_is_tried_again_where_it_stands(world: World) -> None:
    """Causal order: what waits behind it comes after it."""
    letter = refuse(world, "x", behind=("y", "z"))
    assert letter.parked
    assert world.observed() == []
    assert world.office.replay(letter.id) is None
    assert world.wake.keys == ["a"]
    world.deliver_all()
    assert world.observed() == strings("x", "y", "z")
    assert world.letters.count() == 0


@parking
def test_discarding_lets_a_parked_lane_go_on_without_the_command(world: World) -> None:
    letter = refuse(world, "x", behind=("y",))
    world.office.discard(letter.id)
    assert world.wake.keys == ["a"]
    world.deliver_all()
    assert world.observed() == strings("y")
    assert (world.letters.count(), world.record().applied) == (0, 2)


def test_discarding_a_letter_whose_lane_went_on_changes_nothing_else(world: World) -> None:
    letter = refuse(world, "x", behind=("y",))
    world.office.discard(letter.id)
    assert (world.letters.count(), world.wake.keys, world.record().waiting) == (0, [], 0)


@pytest.mark.parametrize("world", [{"poison": "go_on"}, {"poison": "park"}], indirect=True)
@pytest.mark.parametrize(("first", "seen"), [("replay", ["x", "y"]), ("discard", ["y"])])
def test_who_comes_second_does_nothing(first: str, seen: list[str], world: World) -> None:
    letter = refuse(world, "x", behind=("y",))
    getattr(world.office, first)(letter.id)
    for second in (world.office.replay, world.office.discard):
        with pytest.raises(LetterGone, match=letter.id):
            second(letter.id)
    world.deliver_all()
    assert sorted(world.observed()) == strings(*seen)


@parking
def test_a_lane_that_was_parked_anew_meanwhile_is_left_alone(world: World) -> None:
    """The one person has read the letter; another unparks the lane, and it parks again."""
    letter = refuse(world, "x", behind=("y",))
    assert unpark(world.lanes, world.wake, "a", drop=True, letter=letter.id)
    world.kato.refused = {strings("y")[0].encode()}
    world.deliver_all()
    world.store.dead.append(letter)
    with pytest.raises(LetterGone):
        world.office.replay(letter.id)
    world.office.discard(letter.id)
    assert (world.record().state, world.record().waiting) == (SessionState.PARKED, 1)


def test_a_session_that_has_ended_is_not_begun_anew_unasked(world: World) -> None:
    letter = refuse(world, "x")
    world.session("a").delete()
    world.deliver_all()
    with pytest.raises(SessionOver, match="--recreate"):
        world.office.replay(letter.id)
    assert (world.record().state, world.letters.count()) == (SessionState.ENDED, 1)
    assert world.office.replay(letter.id, recreate=True) is not None
    world.deliver_all()
    assert world.observed() == strings("x")
    assert world.record().spec.node == "n"


@pytest.mark.parametrize("world", [{"retention": 10.0}], indirect=True)
def test_of_a_session_that_is_forgotten_only_the_key_is_known(world: World) -> None:
    letter = refuse(world, "x")
    world.store.advance(11)
    with pytest.raises(SessionOver, match="known no more"):
        world.office.replay(letter.id)
    assert world.office.replay(letter.id, recreate=True) is not None
    world.deliver_all()
    assert (world.observed()[-1:], world.record().spec.node) == (strings("x"), "a")


def test_another_session_under_the_key_gets_a_letter_only_if_asked(world: World) -> None:
    letter = refuse(world, "x")
    world.session("a").delete()
    world.deliver_all()
    world.store.advance(1)
    world.session("a").observe(["new"])
    with pytest.raises(SessionOver):
        world.office.replay(letter.id)
    assert world.office.replay(letter.id, recreate=True) is not None


@pytest.mark.parametrize("lost", [{"command": None}, {"key": ""}])
def test_a_letter_that_holds_no_command_can_only_be_discarded(
    lost: dict[str, Any], world: World
) -> None:
    letter = refuse(world, "x")
    world.store.dead[:] = [replace(letter, **lost)]
    with pytest.raises(LetterUnreadable, match="Discard it"):
        world.office.replay(letter.id)
    world.office.discard(letter.id)
    assert world.letters.count() == 0


@pytest.mark.parametrize("world", [{"lane_commands": 1}], indirect=True)
def test_a_full_lane_leaves_the_letter_where_it_is(world: World) -> None:
    letter = refuse(world, "x")
    world.session("a").observe(["y"])
    with pytest.raises(LaneFull):
        world.office.replay(letter.id)
    assert world.letters.get(letter.id) == letter


def test_all_ids_are_there_the_oldest_first(world: World) -> None:
    refuse(world, *(f"x{number}" for number in range(30)))
    refuse(world, "y", key="b")
    ids = [letter.id for letter in world.letters.list(limit=100)][::-1]
    assert world.office.ids() == ids
    assert world.office.ids(key="b") == ids[-1:]
    assert world.office.ids(key="nobody") == []


def test_what_is_no_id_is_bad_input(world: World) -> None:
    for act in (world.office.replay, world.office.discard):
        with pytest.raises(InvalidInput, match="dead letter is 'x'"):
            act("x")
