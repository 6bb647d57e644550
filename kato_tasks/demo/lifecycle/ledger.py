"""What a development server says was given to a session, over all its lives there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kato_tasks.demo.audit import Audit
from kato_tasks.demo.checking import Difference, Observed, compare
from kato_tasks.demo.lifecycle.mind import worded

_REPLAY: Final = "replay"


class Ledger(Audit):
    """Reads what was given to a session key, over all its lives."""

    def sessions(self, key: str) -> list[str]:
        """Return every server-side session that a key has had, the oldest first.

        Raises:
            KatoError: The server did not answer.
        """
        return [str(one["session_id"]) for one in self.lineage(key)]

    def delivered(self, key: str) -> list[Observed]:
        """Return every observation that was applied for a key, in order; replays do not count.

        Raises:
            KatoError: The server did not answer.
        """
        return [
            Observed.audited(entry)
            for session_id in self.sessions(key)
            for entry in self.entries(session_id)
            if entry["kind"] == "observe" and entry["source"] != _REPLAY
        ]


def against(told: Sequence[Observed], delivered: Sequence[Observed]) -> Difference:
    """Return how what was applied differs from what was accepted.

    The vectors themselves are compared, not the symbols that a server has made of them.
    """
    return compare([_plain(one) for one in told], [_plain(one) for one in delivered])


def _plain(one: Observed) -> Observed:
    return replace(one, event=worded(one.event))
