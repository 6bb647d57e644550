"""Contract: the life of a session."""

from __future__ import annotations

import pytest
from kato_contract import Server, Sessions, seen
from pydantic import JsonValue

from kato_tasks.errors import ConfigDropped, RouteMissing, SessionNotFound
from kato_tasks.kato import KatoClient, effective_differences
from kato_tasks.kato.dialects import Verb
from kato_tasks.models import DialectName
from kato_tasks.testing import wait_until

NOBODY = "session-00000000000000000000000000000000-0"


def test_a_created_session_is_described(kato: KatoClient, sessions: Sessions) -> None:
    """kato-api 2, 3: its node and its effective config."""
    session = sessions.make(node="kato-suite.described", ttl=600)
    info = kato.get_session(session)
    assert (info.session_id, info.node_id) == (session, "kato-suite.described")
    assert info.config is not None
    assert info.config["process_predictions"] is False
    assert kato.get_config(session) == info.config


def test_exists_tells_the_living_from_the_dead(kato: KatoClient, session: str) -> None:
    """kato-api 0.4: the only proof that a session is gone."""
    assert kato.exists(session)
    assert not kato.exists(NOBODY)


def test_a_second_delete_finds_nothing(kato: KatoClient, session: str) -> None:
    """kato-api 2."""
    kato.delete_session(session)
    assert not kato.exists(session)
    with pytest.raises(SessionNotFound):
        kato.delete_session(session)


def test_every_call_on_an_unknown_session_says_so(kato: KatoClient) -> None:
    """kato-api 1: two shapes of 404, one error."""
    calls = (
        lambda: kato.get_session(NOBODY),
        lambda: kato.observe(NOBODY, seen("a")),
        lambda: kato.get_stm(NOBODY),
        lambda: kato.clear_stm(NOBODY),
        lambda: kato.learn(NOBODY),
        lambda: kato.predictions(NOBODY),
    )
    for call in calls:
        with pytest.raises(SessionNotFound) as caught:
            call()
        assert caught.value.status == 404


def test_the_shapes_of_404(server: Server, session: str) -> None:
    """kato-api 1: the session's own route, all others, and a route that is not there."""
    server.needs_dialect(DialectName.V3, "the guide shows no error")
    http = server.http
    own = http.get(f"/sessions/{NOBODY}").json()
    assert own == {"detail": f"Session {NOBODY} not found or expired"}
    others = http.get(f"/sessions/{NOBODY}/stm").json()
    assert others["error"]["code"] == "SESSION_NOT_FOUND"
    missing = http.post(f"/sessions/{session}/clear_stm")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    assert http.get("/sessions").status_code == 405


def test_a_call_of_the_other_dialect_is_refused_unsent(kato: KatoClient, session: str) -> None:
    other = (kato.patterns, kato.cognition_data)
    lacking = [
        call
        for verb, call in zip((Verb.PATTERNS, Verb.COGNITION), other, strict=True)
        if verb not in kato.dialect.routes
    ]
    before = kato.calls
    for call in lacking:
        with pytest.raises(RouteMissing):
            call(session)
    assert (len(lacking), kato.calls) == (1, before)


def test_the_server_names_its_sessions_itself(server: Server, sessions: Sessions) -> None:
    """kato-api 2: an id that a client sends is not looked at."""
    body = {"node_id": "kato-suite", "session_id": "mine"}
    answer = server.http.post("/sessions", json=body).json()
    assert sessions.keep(answer["session_id"]) != "mine"


def test_the_guides_ttl_is_ignored_by_the_real_server(server: Server, sessions: Sessions) -> None:
    """kato-api 2: which is why the dialect matters."""
    server.needs_dialect(DialectName.V3, "in the guide ttl is the field")
    answer = server.http.post("/sessions", json={"node_id": "kato-suite", "ttl": 7}).json()
    sessions.keep(answer["session_id"])
    assert answer["ttl_seconds"] != 7


