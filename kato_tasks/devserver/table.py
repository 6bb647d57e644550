"""Which handler answers which path on the real server."""

from kato_tasks.devserver import knowledge, monitoring, routes
from kato_tasks.devserver.description import description
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.paths import Methods, Paths
from kato_tasks.devserver.routes import Request, on_session


class Routes(Paths):
    """The routes of the real server."""

    def __init__(self) -> None:
        self.fixed: dict[str, Methods] = {
            "/": {"GET": monitoring.root},
            "/docs": {"GET": monitoring.docs},
            "/health": {"GET": monitoring.health},
            "/status": {"GET": monitoring.status},
            "/metrics": {"GET": monitoring.metrics},
            "/stats": {"GET": monitoring.stats},
            "/concurrency": {"GET": monitoring.concurrency},
            "/connection-pools": {"GET": monitoring.connection_pools},
            "/cache/stats": {"GET": monitoring.cache_stats},
            "/cache/invalidate": {"POST": monitoring.cache_invalidate},
            "/distributed-stm/stats": {"GET": monitoring.distributed_stm},
            "/symbols/stats": {"GET": knowledge.symbol_stats},
            "/symbols/affinity": {"GET": knowledge.affinities},
            "/percept-data": {"GET": knowledge.old_percept},
            "/cognition-data": {"GET": knowledge.old_cognition},
            "/openapi.json": {"GET": describe},
            "/sessions": {"POST": routes.create_session},
            "/sessions/count": {"GET": routes.SessionCount()},
        }
        self.session: Methods = {
            "GET": routes.get_session,
            "DELETE": on_session(routes.delete_session),
        }
        self.of_session: dict[str, Methods] = {
            "exists": {"GET": routes.exists},
            "config": {
                "GET": on_session(routes.get_config),
                "POST": on_session(routes.update_config),
            },
            "extend": {"POST": on_session(routes.extend)},
            "observe": {"POST": on_session(routes.observe)},
            "observe-sequence": {"POST": on_session(routes.observe_sequence)},
            "stm": {"GET": on_session(routes.stm)},
            "learn": {"POST": on_session(routes.learn)},
            "finalize-training": {"POST": on_session(knowledge.finalize_training)},
            "clear-stm": {"POST": on_session(routes.clear_stm)},
            "clear-all": {"POST": on_session(routes.clear_all)},
            "predictions": {"GET": on_session(routes.get_predictions)},
            "percept-data": {"GET": on_session(routes.percept_data)},
            "cognition-data": {"GET": on_session(routes.cognition_data)},
        }
        self.by_id: dict[tuple[str, str], Methods] = {
            ("/pattern/", ""): {"GET": knowledge.get_pattern},
            ("/metrics/", ""): {"GET": monitoring.metric},
            ("/symbols/", "/affinity"): {"GET": knowledge.affinity},
        }
        self.by_key = {}


def describe(_engine: Engine, _request: Request) -> Json:
    """``GET /openapi.json``: what the real server describes, and nothing of ``/_dev``."""
    return description("KATO API", monitoring.VERSION)
