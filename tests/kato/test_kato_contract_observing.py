"""Contract: what observations do to a session."""

from __future__ import annotations

import pytest
from kato_contract import Server, Sessions, devserver, observe_all, seen

from kato_tasks.errors import AnswerLost, CallRejected
from kato_tasks.kato import TIME_UNKNOWN, KatoClient
from kato_tasks.kato.dialects import Verb
from kato_tasks.models import DialectName
from kato_tasks.testing import wait_until

EMPTY = (b"{}", b'{"emotives":{"joy":1}}', b'{"metadata":{"k":"v"}}')


def test_one_writer_loses_and_reorders_nothing(kato: KatoClient, session: str) -> None:
    """kato-api 0.1, 6: 100 of 100, with any number of processes."""
    observe_all(kato, session, [seen(f"s{number}") for number in range(100)])
    assert kato.get_stm(session) == [[f"s{number}"] for number in range(100)]


def test_an_event_is_its_strings_sorted_with_repetitions(kato: KatoClient, session: str) -> None:
    """kato-api 4: by code point, so capitals first."""
    kato.observe(session, seen("b", "a", "é", "B", "a"))
    assert kato.get_stm(session) == [["B", "a", "a", "b", "é"]]


def test_an_observation_without_strings_is_no_event(kato: KatoClient, session: str) -> None:
    """kato-api 4."""
    observe_all(kato, session, [seen("a"), *EMPTY, seen("b")])
    assert kato.get_stm(session) == [["a"], ["b"]]


def test_every_observation_counts_in_time_even_an_empty_one(server: Server, session: str) -> None:
    """kato-api 4, 0.8: what delivery checks every answer against."""
    server.needs(Verb.COGNITION)
    kato = server.kato
    assert kato.observe(session, seen("a")).time == 1
    for expected, empty in enumerate(EMPTY, start=2):
        assert kato.observe(session, empty).time == expected
    assert kato.observe_sequence(session, [seen("b"), *EMPTY]).time == 8
    assert kato.cognition_data(session).time == 8


def test_a_server_without_a_time_says_so(server: Server, session: str) -> None:
    """The guide shows no answer to an observe: either the right time, or none."""
    server.needs_dialect(DialectName.GUIDE, "the real server always says the time")
    assert server.kato.observe(session, seen("a")).time in (TIME_UNKNOWN, 1)


def test_a_batch_is_its_observations_in_order(server: Server, session: str) -> None:
    """kato-api 4, 5."""
    server.needs(Verb.OBSERVE_SEQUENCE)
    observed = server.kato.observe_sequence(session, [seen("b", "a"), seen("c"), seen("d")])
    assert (observed.applied, observed.time, observed.stm_length) == (3, 3, 3)
    assert server.kato.get_stm(session) == [["a", "b"], ["c"], ["d"]]


def test_a_refused_batch_is_not_applied_at_all(server: Server, session: str) -> None:
    """kato-api 4, 0.3: whatever stands before what is refused."""
    server.needs(Verb.OBSERVE_SEQUENCE, Verb.COGNITION)
    server.kato.observe(session, seen("before"))
    with pytest.raises(CallRejected) as caught:
        server.kato.observe_sequence(session, [seen("x"), b'{"strings":[5]}', seen("y")])
    assert caught.value.status == 422
    cognition = server.kato.cognition_data(session)
    assert (cognition.time, cognition.stm) == (1, [["before"]])


def test_a_refused_observation_is_not_applied(kato: KatoClient, session: str) -> None:
    """kato-api 1."""
    with pytest.raises(CallRejected):
        kato.observe(session, b'{"strings":[5]}')
    assert kato.get_stm(session) == []


def test_an_empty_batch_changes_nothing(server: Server, session: str) -> None:
    """kato-api 4, 5: with one process it waits for what is under way."""
    server.needs(Verb.OBSERVE_SEQUENCE, Verb.COGNITION)
    server.kato.observe(session, seen("a"))
    observed = server.kato.observe_sequence(session, [])
    assert (observed.applied, observed.time, observed.stm_length) == (0, TIME_UNKNOWN, 1)
    assert server.kato.cognition_data(session).time == 1


def test_a_clear_empties_the_memory(kato: KatoClient, session: str) -> None:
    """kato-api 4."""
    observe_all(kato, session, [seen("a"), seen("b")])
    kato.clear_stm(session)
    assert kato.get_stm(session) == []
    kato.observe(session, seen("c"))
    assert kato.get_stm(session) == [["c"]]


def test_a_clear_sets_the_time_back(server: Server, session: str) -> None:
    """kato-api 4: to 0, with the emotives and the last percept."""
    server.needs(Verb.COGNITION, Verb.PERCEPT)
    kato = server.kato
    kato.observe(session, seen("a", joy=1.0))
    assert kato.cognition_data(session).emotives == {"joy": 1.0}
    kato.clear_stm(session)
    cognition = kato.cognition_data(session)
    assert (cognition.time, cognition.emotives) == (0, {})
    assert kato.percept_data(session) == {}
    assert kato.observe(session, seen("b")).time == 1


def test_the_memory_keeps_the_newest_thousand_events(server: Server, session: str) -> None:
    """kato-api 4: time goes on counting, and the answer's length is from before the cut."""
    server.needs(Verb.OBSERVE_SEQUENCE, Verb.COGNITION)
    kato = server.kato
    observed = kato.observe_sequence(session, [seen(f"s{number}") for number in range(1001)])
    assert (observed.applied, observed.time, observed.stm_length) == (1001, 1001, 1001)
    stm = kato.get_stm(session)
    assert (len(stm), stm[0], stm[-1]) == (1000, ["s1"], ["s1000"])
    assert kato.cognition_data(session).time == 1001


def test_what_the_guide_shows_can_be_observed_again(
    server: Server, session: str, sessions: Sessions
) -> None:
    """The guide, import_session: its events are observations."""
    server.needs_dialect(DialectName.GUIDE, "the real server shows symbols")
    observe_all(server.kato, session, [seen("b", "a", joy=0.5), *EMPTY, seen("c")])
    shown = server.kato.read_stm(session)
    assert shown.observations is not None
    again = sessions.make()
    for event in shown.observations:
        server.http.post(f"/sessions/{again}/observe", json=event).raise_for_status()
    assert server.kato.get_stm(again) == shown.symbols == [["a", "b"], ["c"]]


def test_a_call_whose_client_gave_up_takes_effect_later(server: Server) -> None:
    """kato-api 5, 0.3: so a lost answer is no proof, and no reason to send it again."""
    server.needs_ours("the call has to be slow")
    slow = devserver("--dialect", server.dialect.value, "--cost-ms", "400")
    with slow as url, KatoClient(url) as patient, KatoClient(url, timeout=0.1) as hasty:
        session = patient.create_session(node_id="slow").session_id
        # Known beforehand, so that nothing but the observe can run out of time.
        assert patient.dialect.name is hasty.dialect.name
        with pytest.raises(AnswerLost):
            hasty.observe(session, seen("a"))
        wait_until(lambda: patient.get_stm(session) == [["a"]])
