"""What counts against a server."""

from __future__ import annotations

import pytest

from kato_tasks.breakers import is_failure, spread
from kato_tasks.errors import (
    AnswerLost,
    CallRejected,
    ConfigDropped,
    KatoBusy,
    KatoError,
    KatoUnreachable,
    NoFreeConnection,
    RouteMissing,
    ServerFault,
    SessionNotFound,
)


@pytest.mark.parametrize("kind", [KatoUnreachable, KatoBusy, AnswerLost, ServerFault])
def test_what_another_call_would_meet_too_counts_against_the_server(kind: type[KatoError]) -> None:
    assert is_failure(kind("POST /", "why"))


@pytest.mark.parametrize(
    "kind", [CallRejected, RouteMissing, ConfigDropped, SessionNotFound, NoFreeConnection]
)
def test_an_answer_of_a_server_at_work_and_our_own_limit_do_not(kind: type[KatoError]) -> None:
    assert not is_failure(kind("POST /", "why", 404))


def test_a_pause_is_spread_upwards() -> None:
    pauses = [spread(2.0) for _ in range(100)]
    assert 2.0 <= min(pauses) < max(pauses) <= 3.0
