"""Observing, the STM, accumulators and learning (kato-api 4 and 8)."""

import pytest
from devserver_api import Api

ABCD = "PTRN|d31a36e9ce0eb82e3ec5e48ff40e4861474db5a1"
AB = "PTRN|395314cc2f2880a00c3e6e11f1e02d8b8c45a0e4"


def test_an_event_is_sorted_by_code_point_and_keeps_duplicates(api: Api) -> None:
    session = api.session()
    answer = api.post(f"{session}/observe", {"strings": ["b", "B", "10", "9", "b"]})
    assert (answer["stm_length"], answer["time"], answer["processor_id"]) == (1, 1, "n-1")
    assert answer["unique_id"].startswith("obs-")
    assert len(answer["unique_id"]) == 36
    assert api.get(f"{session}/stm")["stm"] == [["10", "9", "B", "b", "b"]]


@pytest.mark.parametrize(
    ("vectors", "digest"),
    [
        ([[1, 2, 3]], "fe5de4472f7e4d5c9cdd19cadebfa06fe3da8e43"),
        ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "dad6080e00db0c381aac7ace8a6ace482b8364cb"),
        ([[1.1, 2.0, 3.0]], "e7d2885e2db68d5ec843c84790a0f73f892b47b2"),
        ([[]], "97d170e1550eee4afc0af065b78cda302a97674c"),
    ],
)
def test_vectors_are_summed_into_one_symbol(
    api: Api, vectors: list[list[float]], digest: str
) -> None:
    session = api.session()
    api.post(f"{session}/observe", {"vectors": vectors, "strings": ["s", "A"]})
    assert api.get(f"{session}/stm")["stm"] == [[f"VCTR|{digest}", "A", "s"]]


def test_time_counts_empty_observations_and_clearing_resets_it(api: Api) -> None:
    session = api.session()
    api.post(f"{session}/observe", {"strings": ["a"]})
    api.post(f"{session}/observe", {})
    assert api.post(f"{session}/observe", {"emotives": {"joy": 1}})["time"] == 3
    assert api.get(f"{session}/stm")["length"] == 1
    api.post(f"{session}/clear-stm")
    assert api.get(f"{session}/cognition-data")["cognition_data"]["time"] == 0
    assert api.get(f"{session}/percept-data")["percept_data"] == {}


def test_percept_answers_the_mean_emotive_and_cognition_the_last(api: Api) -> None:
    session = api.session()
    api.post(f"{session}/observe", {"emotives": {"joy": 0.5, "fear": -1}})
    api.post(f"{session}/observe", {"emotives": {"joy": "1"}, "metadata": {"k": 1}})
    percept = api.get(f"{session}/percept-data")["percept_data"]
    assert percept["emotives"] == {"joy": 0.75, "fear": -1.0}
    assert percept["metadata"] == {"k": 1}
    assert api.get(f"{session}/cognition-data")["cognition_data"]["emotives"] == {"joy": 1.0}


def test_the_stm_keeps_its_newest_thousand_events(api: Api) -> None:
    session = api.session()
    answer = api.sequence(session, *("x" for _ in range(1500)))
    assert answer["final_stm_length"] == 1500
    assert api.get(f"{session}/stm")["length"] == 1000
    assert api.post(f"{session}/observe", {"strings": ["y"]})["stm_length"] == 1000


def test_a_batch_answers_each_item_and_echoes_unique_ids(api: Api) -> None:
    session = api.session()
    body = {"observations": [{"strings": ["a"], "unique_id": "u-0"}, {"unique_id": ""}]}
    answer = api.post(f"{session}/observe-sequence", body)
    first, second = answer["results"]
    assert (first["unique_id"], first["time"], first["sequence_position"]) == ("u-0", 1, 0)
    assert len(second["unique_id"]) == len("seq-obs-") + 32
    assert answer["isolated"] is False


def test_learning_names_the_pattern_and_keeps_the_accumulators(api: Api) -> None:
    session = api.session("e-1")
    for frequency in (1, 2):
        api.sequence(session, "ba", "c")
        api.post(f"{session}/observe", {"strings": ["d"], "emotives": {"joy": 0.5}})
        answer = api.post(f"{session}/learn")
        assert answer["message"] == f"Learned pattern {ABCD} from 0 events"
        found = api.get(f"/pattern/{ABCD}", params={"node_id": "e-1"})
        assert found["pattern"]["pattern"]["frequency"] == frequency
    assert found["node_id"] == "e_1_kato"
    assert found["pattern"]["pattern"]["emotives"] == [{"joy": 0.5}] * 3
    assert api.get(f"{session}/stm")["length"] == 0


