"""The guide's TTLManager."""

from __future__ import annotations

from kato_tasks import naming
from kato_tasks.guide.base import TIMEOUT, Face, mint_key
from kato_tasks.lifecycle import extend_until


class TTLManager(Face):
    """Makes sessions with a time to live of their own, and extends them.

    Its calls work without a running worker: what they need is delivered in this process.

    Args:
        kato_url: The URL of the server that sessions are made at.

    Raises:
        InvalidInput: No instance of the settings has this URL.
    """

    def __init__(self, kato_url: str) -> None:
        super().__init__(kato_url)

    def create_session_with_ttl(
        self,
        node_id: str,
        ttl_seconds: int,
        auto_extend: bool = True,  # noqa: FBT001, FBT002 - the guide's
    ) -> str:
        """Make a session at the server, and return its key.

        Args:
            node_id: The node that it learns under.
            ttl_seconds: Whole seconds without a write after which the server forgets it.
            auto_extend: Every write gives it that time again. If not, it ends so many seconds
                after now, once all that was accepted is delivered, unless it is refreshed.

        Raises:
            InvalidInput: An argument is out of its range.
            WaitTimeout: The server did not answer in time; nothing is left of the session.
            StoreUnavailable: The store did not answer.
        """
        session = self._services.sessions.session(
            mint_key(),
            node=node_id,
            instance=self.instance,
            ttl=ttl_seconds,
            auto_extend=auto_extend,
        )
        return self._make(session)

    def refresh_session(self, session_id: str) -> None:
        """Let a session live on for its own time to live from now on; it counts as a use.

        A session without ``auto_extend`` ends that much later. What waits in its lane is delivered
        before. One that its server has lost is made anew of its journal.

        Args:
            session_id: The session key; its server may be another than ``kato_url``.

        Raises:
            UnknownSession: Nothing is known of it, or it has ended.
            SessionParked: Nothing is sent to it until somebody unparks it.
            WaitTimeout: Its server did not answer in time.
            StoreUnavailable: The store did not answer.
        """
        services = self._services
        extend_until(
            services.caretaker,
            services.deliverer,
            services.registry,
            naming.check_key(session_id),
            timeout=TIMEOUT,
        )
        services.lives.touch(session_id)
