"""Predictions on demand are those of a server that predicts at every observe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from integration_recorder import Recorder, recording
from integration_site import Processes, Site

from kato_tasks import PredictionMode, WaitTimeout
from kato_tasks.testing import wait_until


def _observe(site: Site, key: str, symbols: str, *, node: str, predictions: str) -> None:
    session = site.kato.session(key, node=node, predictions=predictions)
    session.observe_many([{"strings": [symbol]} for symbol in symbols])


def test_both_kinds_of_session_predict_the_same(site: Site, key: str) -> None:
    """What the server computed by itself, what it is asked, and what the other is asked."""
    teacher = site.kato.session(f"{key}-teacher", node=key)
    for sequence in ("abcd", "abxy", "cdab"):
        teacher.observe_many([{"strings": [symbol]} for symbol in sequence])
        taught = teacher.learn()
    taught.wait()
    _observe(site, f"{key}-always", "ab", node=key, predictions="always")
    _observe(site, f"{key}-demand", "ab", node=key, predictions="on_demand")
    always = site.kato.session(f"{key}-always").predictions()
    demand = site.kato.session(f"{key}-demand").predictions()
    assert len(demand.predictions) == 3
    assert demand == always
    path = f"/sessions/{site.session_id(f'{key}-always')}/cognition-data"
    assert site.server.get(path)["cognition_data"]["predictions"] == list(demand.predictions)


def test_a_session_on_demand_costs_the_server_no_predictions(site: Site, key: str) -> None:
    for mode in PredictionMode:
        site.kato.session(f"{key}-{mode}", predictions=mode).observe(["a"]).wait()
        config = site.server.get(f"/sessions/{site.session_id(f'{key}-{mode}')}/config")["config"]
        assert config["process_predictions"] is (mode is PredictionMode.ALWAYS)


def test_predictions_wait_for_what_was_accepted_before(
    make_site: Callable[..., Site], key: str
) -> None:
    """Without a worker they time out, and say what to look at."""
    session = make_site().kato.session(key)
    session.observe(["a"])
    with pytest.raises(WaitTimeout, match="0 of 1 commands are delivered"):
        session.predictions(timeout=0.1)


@pytest.fixture
def recorder(processes: Processes) -> Iterator[Recorder]:
    server = processes.devserver("--cost-ms", "5")
    with recording(server.url) as started:
        yield started
    server.close()


def test_a_node_that_always_predicts_is_called_one_at_a_time(
    make_site: Callable[..., Site], recorder: Recorder, key: str
) -> None:
    """Two names that fold to one node, four sessions, two workers: never two calls at once.

    Then the same on four nodes without predictions, to see that the recorder would notice.
    """
    site = make_site(
        workers=2, instances={"default": recorder.url}, batch_commands=2, node_wait=0.2, turn=0.2
    )
    modes = ["always", "always", "on_demand", "always"]
    for number, mode in enumerate(modes):
        node = f"{key}.n" if number % 2 else f"{key}-n"
        _observe(site, f"{key}-{number}", "abcdefghij", node=node, predictions=mode)
        if number == 0:  # By its first call the node is known as one that is called alone.
            wait_until(lambda: recorder.calls > 1)
    for number in range(4):
        assert site.kato.session(f"{key}-{number}").predictions(timeout=30).predictions == ()
    assert recorder.calls >= 4 * 6
    assert recorder.most == 1
    for number in range(4):
        other = f"{key}-free-{number}"
        _observe(site, other, "abcdefghij", node=other, predictions="on_demand")
    for number in range(4):
        site.kato.session(f"{key}-free-{number}").predictions(timeout=30)
    assert recorder.most > 1
