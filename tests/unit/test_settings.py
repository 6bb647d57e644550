"""Settings from the environment."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from kato_tasks.errors import InvalidInput, UnknownInstance
from kato_tasks.models import PredictionMode
from kato_tasks.settings import PREFIX, Settings, parse_instances


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)


def test_the_defaults_are_one_machine() -> None:
    settings = Settings.load()
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.instances == {"default": "http://127.0.0.1:8000"}
    assert settings.predictions is PredictionMode.ON_DEMAND


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_TASKS_LEASE", "2.5")
    monkeypatch.setenv("KATO_TASKS_PREDICTIONS", "always")
    monkeypatch.setenv("KATO_TASKS_INSTANCES", "eu=http://eu:1,us=http://us:2/")
    settings = Settings.load()
    assert settings.lease == 2.5
    assert settings.predictions is PredictionMode.ALWAYS
    assert settings.instances == {"eu": "http://eu:1", "us": "http://us:2"}


def test_overrides_stand_above_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_TASKS_LEASE", "2.5")
    monkeypatch.setenv("KATO_TASKS_TURN", "3")
    settings = Settings.load(lease=4)
    assert (settings.lease, settings.turn) == (4, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shards", 0),
        ("shards", 1025),
        ("lease", 0),
        ("lease", -1),
        ("lease", float("nan")),
        ("lease", float("inf")),
        ("ttl", 0),
        ("batch_commands", 0),
        ("batch_commands", 1001),
        ("kato_connections", 101),
        ("prefix", ""),
        ("prefix", "a:b"),
        ("prefix", "x" * 33),
        ("queue_prefix", "a b"),
        ("predictions", "sometimes"),
        ("wake_lanes", "many"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"^setting {name} is .*; allowed: "):
        Settings.load(**{name: value})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidInput, match="redis_ulr is 'x'; allowed: only the documented fields"):
        Settings.load(redis_ulr="x")


@pytest.mark.parametrize(
    ("text", "instances"),
    [
        ("http://kato:1", {"default": "http://kato:1"}),
        (" a=http://a:1 , b = https://b:2 ,", {"a": "http://a:1", "b": "https://b:2"}),
        ('{"a": "http://a:1", "b": "https://b:2"}', {"a": "http://a:1", "b": "https://b:2"}),
    ],
)
def test_instances_by_name(text: str, instances: dict[str, str]) -> None:
    assert parse_instances(text) == instances
    assert Settings.load(instances=text).instances == instances
    assert Settings.load(instances=instances).instances == instances


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", "at least one name=url"),
        ("a=http://a,a=http://b", "every name once"),
        ("http://a,http://b", "every name once"),
        ("a=ftp://a", "http:// or https:// URLs of a host"),
        ("a=http://", "http:// or https:// URLs of a host"),
        ("a=http://a/?b=c", "http:// or https:// URLs of a host"),
        ("a=", "http:// or https:// URLs"),
        ("kato:8000", "http:// or https:// URLs"),
        ("=http://a", "1 to 63 letters"),
        ("a b=http://a", "1 to 63 letters"),
        ('{"a": 1}', "a JSON object of URLs by name"),
        ('{"a"', "a JSON object of URLs by name"),
        ("{}", "at least one name=url"),
    ],
)
def test_other_instances_are_refused(text: str, allowed: str) -> None:
    with pytest.raises(InvalidInput, match=f"^setting instance.*; allowed: {allowed}"):
        Settings.load(instances=text)


def test_an_instance_is_looked_up_by_its_name() -> None:
    settings = Settings.load(instances="b=http://b,a=http://a")
    assert settings.instance_url("a") == "http://a"
    with pytest.raises(UnknownInstance, match="'c' is not configured; allowed: one of a, b"):
        settings.instance_url("c")


@pytest.mark.parametrize("text", ["a=3, b=0.5", '{"a": "3", "b": "0.5"}'])
def test_weights_by_name(text: str) -> None:
    settings = Settings.load(instances="a=http://a,b=http://b,c=http://c", weights=text)
    assert [settings.weight_of(name) for name in "abc"] == [3.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a=0", "weights.a is '0'"),
        ("a=-1", "weights.a is '-1'"),
        ("a=nan", "weights.a is 'nan'"),
        ("a=inf", "weights.a is 'inf'"),
        ("a=much", "weights.a is 'much'"),
        ("c=1", "weights name the instance 'c'; allowed: one of a, b"),
        ("a=1,a=2", "every name once"),
        ('{"a": []}', "a JSON object of numbers by name"),
    ],
)
def test_other_weights_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        Settings.load(instances="a=http://a,b=http://b", weights=text)


def test_the_broker_is_the_store_unless_said_otherwise() -> None:
    assert Settings.load(redis_url="redis://s:1/0").broker == "redis://s:1/0"
    assert Settings.load(broker_url="amqp://b").broker == "amqp://b"


def test_settings_are_frozen() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.lease = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "text", ["a=ftp://u:secret@h", "a=http://u:secret@h,a=http://b", '{"a": "http://u:secret@h"']
)
def test_a_password_in_a_url_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Settings.load(instances=text)
    assert "secret" not in str(refusal.value)


def test_a_misspelt_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting that was meant would go unnoticed."""
    monkeypatch.setenv("KATO_TASKS_DEDUP_ID", "5")
    with pytest.raises(InvalidInput, match=r"DEDUP_ID names no setting; allowed: .*_DEDUP_IDS, if"):
        Settings.load()


@pytest.mark.parametrize(
    "name", ["RUN_FILE", "TEST_AMQP_URL", "PORT", "SERVICE_HOST", "PORT_8000_TCP_ADDR"]
)
def test_variables_of_tools_and_orchestrators_are_no_settings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"KATO_TASKS_{name}", "x")
    assert Settings.load().shards == 16
