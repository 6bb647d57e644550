"""Configuration and predictions (kato-api 3)."""

import math

import pytest
from devserver_api import Api


def test_one_invalid_value_drops_the_whole_configuration(api: Api) -> None:
    config = {"recall_threshold": 2.0, "max_predictions": 5}
    created = api.post("/sessions", {"node_id": "a", "config": config})
    assert created["session_config"]["recall_threshold"] == 0.1
    assert created["session_config"]["max_predictions"] == 100


def test_unknown_keys_are_ignored_and_booleans_stored_as_they_are(api: Api) -> None:
    config = {"no_such_key": 1, "process_predictions": "false", "affinity_emotive": "joy"}
    stored = api.post("/sessions", {"node_id": "a", "config": config})["session_config"]
    assert "no_such_key" not in stored
    assert stored["process_predictions"] == "false"
    assert stored["affinity_emotive"] == "joy"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("recall_threshold", "0.5", "Must be a number between 0.0 and 1.0"),
        ("max_pattern_length", 2.5, "Must be a non-negative integer"),
        ("persistence", 0, "Must be an integer between 1 and 100"),
        ("indexer_type", "ZZ", "Must be one of: VI, LSH, ANNOY, FAISS"),
        ("process_predictions", "no", "Must be a boolean (true/false)"),
        ("stm_mode", 5, "Must be a string"),
    ],
)
def test_an_invalid_update_applies_nothing(api: Api, key: str, value: object, text: str) -> None:
    session = api.session()
    answer = api("POST", f"{session}/config", json={"config": {"jaccard_threshold": 7, key: value}})
    assert answer.status_code == 400
    assert answer.json()["detail"]["validation_errors"] == {key: text}
    assert api.get(f"{session}/config")["config"]["jaccard_threshold"] == 0.3


def test_what_an_update_lets_through(api: Api) -> None:
    session = api.session()
    changes = {"stm_mode": "SLIDING", "use_token_matching": False, "max_pattern_length": True}
    api.post(f"{session}/config", changes)
    config = api.get(f"{session}/config")["config"]
    assert config["stm_mode"] == "CLEAR"
    assert config["sort_symbols"] is False
    assert config["max_pattern_length"] is True
    assert api("POST", f"{session}/config", json={"config": None}).status_code == 500


def test_predictions_of_a_prefix_equal_the_recorded_ones(api: Api) -> None:
    session = api.session()
    api.sequence(session, "ab", learn_at_end=True)
    for _ in range(3):
        api.sequence(session, "a", "b", "cd", learn_at_end=True)
    api.sequence(session, "a", "b")
    answer = api.get(f"{session}/predictions")
    exact, prefix = answer["predictions"]
    assert (exact["potential"], exact["similarity"], exact["future"]) == (4.0, 1.0, [])
    assert (prefix["past"], prefix["present"], prefix["future"]) == (
        [],
        [["a"], ["b"]],
        [["c", "d"]],
    )
    assert math.isclose(prefix["potential"], 3.5)
    assert prefix["predictive_information"] == 0.4999999999999999
    assert prefix["bayesian_posterior"] == 0.6666666666666666
    assert answer["future_potentials"][0]["future"] == [["c", "d"]]


def test_a_single_symbol_is_answered_in_the_short_form(api: Api) -> None:
    session = api.session()
    api.sequence(session, "ab", learn_at_end=True)
    assert api.get(f"{session}/predictions")["predictions"] == []
    api.sequence(session, "a")
    [found] = api.get(f"{session}/predictions")["predictions"]
    assert (found["present"], found["future"], found["potential"]) == (["a"], ["b"], 2.5)
    assert api.get(f"{session}/cognition-data")["cognition_data"]["predictions"] == []


def test_threshold_and_limit_count_for_asking_only(api: Api) -> None:
    session = api.session(config={"recall_threshold": 0.9, "max_predictions": 1})
    for letters in ("abx", "aby", "ab"):
        api.sequence(session, letters, learn_at_end=True)
    api.sequence(session, "ab")
    assert len(api.get(f"{session}/predictions")["predictions"]) == 1
    stored = api.get(f"{session}/cognition-data")["cognition_data"]["predictions"]
    assert len(stored) == 3


def test_node_ids_that_fold_alike_share_their_patterns(api: Api) -> None:
    api.sequence(api.session("a-1.x y"), "ab", learn_at_end=True)
    other = api.session("a_1_x_y")
    api.sequence(other, "ab")
    assert len(api.get(f"{other}/predictions")["predictions"]) == 1


def test_the_description_lists_the_routes_there_are(api: Api) -> None:
    described = api.get("/openapi.json")
    assert described["info"] == {"title": "KATO API", "version": "3.10.1"}
    assert set(described["paths"]["/sessions/{session_id}"]) == {"get", "delete"}
    assert api.get("/")["service"] == "KATO API"
    assert api.get("/health")["status"] == "healthy"
    assert api.get("/status")["processors"]["total_processors"] == 0
