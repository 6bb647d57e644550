"""The typed HTTP client of a KATO 3.10.1 server.

It sends one request per method and says in one error tree what became of it. It knows of no
session keys, queues or stores, and importing it opens nothing.
"""

from kato_tasks.kato.answers import (
    Cognition,
    CreatedSession,
    Observed,
    Predictions,
    SessionInfo,
)
from kato_tasks.kato.client import KatoClient
from kato_tasks.kato.config import effective_differences, validate_config

__all__ = [
    "Cognition",
    "CreatedSession",
    "KatoClient",
    "Observed",
    "Predictions",
    "SessionInfo",
    "effective_differences",
    "validate_config",
]
