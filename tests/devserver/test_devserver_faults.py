"""Faults on demand: how they are written, whom they strike, what the calls answer."""

import pytest
from devserver_api import Api

from kato_tasks.devserver.faults import KNOWN, FaultError, Faults, Kind, parse

TROUBLE = "/_dev/faults"


def _arm(api: Api, *texts: str) -> None:
    api.post(TROUBLE, {"faults": texts})


def _frequency(api: Api, name: str) -> int:
    pattern = api.get(f"/pattern/{name}", params={"node_id": "n-1"})["pattern"]
    return int(pattern["pattern"]["frequency"]) if pattern["status"] == "okay" else 0


def test_a_fault_is_a_name_an_amount_and_parameters() -> None:
    [rate, count, plain, once] = parse(
        "500:0.05,route=observe+learn; 503:3,after=2; latency,seconds=0.5; crash"
    )
    assert (rate.name, rate.rate, rate.count) == ("500", 0.05, None)
    assert rate.kinds == {Kind.OBSERVE, Kind.LEARN}
    assert (count.count, count.after, count.rate) == (3, 2, 1.0)
    assert (plain.seconds, plain.rate, plain.count) == (0.5, 1.0, None)
    assert once.count == 1, "the violent ones strike once unless told otherwise"
    assert next(parse("reset")).name == "reset_store"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("teapot", "There is no fault 'teapot': take one of latency, 500"),
        ("500:2.5", "'2.5' in '500:2.5' is no amount"),
        ("500:often", "a rate from 0.0 to 1.0 with its decimal point"),
        ("500,seconds=1", "has no parameter 'seconds': it has route, after, count"),
        ("latency,seconds=-1", "seconds in 'latency,seconds=-1' must be a number, not negative"),
        ("late,read=maybe", "read in 'late,read=maybe' is auto, now or late, not 'maybe'"),
        ("500,route=stm", "has no route 'stm': take create, observe"),
    ],
)
def test_what_is_no_fault_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FaultError) as refused:
        list(parse(text))
    assert sentence in str(refused.value)


def test_a_rate_falls_alike_with_the_same_seed() -> None:
    struck = [
        [bool(faults.fire(Kind.OBSERVE)) for _ in range(200)]
        for faults in (Faults(["500:0.3"], 7), Faults(["500:0.3"], 7), Faults(["500:0.3"], 8))
    ]
    assert struck[0] == struck[1] != struck[2]
    assert 30 < sum(struck[0]) < 90


def test_one_fault_strikes_a_request_and_latency_lets_it_follow() -> None:
    faults = Faults(["latency", "500:1", "503:1"], 0)
    names = [[fault.name for fault in faults.fire(Kind.OBSERVE)] for _ in range(3)]
    assert names == [["latency", "500"], ["latency", "503"], ["latency"]]
    assert not faults.is_on("500")


