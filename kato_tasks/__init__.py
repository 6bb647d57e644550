"""KATO sessions, safe and fast at scale, through Celery.

The names below are loaded at their first use, so that importing one part of the package does
not import all of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kato_tasks.errors import (
        CommandRefused,
        EveryInstanceCordoned,
        InstanceCordoned,
        InvalidInput,
        KatoError,
        KatoTasksError,
        LaneFull,
        LedgerUnavailable,
        ReceiptLost,
        SessionConflict,
        SessionNotMoved,
        SessionParked,
        SessionsMigrating,
        StoreUnavailable,
        UnknownInstance,
        UnknownMigration,
        UnknownSession,
        WaitTimeout,
    )
    from kato_tasks.guide import SessionKeepAlive, SessionMigrator, SessionTracker, TTLManager
    from kato_tasks.models import PredictionMode, SessionRecord, SessionState
    from kato_tasks.observations import Observation
    from kato_tasks.producer import KatoTasks
    from kato_tasks.sessions import Applied, Receipt, Session
    from kato_tasks.settings import Settings

__all__ = [
    "Applied",
    "CommandRefused",
    "EveryInstanceCordoned",
    "InstanceCordoned",
    "InvalidInput",
    "KatoError",
    "KatoTasks",
    "KatoTasksError",
    "LaneFull",
    "LedgerUnavailable",
    "Observation",
    "PredictionMode",
    "Receipt",
    "ReceiptLost",
    "Session",
    "SessionConflict",
    "SessionKeepAlive",
    "SessionMigrator",
    "SessionNotMoved",
    "SessionParked",
    "SessionRecord",
    "SessionState",
    "SessionTracker",
    "SessionsMigrating",
    "Settings",
    "StoreUnavailable",
    "TTLManager",
    "UnknownInstance",
    "UnknownMigration",
    "UnknownSession",
    "WaitTimeout",
]

_HOMES = {
    "kato_tasks.guide": ("SessionKeepAlive", "SessionMigrator", "SessionTracker", "TTLManager"),
    "kato_tasks.models": ("PredictionMode", "SessionRecord", "SessionState"),
    "kato_tasks.observations": ("Observation",),
    "kato_tasks.producer": ("KatoTasks",),
    "kato_tasks.sessions": ("Applied", "Receipt", "Session"),
    "kato_tasks.settings": ("Settings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME_OF.get(name, "kato_tasks.errors")), name)


def __dir__() -> list[str]:
    return __all__
