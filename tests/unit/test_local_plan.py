"""What runs, and what its processes are told."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kato_tasks.errors import InvalidInput
from kato_tasks.local import Plan, Ports, devserver_process, make_plan, set_variables
from kato_tasks.models import PredictionMode
from kato_tasks.settings import PREFIX, Settings
from kato_tasks.stack import ProcessSpec

FREE = Ports(store=None, devserver=None, flower=None)
FOREIGN = {
    f"{PREFIX}BROKER_URL": "redis://foreign/0",
    f"{PREFIX}PREFIX": "theirs",
    f"{PREFIX}QUEUE_PREFIX": "theirs.",
    f"{PREFIX}SHARDS": "3",
}


def spec_of(plan: Plan, name: str) -> ProcessSpec:
    return next(spec for spec in plan.specs if spec.name == name)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_variables_nothing_of_the_users_environment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the demo plans: its own store is the broker, and all else is the default."""
    set_all(monkeypatch, FOREIGN)
    plan = make_plan(tmp_path, ports=FREE)
    settings, default = plan.settings, Settings.model_fields
    assert settings.broker == settings.redis_url
    assert settings.redis_url.startswith("redis://127.0.0.1:")
    assert (settings.prefix, settings.shards) == (default["prefix"].default, 16)
    assert set(plan.environment) == {
        PREFIX + name for name in ("REDIS_URL", "BROKER_URL", "DATABASE_URL", "INSTANCES")
    }
    assert settings.database_url == f"sqlite:///{tmp_path}/ledger.db"
    assert all(set(spec.drop) == {PREFIX, "CELERY_"} for spec in plan.specs)


def test_the_ledger_is_in_the_data_folder_unless_one_is_named(tmp_path: Path) -> None:
    """As a broker, it counts with a store of its own only: it records that store's sessions."""
    own = make_plan(tmp_path, ports=FREE)
    assert own.settings.database_url == f"sqlite:///{tmp_path / 'ledger.db'}"
    named = {f"{PREFIX}DATABASE_URL": "postgresql://db/team"}
    embedded = make_plan(tmp_path, ports=FREE, variables=named)
    assert embedded.settings.database_url == own.settings.database_url
    with_store = make_plan(tmp_path, redis_url="redis://ours/0", ports=FREE, variables=named)
    assert with_store.settings.database_url == "postgresql://db/team"


def test_a_broker_counts_with_a_store_of_its_own_only(tmp_path: Path) -> None:
    """An embedded store with the team's broker would take the team's messages."""
    embedded = make_plan(tmp_path, ports=FREE, variables=FOREIGN)
    assert embedded.settings.broker == embedded.settings.redis_url
    assert embedded.environment[f"{PREFIX}BROKER_URL"] == embedded.settings.redis_url
    named = make_plan(tmp_path, redis_url="redis://ours/0", ports=FREE, variables=FOREIGN)
    assert named.settings.broker == named.environment[f"{PREFIX}BROKER_URL"] == "redis://foreign/0"
    alone = make_plan(tmp_path, redis_url="redis://ours/0", ports=FREE)
    assert alone.environment[f"{PREFIX}BROKER_URL"] == "redis://ours/0"


def test_the_environment_says_all_that_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process with nothing but this environment has the very settings of the plan."""
    variables = {
        **FOREIGN,
        f"{PREFIX}PREDICTIONS": "always",
        f"{PREFIX}TTL": "60",
        f"{PREFIX}DIALECTS": "a=guide",
    }
    plan = make_plan(
        tmp_path,
        redis_url="redis://ours/0",
        instances={"a": "http://a:8000", "b": "http://b:8000"},
        ports=FREE,
        variables=variables,
    )
    set_all(monkeypatch, dict(plan.environment))
    assert Settings.load() == plan.settings
    assert (plan.settings.prefix, plan.settings.ttl) == ("theirs", 60)
    assert plan.settings.predictions is PredictionMode.ALWAYS
    worker = spec_of(plan, "worker-1").env
    assert plan.environment.items() <= worker.items()
    assert spec_of(plan, "flower").env == spec_of(plan, "beat").env == plan.environment


def test_only_settings_that_a_whole_stack_shares_are_variables() -> None:
    environment = {
        "kato_tasks_prefix": "mine",
        f"{PREFIX}RUN_FILE": "/run",
        f"{PREFIX}READY_FILE": "/ready",
        f"{PREFIX}NO_SETTING": "1",
        "PATH": "/bin",
    }
    assert set_variables(environment) == {f"{PREFIX}PREFIX": "mine"}


def test_a_variable_out_of_its_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="shards"):
        make_plan(tmp_path, ports=FREE, variables={f"{PREFIX}SHARDS": "0"})


def test_a_store_that_was_named_is_waited_for_without_end(tmp_path: Path) -> None:
    """One of our own must be there soon, or something is wrong."""
    named = make_plan(tmp_path, redis_url="redis://ours/0", ports=FREE)
    embedded = make_plan(tmp_path, ports=FREE)
    for name in ("worker-1", "flower"):
        assert spec_of(named, name).ready_timeout == math.inf
        assert spec_of(embedded, name).ready_timeout == 60


@pytest.mark.parametrize("when", ["always", "everysec"])
def test_the_store_forces_its_data_onto_the_disk_as_told(when: str, tmp_path: Path) -> None:
    command = list(spec_of(make_plan(tmp_path, ports=FREE, appendfsync=when), "store").command)
    assert command[command.index("--appendfsync") + 1] == when


def test_beat_writes_no_file(tmp_path: Path) -> None:
    """A schedule of Celery's is a pickle, which runs what somebody else has put there."""
    plan = make_plan(tmp_path, ports=FREE)
    assert not [part for part in spec_of(plan, "beat").command if "schedule" in part]


def test_one_development_server_keeps_its_name_and_folder(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, ports=FREE)
    command = list(spec_of(plan, "devserver").command)
    assert command[command.index("--state") + 1] == str(tmp_path / "devserver")
    assert list(plan.settings.instances) == ["default"]
    assert devserver_process("default", ()) == "devserver"


def test_each_named_instance_is_a_development_server(tmp_path: Path) -> None:
    """With a process, a port and a folder of its own, at ports one after the other if free."""
    names = ("blue", "green")
    plan = make_plan(tmp_path, devservers=names, ports=FREE)
    assert list(plan.settings.instances) == ["blue", "green"]
    assert len(set(plan.settings.instances.values())) == 2
    for name in names:
        process = devserver_process(name, names)
        assert process == f"devserver-{name}"
        command = list(spec_of(plan, process).command)
        assert command[command.index("--state") + 1] == str(tmp_path / process)
        assert plan.settings.instances[name].endswith(f":{command[command.index('--port') + 1]}")
    assert not [spec for spec in plan.specs if spec.name == "devserver"]


@pytest.mark.parametrize("names", [("blue", "blue"), ("no name",), ("",)])
def test_names_that_are_none_or_twice_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        make_plan(tmp_path, devservers=names, ports=FREE)


def test_development_servers_beside_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="one of both"):
        make_plan(tmp_path, instances={"a": "http://a"}, devservers=("blue",), ports=FREE)