def test_they_are_armed_shown_and_cleared_at_run_time(api: Api) -> None:
    session = api.session()
    _arm(api, "500:2,route=observe", "503:1,route=learn")
    answers = [api("POST", f"{session}/observe", json={"strings": ["a"]}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 500, 200]
    first, second = api.get(TROUBLE)["faults"]
    assert (first["fired"], first["matched"], first["over"]) == (2, 3, True)
    assert (second["name"], second["fired"], second["routes"]) == ("503", 0, ["learn"])
    assert api("DELETE", TROUBLE).json() == {"faults": []}


@pytest.mark.parametrize("body", [{"faults": ["nope"]}, {"faults": "500"}, {}, []])
def test_a_refused_text_leaves_what_was_armed(api: Api, body: object) -> None:
    _arm(api, "500:1")
    answer = api("POST", TROUBLE, json=body)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert [fault["fault"] for fault in api.get(TROUBLE)["faults"]] == ["500:1"]


def test_every_fault_is_described_and_dev_routes_are_never_struck(api: Api) -> None:
    _arm(api, "503", "store_down", *(f"{name}:0" for name in KNOWN))
    assert {fault["name"] for fault in api.get(TROUBLE)["faults"]} == set(KNOWN)
    assert api("GET", "/health").status_code == 503
    assert api.get("/_dev/sessions") == {"sessions": []}


def test_plain_failures_apply_nothing(api: Api) -> None:
    session = api.session()
    for text, status, body in (
        ("500", 500, "Internal Server Error"),
        ("503", 503, "Service Unavailable"),
        ("status,status=504", 504, "Gateway Timeout"),
    ):
        _arm(api, f"{text},count=1")
        answer = api("POST", f"{session}/observe", json={"strings": ["a"]})
        assert (answer.status_code, answer.text) == (status, body)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert (answer.headers.get("connection") == "close") is (status == 503)
    assert api.get(f"{session}/stm")["length"] == 0


def test_a_full_store_answers_200_with_the_same_time_again_and_again(api: Api) -> None:
    session = api.session()
    api.sequence(session, "a")
    _arm(api, "not_stored")
    times = [api.post(f"{session}/observe", {"strings": ["b"]})["time"] for _ in range(3)]
    assert times == [2, 2, 2]
    assert api.sequence(session, "b", "c")["final_stm_length"] == 3
    assert api.post(f"{session}/config", {"persistence": 9})["status"] == "okay"
    assert api("POST", f"{session}/clear-stm").status_code == 404
    assert api("POST", "/sessions", json={"node_id": "x"}).status_code == 500
    assert api.get(f"{session}/config")["config"]["persistence"] == 5
    assert api.get(f"{session}/stm")["stm"] == [["a"]]
    kinds = [e["kind"] for e in api.get(session.replace("/sessions/", "/_dev/audit/"))["entries"]]
    assert kinds == ["observe"], "what was not stored is not in the audit"


def test_a_store_that_is_down_hides_every_session_and_loses_none(api: Api) -> None:
    session = api.session()
    api.sequence(session, "a")
    _arm(api, "store_down")
    assert api("GET", session).json()["detail"].endswith("not found or expired")
    answer = api("POST", f"{session}/observe", json={"strings": ["b"]})
    assert answer.json()["error"]["code"] == "SESSION_NOT_FOUND"
    assert api("GET", f"{session}/exists").status_code == 500
    assert api("POST", "/sessions", json={"node_id": "x"}).status_code == 500
    assert api.get("/health")["status"] == "healthy"
    api("DELETE", TROUBLE)
    assert api.get(f"{session}/stm")["stm"] == [["a"]]


def test_a_learn_that_failed_while_its_store_was_down_counts_later(api: Api) -> None:
    session = api.session(config={"process_predictions": False})
    api.sequence(session, "a", "b")
    _arm(api, "learn_store_down")
    assert api("POST", f"{session}/learn").status_code == 500
    assert api.get(f"{session}/stm")["length"] == 2
    api("DELETE", TROUBLE)
    name = api.post(f"{session}/learn")["pattern_name"]
    assert _frequency(api, name) == 2
    assert api.get(f"{session}/stm")["length"] == 0


def test_learning_at_the_end_is_swallowed_while_its_store_is_down(api: Api) -> None:
    session = api.session()
    known = api.sequence(session, "a", "b", learn_at_end=True)["final_learned_pattern"]
    _arm(api, "learn_store_down")
    again = api.sequence(session, "a", "b", learn_at_end=True)
    assert again["final_learned_pattern"] == known, "a known pattern needs no new row"
    new = api.sequence(session, "c", "d", learn_at_end=True)
    assert (new["final_learned_pattern"], new["final_stm_length"]) == (None, 2)
    assert api.get(f"{session}/stm")["length"] == 2
    assert api("GET", f"/pattern/{known}").status_code == 500
    limited = api.session(config={"max_pattern_length": 2})
    api.sequence(limited, "e")
    assert api("POST", f"{limited}/observe", json={"strings": ["f"]}).status_code == 500
    assert api.get(f"{limited}/stm")["length"] == 1


def test_a_learn_may_count_although_it_answers_500(api: Api) -> None:
    session = api.session()
    api.sequence(session, "a", "b")
    _arm(api, "learn_500_counted:1,after=1")
    assert api("POST", f"{api.session()}/learn").status_code == 400, "there is nothing to count"
    assert api("POST", f"{session}/learn").status_code == 500
    assert api.get(f"{session}/stm")["length"] == 2
    assert _frequency(api, api.post(f"{session}/learn")["pattern_name"]) == 2


def test_sessions_can_be_lost_one_by_one_or_all(api: Api) -> None:
    sessions = [api.session() for _ in range(3)]
    learned = api.sequence(sessions[1], "a", "b", learn_at_end=True)["final_learned_pattern"]
    _arm(api, "session_gone", "reset_store,after=1")
    assert api("GET", f"{sessions[0]}/stm").status_code == 404
    assert [api.exists(session) for session in sessions[:2]] == [False, False]
    assert not api.exists(sessions[2])
    assert _frequency(api, learned) == 1
    page = api.get(sessions[1].replace("/sessions/", "/_dev/audit/"))
    assert page["entries"][-1]["kind"] == "gone"
