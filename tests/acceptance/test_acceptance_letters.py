"""``kato-tasks dead-letters`` and ``lanes``: what a server does not take is put right by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex

import httpx
from acceptance_command import Terminal, Up, background, clean_environment, run, write_lines

from kato_tasks.settings import PREFIX
from kato_tasks.testing import wait_until


def _observe(terminal: Terminal, folder: Path, key: str, *symbols: str) -> None:
    events = [{"session": key, "strings": [symbol]} for symbol in symbols]
    file = write_lines(folder / f"{token_hex(4)}.jsonl", events)
    done = terminal("ingest", str(file), "--json")
    assert done.code == 0, done.err


def _symbols(terminal: Terminal, server: str, key: str) -> list[str]:
    record = terminal("sessions", "show", key, "--json").json
    audit = httpx.get(f"{server}/_dev/audit/{record['session_id']}").json()
    return [entry["event"][0] for entry in audit["entries"] if entry["kind"] == "observe"]


def test_what_a_server_refused_is_replayed_when_the_cause_is_gone(
    up: Up, terminal: Terminal, tmp_path: Path
) -> None:
    """KATO fails at a lone symbol with a quote while it predicts, and not behind another."""
    key = f"poison-{token_hex(4)}"
    assert terminal("sessions", "create", key, "--predictions", "always").code == 0
    _observe(terminal, tmp_path, key, "it's")
    letters = partial(terminal, "dead-letters", "list", "--key", key, "--json")
    wait_until(lambda: bool(letters().json), timeout=60)
    [letter] = letters().json
    assert (letter["kind"], letter["seq"], letter["parked"]) == ("observe", 1, False)
    assert "answered 500" in letter["answer"]
    shown = terminal("dead-letters", "show", letter["id"], "--json").json
    assert shown["payload"] == {"strings": ["it's"]}

    _observe(terminal, tmp_path, key, "before")
    done = terminal("dead-letters", "replay", letter["id"], "--json")
    assert done.json["replayed"] == [{"id": letter["id"], "receipt": {"key": key, "seq": 3}}]
    wait_until(lambda: _symbols(terminal, up.server, key) == ["before", "it's"], timeout=30)
    assert letters().json == []
    assert terminal("dead-letters", "replay", letter["id"]).code == 1


@contextmanager
def _refusing(server: str) -> Iterator[None]:
    """Let a server refuse every observation for as long as the block lasts."""
    armed = {"faults": ["status,status=422,route=observe+sequence"]}
    assert httpx.post(f"{server}/_dev/faults", json=armed).is_success
    yield
    assert httpx.delete(f"{server}/_dev/faults").is_success


def test_a_parked_lane_keeps_its_order_and_goes_on_by_hand(tmp_path: Path) -> None:
    """With POISON=park: a replay comes before what waits behind it, a discard lets that go on."""
    env = clean_environment(tmp_path, **{f"{PREFIX}POISON": "park"})
    terminal = partial(run, env=env)
    parked = partial(terminal, "lanes", "list", "--state", "parked", "--json")
    with background("up", "--json", "--no-flower", env=env, folder=tmp_path) as up:
        server = up.ready()["kato default"]
        with _refusing(server):
            _observe(terminal, tmp_path, "k", "a", "b", "c")
            wait_until(lambda: bool(parked().json), timeout=30)
        assert "422" in parked().json[0]["parked"]
        assert terminal("doctor", "--json").code == 1
        lane = terminal("lanes", "show", "k", "--json").json
        assert [command["seq"] for command in lane["commands"]] == [1, 2, 3]
        assert lane["dead_letters"][0]["parked"] is True
        assert terminal("dead-letters", "replay", "--key", "k", "--yes").code == 0
        wait_until(lambda: _symbols(terminal, server, "k") == ["a", "b", "c"], timeout=30)

        with _refusing(server):
            _observe(terminal, tmp_path, "k", "d", "e")
            wait_until(lambda: bool(parked().json), timeout=30)
        assert terminal("dead-letters", "discard", "--all", "--yes").code == 0
        wait_until(lambda: _symbols(terminal, server, "k") == ["a", "b", "c", "e"], timeout=30)
        assert terminal("lanes", "list", "--json").json == []
        assert up.stop() == 0, up.err
