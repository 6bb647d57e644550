"""The guide's ``SessionMigrator``."""

from __future__ import annotations

from kato_tasks import naming
from kato_tasks.errors import InvalidInput, SessionNotMoved, UnknownSession
from kato_tasks.guide.base import Face, instance_at
from kato_tasks.migration import Request


class SessionMigrator(Face):
    """Moves sessions between two servers, while they are in use.

    As the guide has it, with what it leaves out: nothing that is written meanwhile is lost,
    emotives and metadata come along, and on a server that lists no sessions it knows them all the
    same. A session's id is its key, and stays what it is; ``new_id`` is the server's name for it.

    Args:
        source_url: The URL of the server that sessions leave.
        target_url: The URL of the one that they go to.

    Attributes:
        source: The name of the first in the settings.
        target: The name of the second.
        accept_empty_node: One session may leave what its node has learned behind, as it does in
            the guide. Set to False, it moves alone only in a store that both servers share.

    Raises:
        InvalidInput: No instance of the settings has one of these URLs, or both are the same.
    """

    def __init__(self, source_url: str, target_url: str) -> None:
        super().__init__(source_url)
        self.source = instance_at(self._settings, source_url)
        self.target = instance_at(self._settings, target_url)
        if self.source == self.target:
            raise InvalidInput("target_url", "is the source's", "the URL of another server")
        self.accept_empty_node = True

    def migrate_session(self, session_id: str) -> str:
        """Move one session now; return the target's id of it.

        Raises:
            UnknownSession: There is no such session.
            InvalidInput: It is not on the source, or the target cannot take it.
            SessionsMigrating: It is in a migration already.
            SessionNotMoved: It is where it was; the sentence says why.
        """
        services = self._services
        if services.registry.get(naming.check_key(session_id)) is None:
            raise UnknownSession(session_id)
        moved = services.migrations.move_one(
            session_id,
            source=self.source,
            target=self.target,
            accept_empty_node=self.accept_empty_node,
        )
        if moved is None:
            raise SessionNotMoved(session_id, "this process stops before it is at the target")
        if "new_id" not in moved:
            raise SessionNotMoved(session_id, moved["error"])
        return moved["new_id"]

    def migrate_all_sessions(self) -> dict[str, dict[str, str]]:
        """Move all sessions of the source; return what became of each. Workers that run help.

        Returns:
            ``{session: {"status": "success", "new_id": …}}`` or ``{session: {"status": "failed",
            "error": …}}``; an empty dict if there is no session.

        Raises:
            InvalidInput: The target cannot take them.
            SessionsMigrating: Some are in a migration already; nothing was begun.
        """
        migrations = self._services.migrations
        request = Request(source=self.source, target=self.target, most_failures=1.0)
        if not migrations.planner.finds_any(request):
            return {}
        done = migrations.run(migrations.plan(request), alone=False).migration
        found = migrations.results(done.id, most=done.total)
        return {key: dict(result) for key, result in found.items()}
