"""The guide's SessionTracker."""

from __future__ import annotations

from dataclasses import replace

from kato_tasks import naming
from kato_tasks.deadlines import state_of
from kato_tasks.guide.base import Face
from kato_tasks.models import SessionRecord, SessionState


class SessionTracker(Face):
    """Tells where sessions are in their lives: the same in every process.

    Nothing is asked of a server, and no worker is needed.
    """

    def __init__(self) -> None:
        super().__init__()

    def track_session(self, session_id: str, ttl: int) -> None:
        """Note that a session is in use, and register it if nothing is known of it.

        Args:
            session_id: The session key. One that is not known yet gets a node of its own name;
                its server makes it at its first command.
            ttl: Whole seconds that it lives without use. One that is known already has its own.

        Raises:
            InvalidInput: An argument is out of its range.
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        services = self._services
        if services.lives.touch(naming.check_key(session_id)):
            return
        session = services.sessions.session(session_id, ttl=ttl)
        services.sessions.intake.register(session.request(()))

    def update_activity(self, session_id: str) -> None:
        """Note that a session is in use; one that is not known is ignored.

        Its server is told nothing: :meth:`TTLManager.refresh_session` does that.

        Raises:
            InvalidInput: It is no session key.
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        self._services.lives.touch(naming.check_key(session_id))

    def get_session_state(self, session_id: str) -> SessionState:
        """Return the state of a session; EXPIRED if it is not known.

        ACTIVE, IDLE after more than 300 seconds without use, EXPIRING after more than 0.8 of its
        time to live, EXPIRED beyond that: seconds in total, and both limits by the settings
        ``idle_seconds`` and ``expiring_share``. Of a session that sleeps, has ended, is parked or
        in doubt it is that.

        Raises:
            InvalidInput: It is no session key.
            StoreUnavailable: The store did not answer.
        """
        record = self._services.registry.get(naming.check_key(session_id))
        if record is None:
            return SessionState.EXPIRED
        return self._used(record) if record.state is SessionState.NEW else record.state

    def _used(self, record: SessionRecord) -> SessionState:
        """Return the state of a session that no server has yet: by its use alone."""
        used = record.life.used_ms
        life = replace(record.life, lifetime=record.spec.ttl, wrote_ms=used)
        return state_of(SessionState.ACTIVE, life, record.read_ms, self._settings)
