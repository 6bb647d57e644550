"""The typed HTTP client of a KATO server, in both dialects.

It sends one request per method and says in one error tree what became of it. It knows of no
session keys, queues or stores, and importing it opens nothing.
"""

from kato_tasks.kato.answers import (
    TIME_UNKNOWN,
    Cognition,
    CreatedSession,
    Observed,
    Pattern,
    Predictions,
    SessionInfo,
    ShortTermMemory,
)
from kato_tasks.kato.client import KatoClient
from kato_tasks.kato.config import effective_differences, validate_config
from kato_tasks.kato.dialects import GUIDE, V3, Dialect

__all__ = [
    "GUIDE",
    "TIME_UNKNOWN",
    "V3",
    "Cognition",
    "CreatedSession",
    "Dialect",
    "KatoClient",
    "Observed",
    "Pattern",
    "Predictions",
    "SessionInfo",
    "ShortTermMemory",
    "effective_differences",
    "validate_config",
]
