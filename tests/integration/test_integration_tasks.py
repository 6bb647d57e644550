"""The Celery tasks, sent by their names as any Celery producer would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from integration_site import Site

from kato_tasks import InvalidInput, UnknownInstance
from kato_tasks.models import Kind
from kato_tasks.sessions import group_commands
from kato_tasks.testing import wait_until
from kato_tasks.worker import names


def test_create_session_answers_the_servers_session(site: Site, key: str) -> None:
    created = site.send(names.CREATE_SESSION, key, node="shop", tags=["a"], ttl=600)
    assert created == {
        "key": key,
        "session_id": site.session_id(key),
        "node": "shop",
        "instance": "default",
    }
    assert site.server.get(f"/sessions/{created['session_id']}")["ttl_seconds"] in (599, 600)
    assert site.send(names.CREATE_SESSION, key) == created


def test_observe_learn_and_predict(site: Site, key: str) -> None:
    """``predict`` delivers the lane up to ``after`` itself, then asks."""
    for symbol in "abc":
        observed = site.send(names.OBSERVE, key, {"strings": [symbol]})
    assert (observed["key"], observed["seq"], observed["repeated"]) == (key, 3, False)
    assert site.send(names.LEARN, key)["seq"] == 4
    for symbol in "ab":
        seq = site.send(names.OBSERVE, key, {"strings": [symbol]})["seq"]
    found = site.send(names.PREDICT, key, after=seq)
    assert [one["future"] for one in found["predictions"]] == [[["c"]]]
    assert found["future_potentials"]


def test_predictions_of_an_unknown_session_are_none(site: Site, key: str) -> None:
    assert site.send(names.PREDICT, key) == {"predictions": [], "future_potentials": []}


def test_fan_out_of_one_observation_to_many_sessions(site: Site, key: str) -> None:
    keys = [f"{key}-{number}" for number in range(20)]
    sent = site.send(names.FAN_OUT, observation={"strings": ["x"]}, keys=keys, node=key)
    assert sent == {"accepted": 20, "repeated": 0}
    for one in keys:
        site.kato.session(one).observe(["y"]).wait()
    assert [site.stm(one) for one in keys] == [[["x"], ["y"]]] * 20


def test_fan_out_of_pairs_keeps_their_order(site: Site, key: str) -> None:
    pairs = [(f"{key}-{number % 2}", {"strings": [str(number)]}) for number in range(10)]
    assert site.send(names.FAN_OUT, pairs=pairs) == {"accepted": 10, "repeated": 0}
    for number in range(2):
        wait_until(lambda one=f"{key}-{number}": site.record(one).applied == 5)  # type: ignore[misc]
    assert site.symbols(f"{key}-0") == ["0", "2", "4", "6", "8"]
    assert site.symbols(f"{key}-1") == ["1", "3", "5", "7", "9"]


def test_clear_and_delete(site: Site, key: str) -> None:
    site.send(names.OBSERVE, key, {"strings": ["a"]})
    seq = site.send(names.CLEAR_STM, key)["seq"]
    wait_until(lambda: site.record(key).applied == seq)
    assert site.stm(key) == []
    site.send(names.DELETE_SESSION, key)
    wait_until(lambda: site.record(key).session_id is None)
    assert [one["alive"] for one in site.server.sessions_of(key)] == [False]


def test_a_task_delivered_twice_adds_nothing(site: Site, key: str) -> None:
    """The task id names the command, so a redelivered message answers the first receipt."""
    task_id = str(uuid4())
    first = site.send(names.OBSERVE, key, {"strings": ["a"]}, task_id=task_id)
    again = site.send_again(names.OBSERVE, key, {"strings": ["a"]}, task_id=task_id)
    assert again == {**first, "repeated": True}
    site.kato.session(key).observe(["b"]).wait()
    assert site.symbols(key) == ["a", "b"]


def test_a_fan_out_delivered_twice_adds_nothing(site: Site, key: str) -> None:
    task_id, pairs = str(uuid4()), [(key, {"strings": [symbol]}) for symbol in "ab"]
    assert site.send(names.FAN_OUT, pairs=pairs, task_id=task_id)["repeated"] == 0
    again = site.send_again(names.FAN_OUT, pairs=pairs, task_id=task_id)
    assert again == {"accepted": 2, "repeated": 2}
    site.kato.session(key).observe(["c"]).wait()
    assert site.symbols(key) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("task", "arguments", "sentence"),
    [
        (names.OBSERVE, {"observation": {"strings": [1]}}, r"strings\[0\] is 1; allowed: text"),
        (names.OBSERVE, {"observation": {"emotives": {"joy": "much"}}}, "emotives.joy is 'much'"),
        (names.OBSERVE, {"observation": {}, "colour": "red"}, "colour is 'red'"),
        (names.OBSERVE, {"observation": {}, "node": "test_x"}, "node is 'test_x'"),
        (names.LEARN, {"command_id": ""}, "command_id is empty"),
        (names.PREDICT, {"timeout": -1}, "timeout is -1; allowed: greater than 0"),
        (names.CREATE_SESSION, {"ttl": 0}, "ttl is 0"),
        (names.CREATE_SESSION, {"config": {"colour": 1}}, "colour is no config key"),
    ],
)
def test_refused_arguments_are_readable_by_the_caller(
    site: Site, key: str, task: str, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        site.send(task, key, **arguments)


def test_an_unknown_instance_is_readable_by_the_caller(site: Site, key: str) -> None:
    with pytest.raises(UnknownInstance, match="'mars' is not configured; allowed: one of default"):
        site.send(names.OBSERVE, key, {"strings": ["a"]}, instance="mars")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"observation": {"strings": ["a"]}},
        {"keys": ["a"]},
        {"observation": {"strings": ["a"]}, "keys": ["a"], "pairs": [["b", {}]]},
    ],
)
def test_fan_out_takes_one_form_or_the_other(site: Site, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="an observation with keys, or pairs alone"):
        site.send(names.FAN_OUT, **arguments)


def test_sweep_calls_workers_to_what_nobody_works_on(
    make_site: Callable[..., Site], key: str
) -> None:
    """As beat sends it, to a worker that does not sweep by itself."""
    site = make_site(workers=1, sweep_interval=3600)
    request = site.kato.session(key).request(
        group_commands(Kind.OBSERVE, (b'{"strings":["a"]}',), None)
    )
    site.kato.services.lanes.append([request])

    def sweep() -> int:
        found: int = site.app.send_task(names.SWEEP, ignore_result=False).get(timeout=30)
        return found

    assert site.record(key).applied == 0
    wait_until(lambda: sweep() == 1)
    wait_until(lambda: site.record(key).applied == 1)
