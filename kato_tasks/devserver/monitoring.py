"""The routes about the server itself.

Their fields are the recorded ones. Figures of the machine and of stores this server does not
have are constants: nothing should be decided by them, on the real server neither.
"""

from typing import NamedTuple

from kato_tasks.devserver import rules
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused
from kato_tasks.devserver.routes import Request
from kato_tasks.devserver.rules import SECOND
from kato_tasks.devserver.validation import Check

VERSION = "3.10.1"
_METRICS = 19
_STORE = "redis://127.0.0.1:6379"


class Page(NamedTuple):
    """An answer that is no JSON."""

    html: str


def root(engine: Engine, _request: Request) -> Json:
    """``GET /``."""
    return {
        "service": "KATO API",
        "version": VERSION,
        "description": "Knowledge Abstraction for Traceable Outcomes with Multi-User Support",
        "docs": "/docs",
        "health": "/health",
        "status": "running",
        "uptime_seconds": _uptime(engine),
        "architecture": "modular",
        "session_support": True,
    }


def docs(_engine: Engine, _request: Request) -> Page:
    """``GET /docs``: a page that leads to the description."""
    link = '<a href="/openapi.json">/openapi.json</a>'
    return Page(f"<!DOCTYPE html><title>KATO API</title><p>Development server: {link}</p>")


def health(engine: Engine, _request: Request) -> Json:
    """``GET /health``: healthy whatever happens (kato-api 9)."""
    return {
        "status": "healthy",
        "processor_status": "healthy",
        "service_name": "kato",
        "uptime_seconds": _uptime(engine),
        "issues": [],
        "metrics_collected": _METRICS,
        "last_collection": engine.started_at / SECOND,
        "active_sessions": engine.world.active,
        "timestamp": _now(engine),
    }


def status(engine: Engine, _request: Request) -> Json:
    """``GET /status``: sessions and the nodes in use."""
    now, world = engine.clock(), engine.world
    stored = sum(rules.is_alive(session, now) for session in world.sessions.values())
    sessions = {
        "total_sessions": stored,
        "active_sessions": stored,
        "expired_sessions": 0,
        "backend": "redis",
        "redis_url": _STORE,
    }
    return {
        "status": "healthy",
        "base_processor_id": "kato",
        "uptime_seconds": _uptime(engine),
        "sessions": sessions,
        "processors": _processors(engine),
        "version": VERSION,
    }


def metrics(engine: Engine, _request: Request) -> Json:
    """``GET /metrics``: as idle as right after a start."""
    idle = {"operations": 0.0, "errors": 0.0, "avg_response_time": 0.0}
    return {
        "timestamp": engine.clock() / SECOND,
        "sessions": {
            "total_created": 0.0,
            "total_deleted": 0.0,
            "active": engine.world.active,
            "operations_total": 0.0,
        },
        "performance": {
            "total_requests": float(engine.calls),
            "total_errors": 0.0,
            "error_rate": 0.0,
            "average_response_time": 0.0,
        },
        "resources": {"cpu_percent": 0.0, "memory_percent": 0.0, "disk_percent": 0.0},
        "databases": dict.fromkeys(("clickhouse", "qdrant", "redis"), idle),
        "rates": {"requests_per_second": 0.0, "requests_per_minute": 0.0, "errors_per_minute": 0},
        "processor_manager": _processors(engine),
        "uptime_seconds": None,
        "active_sessions": None,
        "error": None,
    }


def metric(_engine: Engine, request: Request) -> Json:
    """``GET /metrics/{name}``: there never are data, as recorded."""
    minutes = _minutes(request)
    detail = f"No data available for metric '{request.target}' in the last {minutes} minutes"
    raise Refused(404, {"detail": detail})


def stats(engine: Engine, request: Request) -> Json:
    """``GET /stats``: without the long time series."""
    return {
        "time_range_minutes": _minutes(request),
        "timestamp": engine.clock() / SECOND,
        "processor_manager": _processors(engine),
        "current_status": {},
        "time_series": {},
        "summary": {},
        "error": None,
    }


