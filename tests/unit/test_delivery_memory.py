"""What a session must remember, computed from its journal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from kato_tasks.delivery.batch import cut
from kato_tasks.delivery.memory import (
    STM_EVENTS,
    Memory,
    compacted,
    follow,
    learns,
    pattern_name,
    recall,
)
from kato_tasks.models import (
    Claim,
    Command,
    Journal,
    JournalEntry,
    Kind,
    Learning,
    Lease,
    SessionSpec,
)
from kato_tasks.testing import FakeKato

NEVER = Learning()


def observation(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def entry(*strings: str, **fields: object) -> JournalEntry:
    return JournalEntry(payload=observation(strings=list(strings), **fields))


def mark(kept: int = 0) -> JournalEntry:
    return JournalEntry(kept=kept)


def observe(*payloads: bytes) -> tuple[Command, ...]:
    return tuple(Command(kind=Kind.OBSERVE, accepted_ms=0, payload=one) for one in payloads)


def journal(*entries: JournalEntry, cut_off: int = 0) -> Journal:
    return Journal(entries=entries, cut=cut_off)


def test_strings_of_an_event_are_sorted_by_code_point() -> None:
    memory = recall(journal(entry("b", "a", "Z", "10"), entry("é", "e")))
    assert memory.events == (("10", "Z", "a", "b"), ("e", "é"))
    assert (memory.time, memory.exact) == (2, True)


def test_what_has_no_event_only_moves_the_clock() -> None:
    silent = JournalEntry(payload=observation(emotives={"joy": 1.0}))
    memory = recall(journal(entry("x"), silent, JournalEntry(payload=b"{}")))
    assert (memory.events, memory.time) == ((("x",),), 3)
    assert memory.replay == (entry("x").payload, silent.payload, b"{}")


def test_what_was_learned_leaves_its_emotives_metadata_and_time() -> None:
    """A learn empties the memory, not the accumulators (kato-api 4)."""
    felt = entry("x", emotives={"joy": 0.1}, metadata={"n": 1})
    memory = recall(journal(felt, entry("y"), mark(), entry("z")))
    assert (memory.events, memory.time) == ((("z",),), 3)
    faded = b'{"emotives":{"joy":0.1},"metadata":{"n":1}}'
    assert memory.replay == (faded, b"{}", entry("z").payload)


def test_a_rolling_memory_keeps_its_newest_events() -> None:
    memory = recall(journal(entry("x"), entry("y"), entry("z"), mark(2), entry("u")))
    assert memory.events == (("y",), ("z",), ("u",))


def test_a_memory_holds_so_many_events_at_most() -> None:
    entries = [entry(str(number)) for number in range(STM_EVENTS + 5)]
    memory = recall(journal(*entries))
    assert len(memory.events) == STM_EVENTS
    assert memory.events[0] == ("5",)
    assert memory.replay[4:6] == (b"{}", entries[5].payload)


def test_observations_that_were_cut_off_still_count_for_the_clock() -> None:
    memory = recall(journal(entry("x"), cut_off=3))
    assert (memory.time, memory.replay) == (4, (b"{}", b"{}", b"{}", entry("x").payload))


def test_a_string_that_looks_like_the_symbol_of_a_vector_may_stand_beside_vectors() -> None:
    """What the server has is compared without such symbols, so what it must have is too."""
    memory = recall(journal(entry("VCTR|mine", "b", vectors=[[1.0]])))
    assert memory.equals([["VCTR|5ba93c", "VCTR|mine", "b"]])
    assert not memory.equals([["VCTR|5ba93c", "VCTR|mine", "c"]])


def test_vectors_make_a_memory_inexact_while_they_are_in_it() -> None:
    with_vectors = entry("x", vectors=[[1.0]])
    memory = recall(journal(with_vectors, entry("y")))
    assert not memory.exact
    assert memory.equals([["VCTR|1", "VCTR|2", "x"], ["y"]])
    assert not memory.equals([["VCTR|1", "z"], ["y"]])
    assert recall(journal(with_vectors, mark(), entry("y"))).exact


def test_a_memory_is_compared_event_by_event() -> None:
    memory = Memory(events=(("x",), ("y",)))
    assert memory.equals([["x"], ["y"]])
    assert not memory.equals([["x"], ["y"], ["z"]])
    assert memory.ends([["z"], ["x"], ["y"]])
    assert not memory.ends([["y"]])
    assert Memory().ends([["x"]])
    assert not Memory().equals([["x"]])


def test_a_pattern_is_named_after_its_events() -> None:
    assert pattern_name([("a", "b"), ("c",)]) == "PTRN|e9e43f2309079f2843665ab773996d99489306d6"
    assert pattern_name([("a",)]) == pattern_name([]) == ""


@pytest.mark.parametrize(
    ("limit", "rolling", "expected"),
    [(0, False, "uvwxyz"), (3, False, ""), (4, False, "yz"), (3, True, "yz")],
)
def test_batches_are_cut_where_the_server_learns_and_followed_as_it_does(
    limit: int, *, rolling: bool, expected: str
) -> None:
    learning, memory = Learning(limit=limit, rolling=rolling), Memory()
    waiting = observe(*(observation(strings=[name]) for name in "uvwxyz"))
    while waiting:
        batch = cut(_claim(waiting, len(memory.events), learning), most=100, max_bytes=1_000)
        memory = follow(memory, batch, learning)
        waiting = waiting[len(batch) :]
    assert [event[0] for event in memory.events] == list(expected)


def _claim(commands: tuple[Command, ...], events: int, learning: Learning) -> Claim:
    return Claim(
        lease=Lease(key="a", token="", epoch=1),
        spec=SessionSpec(node="n", instance="default"),
        session_id="s",
        time=0,
        events=events,
        learning=learning,
        applied=0,
        most=100,
        attempts=0,
        commands=commands,
        now_ms=0,
    )


def test_observations_without_events_make_nobody_learn() -> None:
    silent = observe(b"{}", observation(emotives={"joy": 1.0}))
    assert not learns(silent, 5, Learning(limit=3))
    assert learns(observe(observation(strings=["x"])), 5, Learning(limit=3))
    assert not learns(observe(observation(strings=["x"])), 5, NEVER)


def test_what_is_no_observation_has_no_event() -> None:
    """Nobody accepts it; what stands in a lane all the same is for the server to refuse."""
    memory = recall(journal(JournalEntry(payload=b"1"), JournalEntry(payload=b"{")))
    assert (memory.events, memory.time) == ((), 2)


symbols = st.lists(st.sampled_from("abc"), max_size=3)
emotives = st.dictionaries(st.sampled_from(["joy", "awe"]), st.floats(-1, 1), max_size=2)
observations = st.builds(
    lambda names, felt: observation(**({"strings": names} if names else {}), emotives=felt),
    symbols,
    emotives,
)


@given(
    st.lists(st.one_of(observations, st.just("learn"), st.just("clear")), max_size=30),
    st.sampled_from([NEVER, Learning(limit=3), Learning(limit=3, rolling=True)]),
)
def test_a_replay_gives_an_empty_session_the_memory_that_the_first_one_has(
    steps: list[bytes | str], learning: Learning
) -> None:
    """Whatever was observed, learned and cleared, by command or by the server itself."""
    kato = FakeKato()
    mode = "ROLLING" if learning.rolling else "CLEAR"
    config: dict[str, JsonValue] = {"max_pattern_length": learning.limit, "stm_mode": mode}
    first = kato.create_session(node_id="n", config=config).session_id
    entries: list[JournalEntry] = []
    for step in steps:
        if isinstance(step, bytes):
            entries.append(JournalEntry(payload=step))
            if kato.observe(first, step).auto_learned:
                entries.append(mark(learning.kept))
        elif step == "clear":
            kato.clear_stm(first)
            entries.clear()
        elif kato.sessions[first].stm:
            kato.learn(first)
            entries.append(mark())
    memory = recall(journal(*entries))
    second = kato.create_session(node_id="n", config={"max_pattern_length": 0}).session_id
    kato.replay(second, memory.replay)
    assert memory.equals(kato.look(first).stm)
    assert kato.look(second).stm == kato.look(first).stm
    assert kato.look(second).time == kato.look(first).time == memory.time
    assert _felt(kato, second) == _felt(kato, first)


def _felt(kato: FakeKato, session_id: str) -> list[object]:
    """The emotives since the last clear: they outlive a learn."""
    session = kato.sessions[session_id]
    observed = session.observed[len(session.observed) - session.time :]
    return [json.loads(one)["emotives"] for one in observed if json.loads(one).get("emotives")]


JOURNALS = st.builds(
    Journal,
    entries=st.lists(
        st.one_of(
            st.builds(mark, st.integers(0, 3)),
            st.builds(
                lambda strings, joy: entry(
                    *strings, **({} if joy is None else {"emotives": {"joy": joy}})
                ),
                st.lists(st.sampled_from("abc"), max_size=2),
                st.none() | st.integers(0, 3),
            ),
        ),
        max_size=30,
    ).map(tuple),
    cut=st.integers(0, 3),
)


@given(before=JOURNALS, after=JOURNALS)
def test_a_compacted_journal_makes_the_same_memory_now_and_later(
    before: Journal, after: Journal
) -> None:
    """Whatever is observed and learned after it."""
    kept = compacted(before, max_bytes=10_000)
    if kept is None:
        return
    less = Journal(entries=tuple(JournalEntry(payload=one) for one in kept), cut=before.cut)
    assert recall(less) == recall(before)
    later = [Journal(entries=(*one.entries, *after.entries), cut=one.cut) for one in (before, less)]
    first, second = map(recall, later)
    assert (first.events, first.time, first.exact) == (second.events, second.time, second.exact)
    assert sum(map(len, second.replay)) <= sum(map(len, first.replay))


def test_a_journal_is_compacted_where_that_takes_less_room() -> None:
    learned = journal(entry("a" * 100, emotives={"joy": 1}), entry("b" * 100), mark(), entry("c"))
    assert compacted(learned, max_bytes=1_000) == (
        b'{"emotives":{"joy":1}}',
        b"{}",
        b'{"strings":["c"]}',
    )
    assert compacted(learned, max_bytes=20) is None
    assert compacted(journal(entry("a"), entry("b")), max_bytes=1_000) is None
    assert compacted(journal(), max_bytes=1_000) is None