def test_a_pattern_keeps_five_emotives_and_unique_metadata_strings(api: Api) -> None:
    session = api.session()
    for run in range(7):
        api.post(f"{session}/clear-stm")
        body = {"strings": ["a", "b"], "emotives": {"joy": run}, "metadata": {"r": run, "s": "x"}}
        api.post(f"{session}/observe", body)
        api.post(f"{session}/learn")
    found = api.get(f"/pattern/{AB}", params={"node_id": "n-1"})["pattern"]["pattern"]
    assert [entry["joy"] for entry in found["emotives"]] == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert found["metadata"] == {"r": list("0123456"), "s": ["x"]}


def test_too_little_to_learn(api: Api) -> None:
    session = api.session()
    answer = api("POST", f"{session}/learn")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Cannot learn from empty STM"})
    api.post(f"{session}/observe", {"strings": ["a"]})
    assert api.post(f"{session}/learn")["pattern_name"] == ""
    assert api.get(f"{session}/stm")["length"] == 0


def test_a_pattern_that_is_not_there_is_an_ordinary_answer(api: Api) -> None:
    found = api.get("/pattern/PTRN|0000")
    message = "Pattern PTRN|0000 not found"
    assert found["pattern"] == {"status": "error", "message": message}
    assert found["node_id"] == "default_node_kato"


@pytest.mark.parametrize(("mode", "kept", "learned"), [("CLEAR", 1, 2), ("ROLLING", 2, 5)])
def test_auto_learning(api: Api, mode: str, kept: int, learned: int) -> None:
    session = api.session(config={"max_pattern_length": 3, "stm_mode": mode})
    answer = api.sequence(session, "a", "b", "c", "d", "e", "f", "g")
    assert answer["final_stm_length"] == kept
    assert len(answer["auto_learned_patterns"]) == learned
    third = answer["results"][2]
    assert third["auto_learned_pattern"] == answer["auto_learned_patterns"][0]
    assert third["time"] == 3


def test_learning_within_a_batch(api: Api) -> None:
    session = api.session()
    each = api.sequence(session, "ba", "c", learn_after_each=True)
    assert each["auto_learned_patterns"] == [AB, ""]
    end = api.sequence(session, "ba", "c", "d", learn_at_end=True)
    assert (end["final_learned_pattern"], end["final_stm_length"]) == (ABCD, 0)
    between = api.sequence(session, "a", "b", clear_stm_between=True)
    assert (between["final_stm_length"], between["isolated"]) == (1, True)


def test_a_batch_that_breaks_leaves_the_session_but_not_its_patterns(api: Api) -> None:
    session = api.session()
    ragged = {"vectors": [[1, 2], [1]]}
    body = {"observations": [{"strings": ["a", "b"]}, ragged], "learn_after_each": True}
    assert api("POST", f"{session}/observe-sequence", json=body).status_code == 500
    assert api.get(f"{session}/cognition-data")["cognition_data"]["time"] == 0
    found = api.get(f"/pattern/{AB}", params={"node_id": "n-1"})
    assert found["pattern"]["status"] == "okay"


def test_poisonous_symbols_break_the_server_and_apply_nothing(api: Api) -> None:
    session = api.session()
    surrogate = b'{"strings": ["\\ud800"]}'
    assert api("POST", f"{session}/observe", json={"strings": ["it's"]}).status_code == 500
    assert api("POST", f"{session}/observe", content=surrogate).status_code == 500
    api.post(f"{session}/observe", {"strings": ["ok"]})
    assert api.post(f"{session}/observe", {"strings": ["it's"]})["time"] == 2


def test_clear_all_forgets_the_node_but_not_its_other_sessions(api: Api) -> None:
    first, second = api.session(), api.session()
    api.sequence(first, "ab", learn_at_end=True)
    api.sequence(second, "k")
    assert api.post(f"{first}/clear-all")["scope"] == "all"
    found = api.get(f"/pattern/{AB}", params={"node_id": "n-1"})
    assert found["pattern"]["status"] == "error"
    assert api.get(f"{second}/stm")["stm"] == [["k"]]
