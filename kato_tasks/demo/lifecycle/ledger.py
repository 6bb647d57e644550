"""What a development server says was given to a session, over all its lives there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from kato_tasks.demo.checking import Difference, Observed, compare
from kato_tasks.demo.lifecycle.mind import worded
from kato_tasks.errors import KatoError
from kato_tasks.kato.transport import Transport

_PAGE: Final = 5_000
_TIMEOUT: Final = 30.0
_NOT_FOUND: Final = 404
_REPLAY: Final = "replay"


class Ledger:
    """Reads a development server's audit; closed at the end of its block.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        # The audit is no part of KATO, so the client does not know it.
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
        self._dev.close()

    def sessions(self, key: str) -> list[str]:
        """Return every server-side session that a key has had, the oldest first.

        Raises:
            KatoError: The server did not answer.
        """
        try:
            found = self._dev.send("GET", "/_dev/lineage/{id}", name=key).objects("sessions")
        except KatoError as error:
            if error.status == _NOT_FOUND:
                return []
            raise
        return [str(one["session_id"]) for one in found]

    def delivered(self, key: str) -> list[Observed]:
        """Return every observation that was applied for a key, in order; replays do not count.

        Raises:
            KatoError: The server did not answer.
        """
        return [
            Observed.audited(entry)
            for session_id in self.sessions(key)
            for entry in self._entries(session_id)
            if entry["kind"] == "observe" and entry["source"] != _REPLAY
        ]

    def _entries(self, session_id: str) -> Iterator[Mapping[str, Any]]:
        offset, total = 0, 1
        while offset < total:
            query = f"?offset={offset}&limit={_PAGE}"
            page = self._dev.send("GET", "/_dev/audit/{id}", name=session_id, query=query)
            total = page.take("total", int)
            yield from page.objects("entries")
            offset += _PAGE


def against(told: Sequence[Observed], delivered: Sequence[Observed]) -> Difference:
    """Return how what was applied differs from what was accepted.

    The vectors themselves are compared, not the symbols that a server has made of them.
    """
    return compare([_plain(one) for one in told], [_plain(one) for one in delivered])


def _plain(one: Observed) -> Observed:
    return replace(one, event=worded(one.event))
