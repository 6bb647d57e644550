"""What a development server can be told when it starts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """How one development server behaves; every field has the real server's default.

    Attributes:
        auto_extend: Writes move a session's deadline (kato-api 2); off is the other regime.
        session_ttl: Seconds a session lives when its creator asked for nothing.
        cost_ms: Milliseconds every ``/sessions/...`` request occupies the server.
        cost_per_observation_ms: Milliseconds every observation occupies it on top.
        audit: Keep, per session, what was applied; off saves memory in benchmarks.
        state: Directory that outlives the process, or None to keep everything in memory.
        allow_remote: Permit listening on an address other than loopback.
        limit_concurrency: Open connections after which the answer is 503 (kato-api 9).
        keep_alive: Seconds an idle connection stays open.
    """

    auto_extend: bool = True
    session_ttl: int = 3600
    cost_ms: float = 0.0
    cost_per_observation_ms: float = 0.0
    audit: bool = True
    state: Path | None = None
    allow_remote: bool = False
    limit_concurrency: int = 100
    keep_alive: int = 5
