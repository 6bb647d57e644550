"""``kato-tasks instances``: what it prints."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from kato_tasks.breakers import RedisBreakers
from kato_tasks.cli import main
from kato_tasks.connections import RedisConnections
from kato_tasks.errors import EveryInstanceCordoned
from kato_tasks.placement import RedisPlacement
from kato_tasks.producer import KatoTasks
from kato_tasks.scripts import Runner
from kato_tasks.settings import PREFIX, Settings

SECRET = "hunter2"  # noqa: S105 - that it shows nowhere is the point

two_servers = pytest.mark.with_settings(
    instances={"eu": f"http://me:{SECRET}@eu:1", "us": "http://us:2"},
    breaker_failures=2,
    breaker_open=600.0,
    breaker_most=600.0,
)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in ("redis_url", "prefix"):
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", getattr(settings, name))
    monkeypatch.setenv(f"{PREFIX}INSTANCES", json.dumps(dict(settings.instances)))
    return CliRunner()


def instances(run: CliRunner, *arguments: str) -> Result:
    result = run.invoke(main, ["instances", *arguments])
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    return result


@two_servers
def test_every_server_is_shown_as_all_workers_see_it(
    run: CliRunner, runner: Runner, settings: Settings
) -> None:
    breakers = RedisBreakers(runner, settings)
    for _ in range(2):
        breakers.report("eu", sound=False)
    RedisConnections(runner, settings).join("us", under_way=7)
    RedisConnections(runner, settings).join("us")
    eu, us = json.loads(instances(run, "--json").stdout)
    assert eu.pop("open_until").startswith("20")
    assert eu == {
        "instance": "eu",
        "url": "http://eu:1",
        "weight": 1.0,
        "cordoned": None,
        "breaker": "open",
        "failures": 2,
        "processes": 0,
        "share": 32,
        "connections": 0,
        "under_way": 0,
    }
    assert (us["breaker"], us["open_until"]) == ("closed", None)
    assert (us["processes"], us["connections"], us["under_way"]) == (2, 64, 7)


@two_servers
def test_an_instance_is_closed_to_new_sessions_and_opened_again(run: CliRunner) -> None:
    def tell(*arguments: str, code: int = 0) -> dict[str, object]:
        result = run.invoke(main, [*arguments, "--json"])
        assert result.exit_code == code, result.output
        told: dict[str, object] = json.loads(result.stdout)
        return told

    assert tell("cordon", "eu") == {"instance": "eu", "cordoned": True, "changed": True}
    assert tell("cordon", "eu")["changed"] is False
    eu, us = json.loads(instances(run, "--json").stdout)
    assert eu["cordoned"].startswith("20")
    assert us["cordoned"] is None
    assert tell("uncordon", "eu") == {"instance": "eu", "cordoned": False, "changed": True}
    assert "as before" in run.invoke(main, ["uncordon", "eu"]).stdout
    assert run.invoke(main, ["cordon", "moon"]).exit_code == 2


@two_servers
def test_people_get_a_table(run: CliRunner) -> None:
    shown = instances(run).stdout
    assert "KATO servers" in shown
    assert "closed" in shown


@two_servers
def test_a_producer_goes_by_cordons(run: CliRunner, settings: Settings) -> None:
    def placed(key: str) -> str:
        with KatoTasks(settings) as kato:
            kato.services.sessions.intake.register(kato.session(key).request(()))
            record = kato.find(key)
            assert record is not None
            return record.spec.instance

    assert run.invoke(main, ["cordon", "eu"]).exit_code == 0
    assert {placed(f"a{number}") for number in range(8)} == {"us"}
    assert run.invoke(main, ["cordon", "us"]).exit_code == 0
    with pytest.raises(EveryInstanceCordoned):
        placed("b")
    assert run.invoke(main, ["uncordon", "eu"]).exit_code == 0
    assert (placed("b"), placed("a0")) == ("eu", "us")


@two_servers
def test_a_cordon_of_what_is_configured_no_more_can_be_taken_away(
    run: CliRunner, runner: Runner, settings: Settings
) -> None:
    before = settings.model_copy(update={"instances": {"gone": "http://gone"}})
    RedisPlacement(runner, before).cordon("gone")
    done = run.invoke(main, ["uncordon", "gone", "--json"])
    assert json.loads(done.stdout)["changed"] is True
    again = run.invoke(main, ["uncordon", "gone"])
    assert again.exit_code == 2
    assert "'gone' is not configured" in again.stderr
