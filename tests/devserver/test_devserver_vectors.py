"""The symbols of vectors, and learned vectors that join new ones (kato-api 4)."""

from devserver_api import Api

V123 = "VCTR|fe5de4472f7e4d5c9cdd19cadebfa06fe3da8e43"
V456 = "VCTR|dee5bf17a0a5faf26cf73fcedf7f27672f466136"
V1235 = "VCTR|81042de73bbd0d9a484a24929d4c860770b32d73"
V1234 = "VCTR|479e1c052464ab7fe6302425de4081eba0f93058"


def _event(api: Api, session: str, *vectors: list[float], strings: tuple[str, ...] = ()) -> object:
    api.post(f"{session}/observe", {"vectors": vectors, "strings": strings})
    return api.get(f"{session}/stm")["stm"][-1]


def test_learned_vectors_join_the_events_of_new_ones(api: Api) -> None:
    session = api.session()
    assert _event(api, session, [1, 2, 3], strings=("a",)) == [V123, "a"]
    assert _event(api, session, [4, 5, 6]) == [V456], "what was not learned joins nothing"
    name = api.post(f"{session}/learn")["pattern_name"]
    assert name == "PTRN|1d72e524ecd7d85d79debe7032e7713121a57090"
    assert _event(api, session, [1, 2, 3]) == [V456, V123]
    assert _event(api, session, [1, 2, 3.5]) == [V1235, V456, V123]
    assert _event(api, session, [1, 2, 3, 4]) == [V1234], "another length finds nothing"


def test_at_most_three_join_and_the_nearest_do(api: Api) -> None:
    session = api.session()
    for number in (10, 20, 30, 40):
        _event(api, session, [number, 0])
    api.post(f"{session}/learn")
    event = _event(api, session, [21, 0])
    far = _event(api, api.session("other"), [40, 0])
    assert isinstance(event, list)
    assert isinstance(far, list)
    assert len(event) == 4
    assert far[0] not in event


def test_vectors_are_learned_by_a_node(api: Api) -> None:
    first, second, other = api.session(), api.session(), api.session("m-2")
    _event(api, first, [1, 2, 3], strings=("a",))
    api.post(f"{first}/learn")
    assert _event(api, second, [1, 2, 3.5]) == [V1235, V123]
    assert _event(api, other, [1, 2, 3.5]) == [V1235]
    api.post(f"{first}/clear-all")
    assert _event(api, second, [1, 2, 3.5]) == [V1235]
