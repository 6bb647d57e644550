"""Which transcripts were recorded on one server, and how that server was started."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_tasks.devserver.options import Options
from scorecard.moments import micros


@dataclass(frozen=True)
class Run:
    """Transcripts of one server, in the order they were recorded.

    Attributes:
        scenarios: The names of the transcripts.
        options: How the server was started.
        started: When, if an answer tells it; otherwise just before the first exchange.
        crowded: Whether its requests came all at once, over real connections.
        faults: What is armed before an exchange, by transcript and place.
        before: Nodes in use on the server before the recording began: their ids, when they were
            first and last used.
    """

    scenarios: tuple[str, ...]
    options: Options = field(default_factory=Options)
    started: str = ""
    crowded: bool = False
    faults: Mapping[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    before: tuple[tuple[str, str, str], ...] = ()

    def started_at(self, first: int) -> int:
        """When the server was started; ``first`` is the moment of its first exchange."""
        return micros(self.started) if self.started else first


RUNS = (
    Run(
        (
            "a_create",
            "b_lifecycle",
            "b_expiry_auto_extend_true",
            "c_missing_endpoints",
            "d_observe",
            "d_observe_vectors",
            "e_observe_sequence",
            "f_clear_learn_config_pattern",
            "g_auto_learn",
            "h_health_status_metrics",
        ),
        started="2026-11-22T06:58:18.115Z",
        before=(("smoke", "2026-11-22T06:58:43.577784Z", "2026-11-22T06:58:44.011386Z"),),
    ),
    Run(("b_expiry_auto_extend_false",), Options(auto_extend=False)),
    Run(("ttl_limits",), Options(session_ttl=120)),
    Run(("config_roundtrip_A",)),
    Run(
        ("config_roundtrip_B",),
        Options(
            defaults={"recall_threshold": 0.5, "max_predictions": 7, "stm_mode": "ROLLING"},
        ),
    ),
    Run(("pattern_rebuild_A",)),
    Run(("pattern_rebuild_B",)),
    Run(("replay_A",)),
    Run(("replay_B",)),
    Run(("lost_response",)),
    Run(("limit_concurrency_10",), Options(limit_concurrency=10), crowded=True),
    Run(
        ("outage_redis", "outage_clickhouse"),
        started="2026-11-22T07:21:13.837Z",
        faults={
            ("outage_redis", 4): ("store_down",),
            ("outage_redis", 23): (),
            ("outage_redis", 30): ("reset_store",),
            ("outage_redis", 38): ("not_stored",),
            ("outage_redis", 51): (),
            ("outage_clickhouse", 8): ("learn_store_down",),
            ("outage_clickhouse", 38): (),
        },
    ),
)