def concurrency(engine: Engine, _request: Request) -> Json:
    """``GET /concurrency``: this one request."""
    limit = engine.options.limit_concurrency
    used = {"concurrent_requests": 1, "utilization_percent": round(100 / limit)}
    message = f"Concurrency is healthy. Peak 1/{limit} ({round(100 / limit)}%)."
    return {
        "status": "healthy",
        "current": used,
        "peak": used,
        "limits": {
            "per_worker": limit,
            "warning_threshold": limit * 80 // 100,
            "critical_threshold": limit * 95 // 100,
            "total_capacity": limit * engine.options.workers,
        },
        "configuration": {
            "workers": engine.options.workers,
            "backlog": 2048,
            "max_requests": "unlimited",
        },
        "recommendations": [{"level": "info", "message": message}],
        "timestamp": _now(engine),
    }


def connection_pools(engine: Engine, _request: Request) -> Json:
    """``GET /connection-pools``."""
    checked = {
        "healthy": True,
        "last_check": engine.started_at / SECOND,
        "error_count": 0,
        "last_error": None,
        "response_time_ms": 0.0,
    }
    return {
        "status": "healthy",
        "health": dict.fromkeys(("redis", "qdrant", "clickhouse"), checked),
        "pool_statistics": {
            "redis": {"type": "redis", "status": "connected"},
            "clickhouse": {"type": "clickhouse", "status": "connected"},
        },
        "connection_optimization": {},
        "performance_improvements": {},
        "error": None,
        "timestamp": _now(engine),
    }


def cache_stats(engine: Engine, _request: Request) -> Json:
    """``GET /cache/stats``: an empty cache."""
    counts = (
        "hit_rate_percent",
        "cache_hits",
        "cache_misses",
        "patterns_in_cache",
        "symbols_in_cache",
        "patterns_cached_total",
        "symbols_cached_total",
    )
    figures = ("redis_memory_used_mb", "uptime_seconds", "requests_per_second")
    found = {**dict.fromkeys(counts, 0), **dict.fromkeys(figures, 0.0)}
    return {
        "cache_performance": found,
        "cache_health": {"status": "healthy", "redis_connected": True, "cache_stats": found},
        "timestamp": _now(engine),
    }


def cache_invalidate(engine: Engine, request: Request) -> Json:
    """``POST /cache/invalidate``: there is nothing in the cache."""
    return {
        "status": "success",
        "patterns_invalidated": 0,
        "symbols_invalidated": 0,
        "session_id": request.asked("session_id"),
        "reason": None,
        "timestamp": _now(engine),
    }


def distributed_stm(engine: Engine, _request: Request) -> Json:
    """``GET /distributed-stm/stats``: one published event per observation."""
    published = engine.world.observations
    nodes = list(engine.world.nodes)
    return {
        "status": "active",
        "distributed_stm_enabled": True,
        "performance_stats": {
            "events_published": published,
            "events_consumed": 0,
            "cache_hits": 0,
            "cache_misses": 0,
            "sync_operations": 0,
            "cache_hit_rate": 0.0,
            "stream_length": published,
            "consumer_groups": 1,
        },
        "processor_info": {
            "sample_processor_id": nodes[0] if nodes else None,
            "total_active_processors": len(nodes),
        },
        "expected_improvements": {},
        "reason": None,
        "error": None,
        "timestamp": _now(engine),
    }


def _processors(engine: Engine) -> Json:
    now = engine.clock()
    found = [
        {
            "processor_id": name,
            "node_id": node.node_id,
            "created_at": rules.moment(node.created_at).isoformat(),
            "last_accessed": rules.moment(node.used_at).isoformat(),
            "access_count": 1,
            "idle_seconds": (now - node.used_at) / SECOND,
        }
        for name, node in engine.world.nodes.items()
    ]
    return {
        "total_processors": len(found),
        "max_processors": 100,
        "eviction_ttl_seconds": 3600,
        "processors": found,
    }


def _minutes(request: Request) -> int:
    check = Check()
    minutes = check.whole(request.asked("minutes") or "10", ("query", "minutes"))
    check.finish()
    return minutes


def _now(engine: Engine) -> str:
    return rules.moment(engine.clock()).isoformat()


def _uptime(engine: Engine) -> float:
    return (engine.clock() - engine.started_at) / SECOND
