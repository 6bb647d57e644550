"""How values stand in the store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.models import Command, Kind, Outcome, PredictionMode, SessionSpec
from kato_tasks.scripts.calls import read_command
from kato_tasks.scripts.codec import decode_outcome, decode_spec, encode_outcome, encode_spec

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
config = st.dictionaries(
    text, st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
)
specs = st.builds(
    SessionSpec,
    node=text,
    instance=text,
    config=config,
    ttl=st.none() | st.integers(1),
    tags=st.lists(text, max_size=3).map(tuple),
    predictions=st.sampled_from(PredictionMode),
)


@given(specs)
def test_a_spec_comes_back_as_it_was(spec: SessionSpec) -> None:
    text = encode_spec(spec).encode()
    assert decode_spec(text, node=spec.node, instance=spec.instance) == spec


def test_what_is_as_by_default_takes_no_room() -> None:
    spec = SessionSpec(node="n", instance="i")
    assert encode_spec(spec) == "{}"


@given(st.builds(Outcome, pattern=text) | st.builds(Outcome, refusal=text))
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert decode_outcome(encode_outcome(outcome).encode()) == outcome


def test_no_outcome_takes_no_room() -> None:
    assert encode_outcome(None) == ""


@given(st.sampled_from(Kind), st.integers(0), st.binary())
def test_a_command_is_read_whatever_bytes_it_carries(
    kind: Kind, accepted_ms: int, payload: bytes
) -> None:
    entry = f"{kind.value} {accepted_ms} ".encode() + payload
    assert read_command(entry) == Command(kind=kind, accepted_ms=accepted_ms, payload=payload)
