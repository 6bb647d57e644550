"""The guide's names, arguments and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

import kato_tasks
from kato_tasks import (
    SessionKeepAlive,
    SessionMigrator,
    SessionState,
    SessionTracker,
    TTLManager,
    models,
)

SIGNATURES: list[tuple[Callable[..., object], str, bool]] = [
    (TTLManager, "(kato_url: str) -> None", False),
    (
        TTLManager.create_session_with_ttl,
        "(self, node_id: str, ttl_seconds: int, auto_extend: bool = True) -> str",
        False,
    ),
    (TTLManager.refresh_session, "(self, session_id: str) -> None", False),
    (SessionTracker, "() -> None", False),
    (SessionTracker.track_session, "(self, session_id: str, ttl: int) -> None", False),
    (SessionTracker.update_activity, "(self, session_id: str) -> None", False),
    (SessionTracker.get_session_state, "(self, session_id: str) -> SessionState", False),
    (SessionKeepAlive, "(kato_url: str, refresh_interval: int = 300) -> None", False),
    (SessionKeepAlive.register_session, "(self, session_id: str) -> None", True),
    (SessionKeepAlive.unregister_session, "(self, session_id: str) -> None", True),
    (SessionKeepAlive.refresh_loop, "(self) -> None", True),
    (SessionKeepAlive.start, "(self) -> None", True),
    (SessionKeepAlive.stop, "(self) -> None", False),
    (SessionMigrator, "(source_url: str, target_url: str) -> None", False),
    (SessionMigrator.migrate_session, "(self, session_id: str) -> str", False),
    (SessionMigrator.migrate_all_sessions, "(self) -> dict[str, dict[str, str]]", False),
]


@pytest.mark.parametrize(
    ("of", "signature", "awaitable"), SIGNATURES, ids=[one.__qualname__ for one, *_ in SIGNATURES]
)
def test_arguments_and_defaults_are_the_guides(
    *, of: Callable[..., object], signature: str, awaitable: bool
) -> None:
    assert str(inspect.signature(of)).replace("'", "") == signature
    assert inspect.iscoroutinefunction(of) is awaitable


def test_the_states_are_the_guides_and_more() -> None:
    assert kato_tasks.SessionState is models.SessionState
    first = {name: SessionState[name].value for name in ("ACTIVE", "IDLE", "EXPIRING", "EXPIRED")}
    assert first == {
        "ACTIVE": "active",
        "IDLE": "idle",
        "EXPIRING": "expiring",
        "EXPIRED": "expired",
    }
    assert [state.value for state in SessionState][:4] == list(first.values())


@pytest.mark.parametrize(
    "name", ["SessionKeepAlive", "SessionMigrator", "SessionState", "SessionTracker", "TTLManager"]
)
def test_they_are_importable_from_kato_tasks(name: str) -> None:
    assert name in kato_tasks.__all__
    assert getattr(kato_tasks, name).__doc__
