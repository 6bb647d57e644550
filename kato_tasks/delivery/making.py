"""Makes the server-side session of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kato_tasks.errors import KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.kato import KatoClient
from kato_tasks.models import PredictionMode, SessionSpec

_LEARNS_BY_ITSELF: Final = "max_pattern_length"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A server-side session that has just been made.

    Attributes:
        session_id: The server's name for it.
        learns: True if the server learns by itself in it, by its own config or its server's.
    """

    session_id: str
    learns: bool


def make_session(client: KatoClient, spec: SessionSpec) -> Made:
    """Make a session at its server.

    Raises:
        KatoError: It was not made, or its answer was lost; then an empty session may be left
            over, which expires.
    """
    config = {**spec.config, "process_predictions": spec.predictions is PredictionMode.ALWAYS}
    created = client.create_session(node_id=spec.node, config=config, ttl_seconds=spec.ttl)
    effective = created.config or config
    return Made(session_id=created.session_id, learns=bool(effective.get(_LEARNS_BY_ITSELF)))


def drop_session(client: KatoClient, session_id: str) -> None:
    """Delete a session that nobody is bound to; if that fails it is left to expire."""
    try:
        client.delete_session(session_id)
    except KatoError as error:
        logger.info("orphan left to expire", extra={"reason": str(error)})
