"""Arms faults at a development server, and asks how often they have struck."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Final, Self

from kato_tasks.errors import KatoError
from kato_tasks.kato.answers import Answer
from kato_tasks.kato.transport import Transport

_ROUTE: Final = "/_dev/faults"
_TIMEOUT: Final = 0.5
"""Seconds. Who arms restarts what dies, too, so it cannot wait for a server that stands still."""


class Arming:
    """Arms faults at one development server; closed at the end of its block.

    Nothing is raised: a server that stands still, or is dead, answers None.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        self._transport = Transport(
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
        self._transport.close()

    def arm(self, text: str) -> int | None:
        """Arm one fault in place of what was armed; how often it has struck, so 0."""
        return self._ask("POST", json.dumps({"faults": [text]}).encode())

    def struck(self) -> int | None:
        """Return how often the armed fault has struck; 0 if none is armed."""
        return self._ask("GET")

    def disarm(self) -> int | None:
        """Arm nothing any more."""
        return self._ask("DELETE")

    def answers(self) -> bool:
        """Tell whether the server answers as one that works; a wedged one answers nobody else."""
        try:
            self._transport.send("GET", "/health")
        except KatoError:
            return False
        return True

    def _ask(self, method: str, content: bytes | None = None) -> int | None:
        try:
            return _fired(self._transport.send(method, _ROUTE, content=content))
        except KatoError:
            return None


def _fired(answer: Answer) -> int:
    return sum(answer.take("fired", int, fault) for fault in answer.objects("faults"))
