"""The guide's SessionKeepAlive."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from kato_tasks import naming
from kato_tasks.errors import InvalidInput, KatoTasksError, UnknownSession
from kato_tasks.guide.base import Face
from kato_tasks.instrumentation import logger
from kato_tasks.lifecycle import extend_until
from kato_tasks.observations import shown

_LONGEST: Final = 86_400 * 365


class SessionKeepAlive(Face):
    """Keeps sessions alive: here in a loop of its own, and by every worker and beat that run.

    A registered session stays so in the store, beyond this object and its process, until
    somebody unregisters it or it ends. The loop extends each by its own time to live, so it
    works without a running worker. Give it an interval below the sessions' times to live: one
    that its server has forgotten in between is made anew of its journal, in the next round.

    Methods are called from one event loop; :meth:`stop` from anywhere.

    Args:
        kato_url: The URL of a server. Sessions of others can be registered as well.
        refresh_interval: Seconds from one round to the next.

    Attributes:
        refresh_interval: The same.
        active_sessions: The keys of the sessions that this object keeps alive.
        running: Its loop runs.

    Raises:
        InvalidInput: No instance of the settings has this URL, or the interval is no time.
    """

    def __init__(self, kato_url: str, refresh_interval: int = 300) -> None:
        super().__init__(kato_url)
        self.refresh_interval = _check_interval(refresh_interval)
        self.active_sessions: set[str] = set()
        self.running = False
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def register_session(self, session_id: str) -> None:
        """Keep a session alive from now on.

        Args:
            session_id: The session key.

        Raises:
            UnknownSession: Nothing is known of it, or it has ended.
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        key = naming.check_key(session_id)
        if not await asyncio.to_thread(self._services.lives.keep, key, alive=True):
            raise UnknownSession(key)
        self.active_sessions.add(key)

    async def unregister_session(self, session_id: str) -> None:
        """Keep a session alive no more, whoever registered it; one that is not known is ignored.

        Raises:
            InvalidInput: It is no session key.
            StoreUnavailable: The store did not answer; repeating the call is safe.
        """
        key = naming.check_key(session_id)
        self.active_sessions.discard(key)
        await asyncio.to_thread(self._services.lives.keep, key, alive=False)

    async def refresh_loop(self) -> None:
        """Extend all sessions once every interval, until :meth:`stop`.

        What goes wrong with one is logged, and it is tried again in the next round, unless it has
        ended or is not known any more. If a loop runs already, this one takes its place.
        """
        await self._rounds(self._begin())

    async def start(self) -> None:
        """Run :meth:`refresh_loop` beside the caller; nothing happens if it runs already."""
        if not self.running:
            self._task = asyncio.create_task(self._rounds(self._begin()))

    def stop(self) -> None:
        """End the loop, after the session that it is at. Its sessions stay registered."""
        self.running = False
        loop, stopping = self._loop, self._stopping
        if loop is not None:
            # It may have been closed with its task in it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)

    def close(self) -> None:
        """Stop, and close all connections. Idempotent."""
        self.stop()
        super().close()

    def _begin(self) -> asyncio.Event:
        self.stop()
        self._loop, self._stopping, self.running = asyncio.get_running_loop(), asyncio.Event(), True
        return self._stopping

    async def _rounds(self, stopping: asyncio.Event) -> None:
        try:
            while not await _is_set_within(self.refresh_interval, stopping):
                for key in sorted(self.active_sessions):
                    if not stopping.is_set():
                        await self._refresh(key)
        finally:
            if self._stopping is stopping:
                self.running = False

    async def _refresh(self, key: str) -> None:
        try:
            await asyncio.to_thread(self._extend, key)
        except UnknownSession as error:
            logger.warning("kept alive no more", extra={"session": key, "reason": str(error)})
            self.active_sessions.discard(key)
        except KatoTasksError as error:
            logger.warning("not kept alive now", extra={"session": key, "reason": str(error)})
        except Exception:  # noqa: BLE001 - logged whole; the others must have their turn
            logger.exception("keeping alive failed", extra={"session": key})

    def _extend(self, key: str) -> None:
        services = self._services
        # Without waiting: the other sessions have their turn, and the next round comes.
        extend_until(services.caretaker, services.deliverer, services.registry, key, timeout=0.0)


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _check_interval(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LONGEST:
        return value
    raise InvalidInput("refresh_interval", f"is {shown(value)}", "seconds, more than 0")
