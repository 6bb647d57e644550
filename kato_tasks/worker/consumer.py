"""Receives messages; none of them stops the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from celery.worker.consumer import Consumer
from kombu import Message

from kato_tasks.instrumentation import logger

_SHOWN: Final = 200


class Unstoppable(Consumer):
    """Celery's consumer, which throws away what it cannot make a task of.

    Celery does so for most of it. But a body that is JSON and no list of three raises through its
    loop: the worker ends, the message goes back to its queue, and ends the next worker too. One
    without an id has the worker connect anew, for ever.
    """

    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *args: Any) -> Callable[[Message], None]:  # noqa: ANN401 - Celery's
        """Return what is called with every message."""
        receive: Callable[[Message], None] = super().create_task_handler(*args)

        def receive_or_discard(message: Message) -> None:
            try:
                receive(message)
            except Exception as error:
                if self._is_of_the_broker(error):
                    raise
                self._discard(message, error)

        return receive_or_discard

    def _is_of_the_broker(self, error: Exception) -> bool:
        # kombu lists KeyError for a table of its own; here it is a header that is not there.
        of_the_broker = isinstance(error, self.connection_errors + self.channel_errors)
        return of_the_broker and not isinstance(error, KeyError)

    def _discard(self, message: Message, error: Exception) -> None:
        reason = repr(error)[:_SHOWN]
        logger.error("message discarded: it is no task", extra={"reason": reason})
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)
