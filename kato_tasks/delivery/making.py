"""Makes server-side sessions, and removes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from kato_tasks.errors import KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.kato import CreatedSession, KatoClient
from kato_tasks.models import Learning, PredictionMode, SessionSpec

LINEAGE: Final = "kato_tasks_key"
"""Names our key in a session's metadata, for people who look at a server."""
_LIMIT: Final = "max_pattern_length"
_PREDICTIONS: Final = "process_predictions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A server-side session that has just been made.

    Attributes:
        session_id: The server's name for it.
        learning: How the server learns by itself in it, by its own config or its server's.
        lifetime: Seconds without a write after which the server forgets it; None if not known.
    """

    session_id: str
    learning: Learning
    lifetime: int | None = None


def make_session(client: KatoClient, spec: SessionSpec, key: str, *, quiet: bool = False) -> Made:
    """Make a session at its server.

    Args:
        client: Of the session's instance.
        spec: What it is made with.
        key: The session key.
        quiet: It neither predicts nor learns by itself, until :func:`give_voice`.

    Raises:
        KatoError: It was not made, or its answer was lost; then an empty session may be left
            over, which expires.
    """
    always = spec.predictions is PredictionMode.ALWAYS
    config = {**spec.config, _PREDICTIONS: always and not quiet}
    if quiet:
        config[_LIMIT] = 0
    created = client.create_session(
        node_id=spec.node,
        config=config,
        ttl_seconds=spec.ttl,
        metadata={LINEAGE: key} if client.takes_metadata else None,
    )
    effective = created.config or config
    return Made(
        session_id=created.session_id,
        learning=learning_of(effective),
        lifetime=lifetime_of(created),
    )


def give_voice(client: KatoClient, session_id: str, spec: SessionSpec, learning: Learning) -> int:
    """Give a session that was made quiet the config that it is to have.

    Returns:
        How many HTTP calls it took.

    Raises:
        KatoError: It may or may not have it.
    """
    config: dict[str, JsonValue] = {}
    if learning.limit:
        config[_LIMIT] = learning.limit
    if spec.predictions is PredictionMode.ALWAYS:
        config[_PREDICTIONS] = True
    if config:
        client.update_config(session_id, config)
    return int(bool(config))


def lifetime_of(created: CreatedSession) -> int | None:
    """Return a session's time to live: by its dates, which are right where ttl_seconds is not."""
    if created.created_at is None or created.expires_at is None:
        return created.ttl_seconds
    return round((created.expires_at - created.created_at).total_seconds())


def learning_of(config: Mapping[str, JsonValue]) -> Learning:
    """Return how a server learns by itself in a session of this config."""
    limit = config.get(_LIMIT)
    return Learning(
        limit=limit if isinstance(limit, int) else 0,
        rolling=config.get("stm_mode") == "ROLLING",
    )


def drop_session(client: KatoClient, session_id: str) -> None:
    """Delete a session that nobody is bound to; if that fails it is left to expire."""
    try:
        client.discard_session(session_id)
    except KatoError as error:
        logger.info("orphan left to expire", extra={"reason": str(error)})
