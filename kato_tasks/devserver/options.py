"""What a development server can be told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Dialect = Literal["v3", "guide"]
DIALECTS: tuple[Dialect, ...] = ("v3", "guide")


@dataclass(frozen=True, slots=True)
class Options:
    """How one development server behaves; every field has the real server's default.

    Only ``workers`` differs from the real server's image, which starts four (kato-api 0): one
    loses nothing a client with one request in flight could notice.

    Attributes:
        auto_extend: Writes move a session's deadline (kato-api 2); off is the other regime.
        session_ttl: Seconds a session lives when its creator asked for nothing.
        defaults: Configuration values of this instance that differ from the usual defaults.
        cost_ms: Milliseconds every ``/sessions/...`` request occupies its worker.
        cost_per_observation_ms: Milliseconds every observation occupies it on top.
        audit: Keep, per session, what was applied; off saves memory in benchmarks.
        state: Directory that outlives the process, or None to keep everything in memory.
        allow_remote: Permit listening on an address other than loopback.
        limit_concurrency: Open connections per worker after which the answer is 503 (kato-api 9).
        keep_alive: Seconds an idle connection stays open.
        faults: Faults that are armed from the start, as ``faults.parse`` reads them.
        fault_seed: Makes faults with a rate, and the wedge, fall alike in every run.
        workers: Processes the server behaves like; connections are spread over them.
        interleave_ms: Milliseconds between reading and writing a session while others write it
            too, in which their writes get lost (kato-api 6); 0 loses nothing.
        wedge: Concurrent predicting observes on one node wedge their worker (kato-api 6).
        leak: ``GET /predictions`` puts its session's events into one that is predicting on the
            same node (kato-api 6).
        dialect: ``v3``, the real server's, or ``guide``, that of the session management guide.

    Raises:
        ValueError: A value makes no sense; the text says which and why.
    """

    auto_extend: bool = True
    session_ttl: int = 3600
    defaults: Mapping[str, Any] = field(default_factory=dict)
    cost_ms: float = 0.0
    cost_per_observation_ms: float = 0.0
    audit: bool = True
    state: Path | None = None
    allow_remote: bool = False
    limit_concurrency: int = 100
    keep_alive: int = 5
    faults: tuple[str, ...] = ()
    fault_seed: int = 0
    workers: int = 1
    interleave_ms: float = 1.0
    wedge: bool = True
    leak: bool = True
    dialect: Dialect = "v3"

    def __post_init__(self) -> None:
        if self.workers < 1:
            message = f"A server has at least one worker, not {self.workers}."
            raise ValueError(message)
        if self.interleave_ms < 0:
            message = f"interleave_ms is a span of time and not negative, as {self.interleave_ms}."
            raise ValueError(message)
        if self.dialect not in DIALECTS:
            message = f"There is no dialect {self.dialect!r}: take one of {', '.join(DIALECTS)}."
            raise ValueError(message)
