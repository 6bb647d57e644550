"""What the demo of the life cycle compares, and what it calls sound."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner

from kato_tasks.cli import main
from kato_tasks.cli.demo_lifecycle import print_lifecycle
from kato_tasks.demo import Difference
from kato_tasks.demo.checking import Observed
from kato_tasks.demo.lifecycle import VARIABLES, LifecycleReport, Wanted
from kato_tasks.demo.lifecycle.cast import (
    LIVES,
    TTL,
    Group,
    after_learn,
    before_learn,
    later,
    members,
)
from kato_tasks.demo.lifecycle.ledger import against
from kato_tasks.demo.lifecycle.mind import WHOLLY, Alike, Mind, alike, missing, read_mind
from kato_tasks.errors import SessionNotFound
from kato_tasks.kato import KatoClient
from kato_tasks.observations import encode_observations
from kato_tasks.sessions.specs import check_keep_alive, make_spec
from kato_tasks.settings import PREFIX, Settings

SOUND: Final = LifecycleReport(
    wanted=Wanted(kept=2, ending=3, sleeping=4, left=1),
    observations=50,
    lives=5.1,
    kept_alive=2,
    ended=3,
    started_empty=3,
    hibernated=4,
    woken=4,
    stm_equal=4,
    percept_equal=4,
    cognition_equal=4,
    forgotten=1,
    restored=1,
)
MIND: Final = Mind(
    stm=[["a", "b"], ["VCTR|1", "VCTR|2", "c"]],
    percept={"strings": ["c"], "emotives": {"joy": 0.5}},
    cognition={"time": 3, "emotives": {}},
)


def told(*observations: dict[str, Any]) -> list[Observed]:
    return [Observed.sent(json.dumps(one).encode()) for one in observations]


def audited(event: list[str], **extras: object) -> Observed:
    return Observed.audited({"event": event, "observation": extras})


def test_what_lived_as_it_was_to_is_sound() -> None:
    assert SOUND.sound
    assert SOUND.verdict.startswith("Sound: every session lived as it was to")


@pytest.mark.parametrize(
    "report",
    [
        LifecycleReport(wanted=Wanted(kept=0, ending=0, sleeping=0, left=0)),
        replace(SOUND, kept_alive=1),
        replace(SOUND, ended=2),
        replace(SOUND, started_empty=2),
        replace(SOUND, hibernated=3, woken=3, stm_equal=3, percept_equal=3, cognition_equal=3),
        replace(SOUND, woken=3),
        replace(SOUND, stm_equal=3),
        replace(SOUND, percept_equal=3),
        replace(SOUND, cognition_equal=3),
        replace(SOUND, forgotten=0),
        replace(SOUND, restored=0),
        replace(SOUND, difference=Difference(lost=1)),
        replace(SOUND, notes=("kept-00: the server did not answer.",)),
    ],
)
def test_one_that_did_not_is_not_sound(report: LifecycleReport) -> None:
    assert not report.sound
    assert report.as_json()["sound"] is False
    assert report.verdict.startswith("NOT SOUND")


def test_the_json_has_the_figures_side_by_side() -> None:
    found = SOUND.as_json()
    wanted = ("kept_alive", "ended", "hibernated", "woken", "stm_equal", "lost")
    assert [found[name] for name in wanted] == [2, 3, 4, 4, 4, 0]
    assert json.loads(json.dumps(found)) == found


def test_the_table_has_what_failed_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_lifecycle(replace(SOUND, notes=("kept-00: a note.",)))
    captured = capsys.readouterr()
    assert "kept alive" in captured.out
    assert "NOT SOUND" in captured.out
    assert captured.err == "kept-00: a note.\n"


def test_minds_are_compared_in_all_that_can_be_read() -> None:
    assert alike(MIND, MIND) == WHOLLY
    assert alike(MIND, replace(MIND, stm=MIND.stm[:1])) == replace(WHOLLY, stm=False)
    assert alike(MIND, replace(MIND, percept={})) == replace(WHOLLY, percept=False)
    assert alike(MIND, replace(MIND, cognition={"time": 2})) == replace(WHOLLY, cognition=False)


def test_nothing_is_equal_to_a_mind_that_is_not_there() -> None:
    assert alike(None, None) == alike(MIND, None) == alike(None, MIND) == Alike()


def test_what_a_session_does_not_remember_is_missing() -> None:
    """Observations without an event, and how a server names vectors, do not count."""
    must = told({"strings": ["b", "a"]}, {"emotives": {"joy": 1}}, {"strings": ["c"]})
    assert missing(must, MIND) == 0
    assert missing([*must, *told({"strings": ["d"]})], MIND) == 1
    assert missing(must, None) == 2


def test_a_session_that_its_server_does_not_have_has_no_mind() -> None:
    class Gone:
        def get_stm(self, _session_id: str) -> list[list[str]]:
            raise SessionNotFound("GET /sessions/{id}/stm", "not found", 404)

    client = cast("KatoClient", Gone())
    assert read_mind(client, "session-1") is None
    assert read_mind(client, None) is None


def test_vectors_are_compared_and_not_their_symbols() -> None:
    """A node that has learned names their neighbours, too."""
    sent = told({"strings": ["x"], "vectors": [[1.0, 2.0]]}, {"strings": ["y"]})
    there = [audited(["VCTR|1", "VCTR|2", "x"], vectors=[[1.0, 2.0]]), audited(["y"])]
    assert against(sent, there) == Difference()
    other = [audited(["VCTR|1", "x"], vectors=[[1.0, 2.5]]), there[1]]
    assert against(sent, other) == Difference(lost=1, duplicated=1)


@pytest.mark.parametrize(
    ("places", "difference"),
    [
        ([0], Difference(lost=1)),
        ([0, 1, 1], Difference(duplicated=1)),
        ([1, 0], Difference(reordered=2)),
    ],
)
def test_what_is_not_as_it_was_accepted_is_told(places: list[int], difference: Difference) -> None:
    there = [audited(["x"]), audited(["y"])]
    sent = told({"strings": ["x"]}, {"strings": ["y"]})
    assert against(sent, [there[place] for place in places]) == difference


def test_every_group_has_its_members() -> None:
    cast_of = members(each=6, few=2)
    groups = Counter(member.group for member in cast_of)
    assert groups == {
        Group.SLEEPING: 6,
        Group.AWAKE: 3,
        Group.ENDING: 6,
        Group.KEPT: 6,
        Group.LEFT: 2,
    }
    assert len({member.key for member in cast_of}) == len(cast_of)


def test_twins_are_told_the_same() -> None:
    found = {member.key: member for member in members(each=4)}
    sleeping = [one for one in found.values() if one.group is Group.SLEEPING]
    twins = [(one, found[one.twin]) for one in sleeping if one.twin is not None]
    assert len(twins) == 2
    assert all(one.story == twin.story and twin.group is Group.AWAKE for one, twin in twins)


def test_the_options_can_be_had_with_the_settings() -> None:
    """And those that are kept live longer than they could unkept."""
    overrides = {name.removeprefix(PREFIX).lower(): value for name, value in VARIABLES.items()}
    settings = Settings.load(**overrides)
    for member in members():
        options = dict(member.options)
        keep_alive = options.pop("keep_alive", False)
        spec = make_spec(settings, node=member.key, **options)
        assert check_keep_alive(keep_alive, spec, settings) is (member.group is Group.KEPT)
    assert LIVES * TTL > TTL


def test_what_is_sent_holds_all_that_an_observation_can_hold() -> None:
    sent = [*before_learn("s"), *after_learn("s"), later("s")]
    assert {name for one in sent for name in one} == {
        "strings",
        "vectors",
        "emotives",
        "metadata",
    }
    assert len(encode_observations(sent, max_bytes=1_000)) == len(sent)


@pytest.mark.parametrize("option", ["--input", "--sessions", "--observations", "--kato"])
def test_options_of_the_main_job_have_no_place_beside_it(option: str) -> None:
    """They would be ignored; it is said before anything is started."""
    done = CliRunner().invoke(main, ["demo", "--lifecycle", option, "1"])
    assert done.exit_code == 2
    assert f"{option} has no place" in done.output
