"""``kato-tasks dead-letters`` and ``kato-tasks lanes``: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kato_tasks.cli import main
from kato_tasks.cli.lanes import in_words
from kato_tasks.lanes import RedisLanes
from kato_tasks.models import (
    Append,
    Claim,
    Group,
    Intent,
    Kind,
    Outcome,
    SessionSpec,
    Settlement,
)
from kato_tasks.scripts import Runner
from kato_tasks.settings import PREFIX, Settings

REFUSED = Outcome(refusal="not [bold]valid")


class Shop:
    """Lanes to look at, and the command line to look at them."""

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self.lanes = RedisLanes(runner, settings)
        self._numbers = iter(range(1000))

    def observe(self, key: str, *payloads: str) -> None:
        group = Group(
            command_id=f"id-{next(self._numbers)}",
            kind=Kind.OBSERVE,
            payloads=tuple(map(str.encode, payloads)),
        )
        spec = SessionSpec(node="n", instance="default")
        self.lanes.append([Append(key=key, spec=spec, groups=(group,))])

    def intend(self, key: str) -> Claim:
        claim = self.lanes.claim(key, most=9)
        assert isinstance(claim, Claim)
        intent = Intent(
            first=claim.applied + 1, count=1, kind=Kind.OBSERVE, time=0, session_id="sid"
        )
        assert self.lanes.intend(claim.lease, intent)
        return claim

    def refuse(self, key: str) -> None:
        claim = self.intend(key)
        settlement = Settlement(
            first=claim.applied + 1, count=1, time=0, outcome=REFUSED, refused=True
        )
        assert self.lanes.settle(claim.lease, settlement) is not None

    def park(self, key: str) -> None:
        assert self.lanes.park(self.intend(key).lease, "no such field", outcome=REFUSED)

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> Result:
        result = CliRunner().invoke(main, arguments, input=stdin)
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def ids(self) -> list[str]:
        return [letter["id"] for letter in self.json("dead-letters", "list")]


@pytest.fixture
def shop(runner: Runner, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in ("redis_url", "prefix"):
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("COLUMNS", "200")
    # Wake-ups go where no worker of another test takes them.
    monkeypatch.setenv(f"{PREFIX}QUEUE_PREFIX", f"queues-of-{settings.prefix}.")
    yield Shop(runner, settings)
    for key in ("a", "b"):
        RedisLanes(runner, settings).unpark(key)


def test_a_dead_letter_is_listed_with_what_the_server_answered(shop: Shop) -> None:
    shop.observe("a", '{"strings":["x"]}')
    shop.refuse("a")
    [letter] = shop.json("dead-letters", "list")
    times = [letter.pop(name) for name in ("accepted_at", "refused_at")]
    assert times == sorted(times)
    assert letter == {
        "id": letter["id"],
        "key": "a",
        "seq": 1,
        "parked": False,
        "answer": "not [bold]valid",
        "kind": "observe",
        "size": 17,
    }
    shown = shop.run("dead-letters", "list").stdout
    assert "1 of 1 dead letter" in shown
    assert "not [bold]valid" in shown


def test_one_is_shown_with_what_it_carries(shop: Shop) -> None:
    shop.observe("a", '{"strings":["ü"]}', "no JSON")
    for _ in range(2):
        shop.refuse("a")
    second, first = shop.ids()
    assert shop.json("dead-letters", "show", first)["payload"] == {"strings": ["ü"]}
    assert shop.json("dead-letters", "show", second)["payload"] == "no JSON"
    assert "ü" in shop.run("dead-letters", "show", first).stdout


def test_a_page_follows_another(shop: Shop) -> None:
    shop.observe("a", "{}", "{}", "{}")
    for _ in range(3):
        shop.refuse("a")
    whole = shop.ids()
    [first] = shop.json("dead-letters", "list", "--limit", "1")
    rest = shop.json("dead-letters", "list", "--before", first["id"], "--key", "a")
    assert [letter["id"] for letter in rest] == whole[1:]
    assert shop.json("dead-letters", "list", "--key", "b") == []


def test_named_letters_are_replayed_in_the_order_in_which_they_are_named(shop: Shop) -> None:
    shop.observe("a", '{"n":1}', '{"n":2}')
    for _ in range(2):
        shop.refuse("a")
    second, first = shop.ids()
    assert shop.json("dead-letters", "replay", first, second) == {
        "replayed": [
            {"id": first, "receipt": {"key": "a", "seq": 3}},
            {"id": second, "receipt": {"key": "a", "seq": 4}},
        ],
        "failed": [],
    }
    lane = shop.json("lanes", "show", "a", "--payloads")
    assert [command["payload"] for command in lane["commands"]] == [{"n": 1}, {"n": 2}]
    assert shop.ids() == []


@pytest.mark.parametrize("choice", [("--all",), ("--key", "a")])
def test_all_are_replayed_the_oldest_first_if_a_person_agrees(
    choice: tuple[str, ...], shop: Shop
) -> None:
    shop.observe("a", '{"n":1}', '{"n":2}')
    for _ in range(2):
        shop.refuse("a")
    asked = shop.run("dead-letters", "replay", *choice, stdin="n\n", code=1)
    assert "Replay 2 dead letters?" in asked.stderr
    assert len(shop.ids()) == 2
    done = shop.run("dead-letters", "replay", *choice, stdin="y\n")
    assert "2 dead letters replayed." in done.stdout
    lane = shop.json("lanes", "show", "a", "--payloads")
    assert [command["payload"] for command in lane["commands"]] == [{"n": 1}, {"n": 2}]


def test_all_are_discarded_without_a_question_if_told_so(shop: Shop) -> None:
    shop.observe("a", "{}")
    shop.refuse("a")
    shop.observe("b", "{}")
    shop.refuse("b")
    ids = shop.ids()
    assert shop.json("dead-letters", "discard", "--key", "b", "--yes")["discarded"] == ids[:1]
    assert shop.json("dead-letters", "discard", "--all", "--yes")["discarded"] == ids[1:]
    assert shop.json("dead-letters", "discard", "--all") == {"discarded": [], "failed": []}


def test_what_fails_for_one_is_done_for_the_others(shop: Shop) -> None:
    shop.observe("a", "{}")
    shop.refuse("a")
    [letter] = shop.ids()
    gone = "0:1-1"
    done = shop.json("dead-letters", "discard", gone, letter, code=1)
    assert done["discarded"] == [letter]
    [failed] = done["failed"]
    assert failed["name"] == gone
    assert "There is no dead letter '0:1-1'" in failed["error"]
    assert "There is no dead letter" in shop.run("dead-letters", "replay", gone, code=1).stderr
    assert "There is no dead letter" in shop.run("dead-letters", "show", gone, code=1).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "x"),
        ("list", "--before", "x"),
        ("replay", "0:1-1", "x"),
        ("discard", "x"),
        ("replay",),
        ("discard", "0:1-1", "--all"),
        ("replay", "--all", "--key", "a", "--yes"),
    ],
)
def test_bad_input_is_a_sentence_and_does_nothing(arguments: tuple[str, ...], shop: Shop) -> None:
    assert "rror: " in shop.run("dead-letters", *arguments, code=2).stderr


def test_a_session_that_is_over_is_begun_anew_if_asked(shop: Shop, settings: Settings) -> None:
    shop.observe("a", "{}")
    shop.refuse("a")
    [letter] = shop.ids()
    client = shop.lanes._runner.client  # noqa: SLF001 - the record runs out
    client.delete(f"{settings.prefix}:{{3}}:s:a")
    assert "--recreate" in shop.run("dead-letters", "replay", letter, code=1).stderr
    [replayed] = shop.json("dead-letters", "replay", letter, "--recreate")["replayed"]
    assert replayed["receipt"] == {"key": "a", "seq": 1}


def test_lanes_with_work_or_trouble_are_listed(shop: Shop) -> None:
    shop.observe("a", "{}")
    shop.observe("b", "{}", "{}")
    shop.park("b")
    found = {lane["key"]: lane for lane in shop.json("lanes", "list")}
    assert (found["a"]["state"], found["a"]["waiting"], found["a"]["parked"]) == ("new", 1, None)
    assert found["a"]["next_look"].startswith("20")
    assert (found["b"]["state"], found["b"]["waiting"]) == ("parked", 2)
    assert (found["b"]["parked"], found["b"]["next_look"]) == ("no such field", None)
    assert [lane["key"] for lane in shop.json("lanes", "list", "--state", "ready")] == ["a"]
    assert [lane["key"] for lane in shop.json("lanes", "list", "--state", "parked")] == ["b"]
    assert len(shop.json("lanes", "list", "--limit", "1")) == 1
    assert "no such field" in shop.run("lanes", "list").stdout


def test_a_lane_is_shown_with_all_that_stands_in_it(shop: Shop) -> None:
    shop.observe("a", *(f'{{"n":{number}}}' for number in range(25)))
    shop.refuse("a")
    shop.intend("a")
    lane = shop.json("lanes", "show", "a")
    assert (lane["applied"], lane["waiting"], lane["epoch"], lane["leased"]) == (1, 24, 0, True)
    assert (lane["intent"]["kind"], lane["intent"]["first"]) == ("observe", 2)
    assert [command["seq"] for command in lane["commands"]] == list(range(2, 22))
    assert set(lane["commands"][0]) == {"seq", "kind", "accepted_at", "size"}
    assert [letter["seq"] for letter in lane["dead_letters"]] == [1]
    shown = shop.run("lanes", "show", "a").stdout
    assert "observe, position 2, to sid, since 20" in shown
    assert "The first 20 of 24 commands that wait" in shown
    assert "not [bold]valid" in shown
    assert '"n"' not in shown
    assert "'n': 2" in shop.run("lanes", "show", "a", "--payloads").stdout


def test_a_parked_lane_is_unparked_by_hand(shop: Shop) -> None:
    shop.observe("a", '{"n":1}', '{"n":2}')
    shop.park("a")
    assert shop.json("lanes", "unpark", "a") == {"unparked": ["a"], "failed": []}
    assert shop.json("lanes", "show", "a")["waiting"] == 2
    shop.park("a")
    assert "1 lane unparked." in shop.run("lanes", "unpark", "a", "--drop").stdout
    assert shop.json("lanes", "show", "a")["waiting"] == 1
    assert shop.ids() == []


def test_a_lane_that_is_not_parked_or_not_known_is_said_to_be_so(shop: Shop) -> None:
    shop.observe("a", "{}")
    done = shop.run("lanes", "unpark", "a", "nobody", code=1)
    assert "Session 'a' is not parked; nothing was done." in done.stderr
    assert "There is no session 'nobody'." in done.stderr
    assert "There is no session 'nobody'." in shop.run("lanes", "show", "nobody", code=1).stderr


def test_an_intent_is_told_in_words() -> None:
    intent = Intent(first=5, count=12, kind=Kind.OBSERVE, time=0, session_id="s", pattern="PTRN|1")
    told = "observe, positions 5 to 16, to s, learning PTRN|1, since 1970-01-01T00:00:01.000+00:00"
    assert in_words(intent, 1.0) == told
    delete = Intent(first=3, count=1, kind=Kind.DELETE, time=0, session_id="", pattern="")
    assert in_words(delete, 1.0).startswith("delete, position 3, to no session, learning a pattern")


def test_a_session_shows_what_was_done_for_it(shop: Shop) -> None:
    shop.observe("a", "{}")
    shop.park("a")
    record = shop.json("sessions", "show", "a")
    named = {name: record[name] for name in ("doubt", "parked", "attempts", "rehomed", "why")}
    assert named == {
        "doubt": None,
        "parked": "no such field",
        "attempts": 0,
        "rehomed": 0,
        "why": None,
    }