def test_an_invalid_value_drops_the_whole_config_and_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kato-api 3, 0.7: the server answers 200 all the same."""
    server.needs_dialect(DialectName.V3, "the guide does not say what becomes of such a value")
    monkeypatch.setattr("kato_tasks.kato.dialects.v3.validate_config", dict)
    config: dict[str, JsonValue] = {"max_predictions": 5, "recall_threshold": 2.0}
    with pytest.raises(ConfigDropped, match="max_predictions, recall_threshold"):
        server.kato.create_session(node_id="kato-suite", config=config)


def test_a_valid_config_is_taken_as_it_is(kato: KatoClient, sessions: Sessions) -> None:
    """kato-api 3: or nothing could be concluded from a difference."""
    sent: dict[str, JsonValue] = {
        "recall_threshold": 0.25,
        "max_predictions": 5,
        "stm_mode": "ROLLING",
    }
    created = kato.create_session(node_id="kato-suite", config=sent, ttl_seconds=600)
    sessions.keep(created.session_id)
    assert effective_differences(sent, kato.get_config(created.session_id)) == ()


def test_a_config_update_changes_its_keys_only(server: Server, session: str) -> None:
    """kato-api 3."""
    server.needs(Verb.CONFIGURE)
    before = server.kato.get_config(session)
    server.kato.update_config(session, {"recall_threshold": 0.75})
    assert server.kato.get_config(session) == {**before, "recall_threshold": 0.75}


def test_a_session_ends_with_its_ttl(kato: KatoClient, sessions: Sessions) -> None:
    """kato-api 2; neither asking whether it exists nor listing keeps it alive."""
    session = sessions.make(ttl=1)

    def is_there() -> bool:
        listed = Verb.LIST in kato.dialect.routes
        return session in kato.sessions() if listed else kato.exists(session)

    assert is_there()
    wait_until(lambda: not is_there(), timeout=4.0)
    assert not kato.exists(session)


def test_reading_does_not_keep_a_session_alive(server: Server, sessions: Sessions) -> None:
    """kato-api 2, 0.6: whatever the guide says."""
    server.needs_dialect(DialectName.V3, "in the guide any call keeps a session alive")
    session = sessions.make(ttl=2)

    def is_gone() -> bool:
        try:
            server.kato.get_session(session)
        except SessionNotFound:
            return True
        return False

    wait_until(is_gone, timeout=5.0)


def test_extend_sets_the_deadline_instead_of_adding_to_it(
    server: Server, sessions: Sessions
) -> None:
    """kato-api 2: so a short one ends a session that had long to live."""
    server.needs(Verb.EXTEND)
    session = sessions.make(ttl=600)
    server.kato.extend(session, 1)
    wait_until(lambda: not server.kato.exists(session), timeout=4.0)


def test_extend_by_nothing_deletes(server: Server, session: str) -> None:
    """kato-api 2, 0.6: which is why the client refuses to send it."""
    server.needs(Verb.EXTEND)
    answer = server.http.post(f"/sessions/{session}/extend", params={"ttl_seconds": 0})
    assert answer.status_code == 200
    assert not server.kato.exists(session)


def test_sessions_are_listed_where_the_dialect_lists_them(server: Server, session: str) -> None:
    """The guide, migrate_all_sessions."""
    server.needs(Verb.LIST)
    assert session in server.kato.sessions()
    assert server.kato.count() == len(server.kato.sessions())


def test_whether_writes_count_is_found_out_and_leaves_nothing(kato: KatoClient) -> None:
    """kato-api 2: the server's SESSION_AUTO_EXTEND, which is on unless it says otherwise."""
    assert kato.counts_writes("kato-suite.counting")
    before = kato.calls
    assert kato.counts_writes("kato-suite.counting")
    assert kato.calls == before


def test_a_session_is_prolonged(kato: KatoClient, sessions: Sessions) -> None:
    """kato-api 2."""
    session = sessions.make(node="kato-suite.prolonged", ttl=600)
    kato.prolong(session, 600)
    assert kato.exists(session)
