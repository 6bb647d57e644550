"""The shapes of the server's errors (kato-api 1)."""

import pytest
from devserver_api import Api

GONE = "/sessions/nope"


def test_plain_get_of_an_unknown_session_has_a_detail(api: Api) -> None:
    answer = api("GET", GONE)
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Session nope not found or expired"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/stm"), ("POST", "/observe"), ("DELETE", ""), ("POST", "/clear_stm"), ("GET", "/x")],
)
def test_every_other_call_gets_the_middleware_error(api: Api, method: str, path: str) -> None:
    answer = api(method, GONE + path, json={"strings": 5})
    message = "Session nope not found or expired"
    error = {"code": "SESSION_NOT_FOUND", "message": message, "session_id": "nope"}
    assert (answer.status_code, answer.json()) == (404, {"error": error})


def test_unknown_routes_and_methods(api: Api) -> None:
    session = api.session()
    assert api("GET", f"{session}/patterns").json() == {"detail": "Not Found"}
    assert api("GET", "/nope").status_code == 404
    for method, path in (("GET", "/sessions"), ("PUT", session), ("GET", f"{session}/observe")):
        answer = api(method, path)
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


def test_a_trailing_slash_is_redirected(api: Api) -> None:
    answer = api("POST", f"{api.session()}/observe/", json={"strings": ["a"]})
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/observe")
    assert api("GET", "/sessions/count/").json()["error"]["session_id"] == "count"


@pytest.mark.parametrize(
    ("body", "kind", "loc", "value"),
    [
        ({"strings": "abc"}, "list_type", ["body", "strings"], "abc"),
        ({"strings": [1]}, "string_type", ["body", "strings", 0], 1),
        ({"strings": None}, "list_type", ["body", "strings"], None),
        ({"vectors": [["a"]]}, "float_parsing", ["body", "vectors", 0, 0], "a"),
        ({"emotives": {"joy": None}}, "float_type", ["body", "emotives", "joy"], None),
        ({"metadata": []}, "dict_type", ["body", "metadata"], []),
        ([], "model_attributes_type", ["body"], []),
    ],
)
def test_bad_observations(
    api: Api, body: object, kind: str, loc: list[object], value: object
) -> None:
    answer = api("POST", f"{api.session()}/observe", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"], problem["input"]) == (kind, loc, value)


def test_broken_json_is_placed(api: Api) -> None:
    headers = {"content-type": "application/json"}
    answer = api("POST", "/sessions", content=b'{"node_id": x}', headers=headers)
    problem = {
        "type": "json_invalid",
        "loc": ["body", 12],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": "Expecting value"},
    }
    assert (answer.status_code, answer.json()) == (422, {"detail": [problem]})


def test_several_problems_of_a_create_are_all_told(api: Api) -> None:
    body = {"node_id": 5, "metadata": [1], "ttl_seconds": 1.5, "config": "x"}
    problems = api("POST", "/sessions", json=body).json()["detail"]
    kinds = [problem["type"] for problem in problems]
    assert kinds == ["string_type", "dict_type", "int_from_float", "dict_type"]
    assert api("POST", "/sessions").json()["detail"][0]["input"] is None


def test_a_bad_item_spoils_the_whole_batch(api: Api) -> None:
    session = api.session()
    body = {"observations": [{"strings": ["a"]}, {"strings": [5]}], "learn_at_end": "maybe"}
    answer = api("POST", f"{session}/observe-sequence", json=body)
    locs = [problem["loc"] for problem in answer.json()["detail"]]
    assert locs == [["body", "observations", 1, "strings", 0], ["body", "learn_at_end"]]
    assert api.get(f"{session}/stm")["length"] == 0


def test_extend_takes_whole_numbers_only(api: Api) -> None:
    answer = api("POST", f"{api.session()}/extend", params={"ttl_seconds": "1.5"})
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("int_parsing", ["query", "ttl_seconds"])
