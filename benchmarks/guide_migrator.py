"""The guide's way to move sessions, for comparison: its calls, in its order, one after another.

Each move makes two clients, reads the session, its memory and its node's patterns at the source,
creates a session at the target and observes every event again. The source is left as it is. Nothing
looks at a status. Repaired is what does not run: the real server lists no sessions, so their ids
are given; it calls the config ``session_config``, and its memory has symbols in place of
observations, so emotives and metadata are lost there; that it shows no patterns goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx


class GuideExporter:
    """Reads a session at one server, and makes one of what was read.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        self._kato = httpx.Client(base_url=url)

    def read(self, session_id: str) -> dict[str, Any]:
        """Return all of a session that the guide takes along."""
        session = self._kato.get(f"/sessions/{session_id}").json()
        memory = self._kato.get(f"/sessions/{session_id}/stm").json()
        patterns = self._kato.get(f"/sessions/{session_id}/patterns").json()
        return {
            "session_id": session_id,
            "node_id": session["node_id"],
            "config": session["config"] if "config" in session else session["session_config"],
            "events": memory["events"] if "events" in memory else _observations(memory["stm"]),
            "patterns": patterns,
            "exported_at": datetime.now(UTC).isoformat(),
        }

    def make(self, state: Mapping[str, Any]) -> str:
        """Make a session of what was read of another; return its id."""
        body = {"node_id": state["node_id"], "config": state["config"]}
        session_id = str(self._kato.post("/sessions", json=body).json()["session_id"])
        for event in state["events"]:
            self._kato.post(f"/sessions/{session_id}/observe", json=event)
        return session_id


class GuideMigrator:
    """Moves sessions from one server to another.

    Args:
        source: Where the one is.
        target: Where the other is.
    """

    def __init__(self, source: str, target: str) -> None:
        self._source = httpx.Client(base_url=source)
        self._target = httpx.Client(base_url=target)

    def move(self, session_id: str) -> str:
        """Move one session; return its new id."""
        state = GuideExporter(str(self._source.base_url)).read(session_id)
        return GuideExporter(str(self._target.base_url)).make(state)

    def move_all(self, session_ids: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
        """Move all sessions, or those of the ids; return what became of each."""
        if session_ids is None:
            listed = self._source.get("/sessions").json()
            session_ids = [one["session_id"] for one in listed]
        results = {}
        for session_id in session_ids:
            try:
                results[session_id] = {"status": "success", "new_id": self.move(session_id)}
            except Exception as error:  # noqa: BLE001 - as the guide has it
                results[session_id] = {"status": "failed", "error": str(error)}
        return results


def _observations(symbols: Iterable[list[str]]) -> list[dict[str, list[str]]]:
    return [{"strings": event} for event in symbols]
