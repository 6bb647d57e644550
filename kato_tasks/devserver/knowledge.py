"""The routes about what nodes know, and the two old ones without a session."""

import time

from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.patterns import Node, lookup, processor_id, symbol_statistics
from kato_tasks.devserver.routes import Request
from kato_tasks.devserver.rules import Session


def get_pattern(engine: Engine, request: Request) -> Json:
    """``GET /pattern/{id}``: not found is an ordinary answer (kato-api 8)."""
    node = _node(engine, request)
    return {"pattern": lookup(node, request.target), "node_id": processor_id(node.node_id)}


def symbol_stats(engine: Engine, request: Request) -> Json:
    """``GET /symbols/stats``."""
    node = _node(engine, request)
    return {"symbols": symbol_statistics(node), "node_id": processor_id(node.node_id)}


def affinities(engine: Engine, request: Request) -> Json:
    """``GET /symbols/affinity``: only symbols that were learned with emotives."""
    node = _node(engine, request)
    return {"affinities": node.affinity, "node_id": processor_id(node.node_id)}


def affinity(engine: Engine, request: Request) -> Json:
    """``GET /symbols/{symbol}/affinity``."""
    node = _node(engine, request)
    found = node.affinity.get(request.target, {})
    return {"symbol": request.target, "affinity": found, "node_id": processor_id(node.node_id)}


def old_percept(engine: Engine, request: Request) -> Json:
    """``GET /percept-data``: deprecated, and empty whatever was observed."""
    return {
        "percept_data": {},
        "node_id": processor_id(_node(engine, request).node_id),
        "warning": _deprecated("percept-data"),
    }


def old_cognition(engine: Engine, request: Request) -> Json:
    """``GET /cognition-data``: deprecated, and empty whatever was observed."""
    lists = ("predictions", "symbols", "path", "strings", "vectors", "short_term_memory")
    return {
        "cognition_data": {
            **{name: [] for name in lists},
            "emotives": {},
            "metadata": {},
            "command": "",
        },
        "node_id": processor_id(_node(engine, request).node_id),
        "warning": _deprecated("cognition-data"),
    }


def finalize_training(engine: Engine, _request: Request, session: Session) -> Json:
    """``POST .../finalize-training``: counts the node's patterns; writes nothing here."""
    begun = time.perf_counter()
    count = len(engine.world.node(session.node_id, engine.clock()).patterns)
    spent = round((time.perf_counter() - begun) * 1000, 2)
    return {
        "status": "completed",
        "patterns_processed": count,
        "time_ms": spent,
        "session_id": session.session_id,
        "node_id": session.node_id,
        "message": f"Computed Shannon entropy and TF vectors for {count} patterns in {spent}ms",
    }


def _node(engine: Engine, request: Request) -> Node:
    """The node named by query, by header or not at all."""
    node_id = request.asked("node_id") or request.header(b"x-node-id") or "default_node"
    return engine.world.node(node_id, engine.clock())


def _deprecated(name: str) -> str:
    return (
        f"This endpoint is deprecated. Use /sessions/{{session_id}}/{name} for session-aware data."
    )
