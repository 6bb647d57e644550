"""The scorecard: that nothing in scope differs, and that it would see it if something did."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from scorecard.__main__ import default_folder, main
from scorecard.comparing import Binding, differences
from scorecard.recordings import RecordingError, load
from scorecard.scoring import scores

FOLDER = default_folder()
A = "session-" + "a" * 32 + "-1795330825525"
B = "session-" + "b" * 32 + "-1795330825530"
recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded exchanges in {FOLDER}")


@recorded
def test_every_recorded_exchange_in_scope_is_answered_alike() -> None:
    found = asyncio.run(scores(FOLDER))
    assert {score.scenario for score in found} == {file.stem for file in FOLDER.glob("*.json")}
    assert {name: places for score in found for name, places in score.different.items()} == {}
    excluded = sum(len(score.excluded) for score in found)
    assert excluded <= 0.1 * (excluded + sum(score.in_scope for score in found))


@recorded
def test_it_can_be_asked_for_one_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenario", "ttl_limits", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"ttl_limits": {"in_scope": 6, "equal": 6, "different": {}, "out_of_scope": {}}}


@recorded
def test_a_wrong_answer_is_shown_and_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = json.loads((FOLDER / "ttl_limits.json").read_text())
    entries[0]["response"]["json"]["ttl_seconds"] = 3601
    (tmp_path / "ttl_limits.json").write_text(json.dumps(entries))
    assert main(["--scenario", "ttl_limits", "--transcripts", str(tmp_path)]) == 1
    assert ".ttl_seconds: recorded 3601, got 3600" in capsys.readouterr().out


def test_without_recordings_there_is_no_score(tmp_path: Path) -> None:
    assert main(["--transcripts", str(tmp_path / "nowhere")]) == 2
    assert main(["--transcripts", str(tmp_path), "--scenario", "nothing"]) == 2


def _differ(theirs: Any, ours: Any, binding: Binding | None = None) -> list[str]:  # noqa: ANN401
    return list(differences(theirs, ours, binding or Binding()))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ([1, 2], [2, 1]),
        ({"x": 0.1}, {"x": 0.1000001}),
        ({"name": "x"}, {"name": "y"}),
        ({"unique_id": "obs-" + "a" * 32}, {"unique_id": "seq-obs-" + "a" * 32}),
        ({"created_at": "2026-11-22T07:00:25Z"}, {"created_at": "2026-11-22T07:00:26Z"}),
    ],
)
def test_what_differs_is_seen(theirs: object, ours: object) -> None:
    assert _differ(theirs, ours)


def test_what_a_server_makes_up_is_bound_one_to_one() -> None:
    binding = Binding()
    assert not _differ({"session_id": A}, {"session_id": B}, binding)
    assert not _differ({"detail": f"Session {A}"}, {"detail": f"Session {B}"}, binding)
    assert _differ({"session_id": A}, {"session_id": B.replace("b", "c")}, binding)
    assert _differ({"session_id": A.replace("a", "d")}, {"session_id": B}, binding)
    assert binding.ours(f"/sessions/{A}/stm") == f"/sessions/{B}/stm"


def test_a_session_made_at_another_time_is_not_the_same() -> None:
    assert _differ({"session_id": A}, {"session_id": B.replace("530", "930")})


def test_ties_of_predictions_may_stand_in_any_order_but_nothing_else() -> None:
    first, second = {"name": "a", "potential": 2.0}, {"name": "b", "potential": 2.0}
    third = {"name": "c", "potential": 1.0}
    theirs = {"predictions": [first, second, third]}
    assert not _differ(theirs, {"predictions": [second, first, third]})
    assert _differ(theirs, {"predictions": [first, second, third | {"potential": 1.5}]})


def test_a_body_that_cannot_be_rebuilt_is_no_recording(tmp_path: Path) -> None:
    request = {"method": "POST", "path": "/x", "query": None, "json": "(omitted, 5 bytes)"}
    response = {"status": 200, "headers": {}, "json": {}}
    file = tmp_path / "x.json"
    file.write_text(json.dumps([{"request": request, "response": response}]))
    with pytest.raises(RecordingError, match="5 bytes was left out"):
        load(file)
