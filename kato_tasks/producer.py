"""The producer API: sessions by your own key, without a word of Celery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from kato_tasks.local import find_settings
from kato_tasks.models import IdlePolicy, PredictionMode, SessionRecord
from kato_tasks.services import Services
from kato_tasks.sessions import Receipt, Session
from kato_tasks.settings import Settings
from kato_tasks.worker import CeleryHire, CeleryWake, make_app


class KatoTasks:
    """What a service holds to use KATO through kato_tasks.

    Thread-safe; one per process is enough. Making one connects nothing. Every call that changes
    a session costs one round trip to the store, and one message to the broker when nobody was at
    work on that session. From an ``async`` handler call it with :func:`asyncio.to_thread`.

    Args:
        settings: What to connect to. By default what the environment says or, if it names no
            store, the stack that ``kato-tasks up`` runs on this machine.

    Example::

        from kato_tasks import KatoTasks

        with KatoTasks() as kato:
            cart = kato.session("user-7:cart", node="shop")
            cart.observe(["view", "shoes"])
            receipt = cart.observe(["buy", "shoes"], emotives={"joy": 0.8})
            receipt.wait(timeout=10)
            print(cart.predictions().predictions)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or find_settings()
        self._app = make_app(self.settings)
        self._services = Services(
            self.settings, CeleryWake(self._app, self.settings), CeleryHire(self._app)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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

        See :meth:`kato_tasks.sessions.Sessions.session` for the arguments.

        Raises:
            InvalidInput: An argument is out of its range.
            UnknownInstance: No such instance is configured.
        """
        return self._services.sessions.session(
            key,
            node=node,
            instance=instance,
            config=config,
            ttl=ttl,
            tags=tags,
            predictions=predictions,
            auto_extend=auto_extend,
            keep_alive=keep_alive,
            idle=idle,
            idle_after=idle_after,
        )

    def find(self, key: str) -> SessionRecord | None:
        """Return what is known of a session; None if nothing is.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._services.registry.get(key)

    @property
    def services(self) -> Services:
        """The wired parts, for tools that need more than sessions."""
        return self._services

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._services.close()
        self._app.close()


__all__ = ["KatoTasks", "Receipt", "Session"]
