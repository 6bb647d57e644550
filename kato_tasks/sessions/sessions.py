"""Makes sessions by the caller's own key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from kato_tasks import naming
from kato_tasks.models import IdlePolicy, PredictionMode
from kato_tasks.registry import Registry
from kato_tasks.sessions.intake import Intake
from kato_tasks.sessions.oracle import Oracle
from kato_tasks.sessions.session import Session
from kato_tasks.sessions.specs import check_keep_alive, make_spec
from kato_tasks.settings import Settings


class Sessions:
    """The sessions of one store.

    Args:
        intake: Accepts commands.
        oracle: Asks servers for predictions.
        registry: Tells what is known of the sessions.
        settings: Defaults and limits.
    """

    def __init__(
        self, *, intake: Intake, oracle: Oracle, registry: Registry, settings: Settings
    ) -> None:
        self.intake = intake
        self.oracle = oracle
        self.registry = registry
        self._settings = settings

    def session(  # noqa: PLR0913 - the options of a session
        self,
        key: str,
        *,
        node: str | None = None,
        instance: str | None = None,
        config: Mapping[str, JsonValue] | None = None,
        ttl: int | None = None,
        tags: Sequence[str] = (),
        predictions: PredictionMode | str | None = None,
        auto_extend: bool = True,
        keep_alive: bool = False,
        idle: IdlePolicy | str | None = None,
        idle_after: float | None = None,
    ) -> Session:
        """Return the session of a key; nothing is sent.

        The options count at the session's first use. Later, ``node`` and ``instance`` are
        compared with what it has, and the others are not looked at.

        Args:
            key: The caller's name for it: text of 1 to 512 bytes.
            node: The node it learns under; the key by default.
            instance: The name of its server; by default all sessions of one node go to one
                server, and nodes are spread by the servers' weights.
            config: Overrides of the server's session config (kato-api 3).
            ttl: Seconds without a write after which the server forgets it.
            tags: Names to find it by.
            predictions: When the server computes predictions; the setting by default.
            auto_extend: Every write gives it its whole ``ttl`` again. If not, it ends ``ttl``
                seconds after it was made, once all that was accepted is delivered.
            keep_alive: Its server is told to keep it, for as long as it is not ended.
            idle: What happens when nobody uses it: ``hibernate``, ``delete`` or ``keep``; the
                setting by default.
            idle_after: Seconds without use after which that happens; the setting by default.

        Raises:
            InvalidInput: An argument is out of its range.
            UnknownInstance: No such instance is configured.
        """
        naming.check_key(key)
        spec = make_spec(
            self._settings,
            node=key if node is None else node,
            instance=instance,
            config=config,
            ttl=ttl,
            tags=tags,
            predictions=predictions,
            auto_extend=auto_extend,
            idle=idle,
            idle_after=idle_after,
        )
        return Session(
            key=key,
            spec=spec,
            keep_alive=check_keep_alive(keep_alive, spec, self._settings),
            node=node,
            instance=instance,
            intake=self.intake,
            oracle=self.oracle,
        )
