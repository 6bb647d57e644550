"""Contract: patterns and predictions."""

from __future__ import annotations

from hashlib import sha1

import pytest
from kato_contract import Server, Sessions, observe_all, seen

from kato_tasks.errors import CallRejected
from kato_tasks.kato import KatoClient, Pattern, Predictions
from kato_tasks.kato.dialects import Verb
from kato_tasks.models import DialectName
from kato_tasks.testing import wait_until


def name_of(events: list[list[str]]) -> str:
    return "PTRN|" + sha1(str(events).encode(), usedforsecurity=False).hexdigest()


def learned(kato: KatoClient, session: str, *letters: str) -> str:
    """Learn one event per letter."""
    observe_all(kato, session, [seen(letter) for letter in letters])
    return kato.learn(session)


def found(kato: KatoClient, name: str, node: str, frequency: int = 1) -> Pattern:
    """Look a pattern up, which a server may show a little later (kato-api 9)."""

    def current() -> Pattern | None:
        pattern = kato.pattern(name, node_id=node)
        return pattern if pattern is not None and pattern.frequency >= frequency else None

    wait_until(lambda: current() is not None, timeout=5.0)
    pattern = current()
    assert pattern is not None
    return pattern


def test_a_patterns_name_follows_from_its_events(
    kato: KatoClient, sessions: Sessions, node: str
) -> None:
    """kato-api 8: SHA-1 of the memory as Python writes it, on every node and server."""
    session = sessions.make(node=node)
    observe_all(kato, session, [seen("b", "a"), seen("c"), seen("é")])
    events = kato.get_stm(session)
    assert events == [["a", "b"], ["c"], ["é"]]
    assert kato.learn(session) == name_of(events)


def test_a_learn_empties_the_memory_and_leaves_the_time(
    server: Server, sessions: Sessions, node: str
) -> None:
    """kato-api 4."""
    session = sessions.make(node=node)
    learned(server.kato, session, "a", "b")
    assert server.kato.get_stm(session) == []
    server.needs(Verb.COGNITION)
    assert server.kato.cognition_data(session).time == 2


def test_an_empty_memory_cannot_be_learned(kato: KatoClient, session: str) -> None:
    """kato-api 1."""
    with pytest.raises(CallRejected) as caught:
        kato.learn(session)
    assert caught.value.status == 400


def test_a_memory_of_one_symbol_is_emptied_unlearned(kato: KatoClient, session: str) -> None:
    """kato-api 4."""
    assert learned(kato, session, "a") == ""
    assert kato.get_stm(session) == []


def test_learning_again_counts(server: Server, sessions: Sessions, node: str) -> None:
    """kato-api 8: so a learn must never be repeated on suspicion."""
    server.needs_dialect(DialectName.V3, "the guide has no GET /pattern/{id}")
    session = sessions.make(node=node)
    names = {learned(server.kato, session, "a", "b") for _ in range(2)}
    assert len(names) == 1
    pattern = found(server.kato, names.pop(), node, frequency=2)
    assert (pattern.events, pattern.length, pattern.frequency) == ([["a"], ["b"]], 2, 2)


def test_a_pattern_that_was_not_learned_is_not_found(server: Server) -> None:
    """kato-api 8: a 200 that says error."""
    server.needs_dialect(DialectName.V3, "the guide has no GET /pattern/{id}")
    assert server.kato.pattern("PTRN|" + "0" * 40, node_id="kato-suite") is None


def test_accumulators_survive_a_learn(server: Server, sessions: Sessions, node: str) -> None:
    """kato-api 4: the second pattern gets the first one's emotives again; a clear ends that."""
    server.needs_dialect(DialectName.V3, "the guide shows no emotives of a pattern")
    kato, session = server.kato, sessions.make(node=node)
    observe_all(kato, session, [seen("a", joy=1.0), seen("b")])
    kato.learn(session)
    second = learned(kato, session, "c", "d")
    assert found(kato, second, node).emotives == ({"joy": 1.0},)
    kato.clear_stm(session)
    third = learned(kato, session, "e", "f")
    assert found(kato, third, node).emotives == ()


def by_name(predictions: Predictions) -> list[tuple[str, object]]:
    """Ties come in any order (kato-api 8)."""
    return sorted((str(one.get("name")), one) for one in predictions.predictions)


def test_predictions_on_demand_equal_those_at_every_observe(
    kato: KatoClient, sessions: Sessions, node: str
) -> None:
    """kato-api 0.2: what makes one call at a time per node unnecessary."""
    teacher = sessions.make(node=node)
    name = learned(kato, teacher, "a", "b", "c")
    learned(kato, teacher, "a", "b", "d")
    eager, lazy = sessions.make(node=node, predictions=True), sessions.make(node=node)

    def predicted(session: str) -> list[tuple[str, object]]:
        return by_name(kato.predictions(session))

    for session in (eager, lazy):
        observe_all(kato, session, [seen("a"), seen("b")])
    # Learned patterns may show a little later (kato-api 9).
    wait_until(lambda: all(len(predicted(one)) == 2 for one in (eager, lazy)), timeout=5.0)
    assert predicted(eager) == predicted(lazy)
    # A prediction names its pattern without the prefix (T:replay_A).
    assert name.removeprefix("PTRN|") in [named for named, _ in predicted(lazy)]


def test_sessions_of_one_node_share_patterns_and_no_memory(
    kato: KatoClient, sessions: Sessions, node: str
) -> None:
    """kato-api 6; the guide, strategy 3."""
    one, other = sessions.make(node=node), sessions.make(node=node)
    learned(kato, one, "a", "b", "c")
    observe_all(kato, one, [seen("x")])
    kato.observe(other, seen("a"))
    kato.observe(other, seen("b"))
    assert kato.get_stm(other) == [["a"], ["b"]]
    wait_until(lambda: len(kato.predictions(other).predictions) == 1, timeout=5.0)


def test_training_is_finalized_over_the_nodes_patterns(
    server: Server, sessions: Sessions, node: str
) -> None:
    """T:f_clear_learn_config_pattern."""
    server.needs(Verb.FINALIZE)
    session = sessions.make(node=node)
    learned(server.kato, session, "a", "b")
    learned(server.kato, session, "c", "d")
    assert server.kato.finalize_training(session) == 2


def test_clearing_all_forgets_the_nodes_patterns(
    server: Server, sessions: Sessions, node: str
) -> None:
    """T:f_clear_learn_config_pattern."""
    server.needs(Verb.CLEAR_ALL)
    server.needs_ours("it forgets what others may have learned")
    session = sessions.make(node=node)
    name = learned(server.kato, session, "a", "b")
    server.kato.observe(session, seen("c"))
    server.kato.clear_all(session)
    assert server.kato.get_stm(session) == []
    assert server.kato.pattern(name, node_id=node) is None


def test_patterns_are_shown_where_the_dialect_shows_them(
    server: Server, sessions: Sessions, node: str
) -> None:
    """The guide, export_session; it does not say in what form."""
    server.needs(Verb.PATTERNS)
    session = sessions.make(node=node)
    name = learned(server.kato, session, "a", "b")
    assert name in str(server.kato.patterns(session))
