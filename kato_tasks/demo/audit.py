"""Reads what a development server says that it was given, session by session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from kato_tasks.errors import KatoError
from kato_tasks.kato.transport import Transport

_PAGE: Final = 5_000
_TIMEOUT: Final = 30.0
_NOT_FOUND: Final = 404


class Audit:
    """The audit of one development server; closed at the end of its block.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        # A connection of its own: the client counts its calls, and the audit is no part of KATO.
        self._dev = Transport(
            url, timeout=_TIMEOUT, connect_timeout=_TIMEOUT, max_connections=1, transport=None
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

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._dev.close()

    def lineage(self, key: str) -> tuple[Mapping[str, Any], ...]:
        """Return every server-side session that a session key has had, the oldest first.

        Raises:
            KatoError: The server did not answer.
        """
        try:
            return tuple(self._dev.send("GET", "/_dev/lineage/{id}", name=key).objects("sessions"))
        except KatoError as error:
            if error.status == _NOT_FOUND:
                return ()
            raise

    def entries(self, session_id: str) -> Iterator[Mapping[str, Any]]:
        """Return everything that was applied to a server-side session, in order.

        Raises:
            KatoError: The server did not answer.
        """
        offset, total = 0, 1
        while offset < total:
            query = f"?offset={offset}&limit={_PAGE}"
            page = self._dev.send("GET", "/_dev/audit/{id}", name=session_id, query=query)
            total, entries = page.take("total", int), page.objects("entries")
            if not entries:
                return
            yield from entries
            offset += len(entries)
