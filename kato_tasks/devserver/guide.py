"""The dialect of the session management guide.

The guide shows a server whose sessions take ``ttl`` and ``config``, whose ``GET /sessions``
lists, and whose STM can be observed again event by event. A server of this dialect has exactly
the routes the guide uses, and ``learn``, ``predictions``, ``/`` and ``/health``, without which
nothing could be done with it. What the real server has beside them (``observe-sequence``,
``exists``, ``extend``, ``config``, ``percept-data``, ``cognition-data``, ``clear-all``,
``/sessions/count``, ``/status``, ``/pattern``) is 404 ``{"detail": "Not Found"}``, so a client
can tell the dialects apart by ``/openapi.json`` or by trying.

Decided where the guide is silent: ``ttl`` wins over ``session_ttl``; without auto-extend a
session ends ``ttl`` seconds after its creation; every call to a session that auto-extends sets
its end to ``ttl`` seconds from now, reading included; every unknown session is 404 with a
``detail``; checks of observations and configurations are the real server's.
"""

import os
from typing import Protocol

from kato_tasks.devserver import monitoring, routes, validation
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused
from kato_tasks.devserver.guided import AUTO_EXTEND, EVENTS, TTL
from kato_tasks.devserver.paths import Paths
from kato_tasks.devserver.patterns import lookup
from kato_tasks.devserver.routes import Handler, Request, printed
from kato_tasks.devserver.rules import Session

VERSION = "3.0.0"


class GuideHandler(Protocol):
    """A handler of a route of one session, which exists and lives."""

    def __call__(self, engine: Engine, request: Request, session: Session, /) -> Json:
        """Answer with a JSON body."""


class GuideRoutes(Paths):
    """The routes of the guide."""

    def __init__(self) -> None:
        self.fixed = {
            "/": {"GET": monitoring.root},
            "/health": {"GET": monitoring.health},
            "/openapi.json": {"GET": self.describe},
            "/sessions": {"GET": list_sessions, "POST": create_session},
        }
        self.session = {
            "GET": _on_session(get_session),
            "DELETE": _on_session(delete_session),
        }
        self.of_session = {
            "observe": {"POST": _on_session(observe)},
            "stm": {"GET": _on_session(stm)},
            "patterns": {"GET": _on_session(known_patterns)},
            "clear_stm": {"POST": _on_session(clear_stm)},
            "learn": {"POST": _on_session(learn)},
            "predictions": {"GET": _on_session(get_predictions)},
        }
        self.by_id = {}
        self.by_key = {}

    def describe(self, _engine: Engine, _request: Request) -> Json:
        """``GET /openapi.json``: the guide's paths and methods, and nothing of ``/_dev``."""
        below = "/sessions/{session_id}"
        table = {
            **{path: methods for path, methods in self.fixed.items() if "/_dev" not in path},
            below: self.session,
            **{f"{below}/{name}": methods for name, methods in self.of_session.items()},
        }
        answers = {"200": {"description": "Successful Response"}}
        paths = {
            path: {method.lower(): {"responses": answers} for method in methods}
            for path, methods in table.items()
        }
        info = {"title": "KATO API", "version": VERSION}
        return {"openapi": "3.1.0", "info": info, "paths": paths}


def create_session(engine: Engine, request: Request) -> Json:
    """``POST /sessions`` with ``node_id``, ``config``, ``ttl``; ``metadata`` is taken too."""
    body = request.data()
    wanted = validation.new_session(body)
    check, config = validation.Check(), wanted.config or {}
    ttl = body.get("ttl")
    if ttl is None:
        ttl = config.get(TTL)
    ttl = None if ttl is None else check.whole(ttl, ("body", "ttl"))
    extends = check.boolean(
        config.get(AUTO_EXTEND, engine.options.auto_extend), ("body", "config", AUTO_EXTEND)
    )
    check.finish()
    session_id = f"session-{os.urandom(16).hex()}-{engine.clock() // 1000}"
    args = [wanted.node_id, wanted.metadata, ttl, wanted.config, extends]
    return _shown(engine.apply("guide_create", request.call, session_id, args))


def list_sessions(engine: Engine, _request: Request) -> Json:
    """``GET /sessions``: every living session, oldest first."""
    now, world = engine.clock(), engine.world
    living = [world.living(session_id, now) for session_id in list(world.sessions)]
    return [_shown(session) for session in living if session is not None]


def get_session(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET /sessions/{id}``: with auto-extend this keeps it alive."""
    return _shown(session)


def delete_session(engine: Engine, request: Request, session: Session) -> Json:
    """``DELETE /sessions/{id}``."""
    engine.apply("delete", request.call, session.session_id)
    return {"status": "deleted", "session_id": session.session_id}


def observe(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../observe``: an event of ``GET .../stm`` can be its body."""
    wanted = validation.observation(request.data())
    args = ["observe", wanted]
    after, learned = engine.apply("guided", request.call, session.session_id, args)
    return {
        "status": "okay",
        "session_id": session.session_id,
        "stm_length": len(after.stm),
        "time": after.time,
        "auto_learned_pattern": learned,
    }


def stm(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../stm``: the observations behind the events, oldest first."""
    names = ("strings", "vectors", "emotives", "metadata")
    events = [dict(zip(names, kept, strict=True)) for kept in session.info[EVENTS]]
    return {"session_id": session.session_id, "events": events}


def known_patterns(engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../patterns``: what the session's node has learned, oldest first."""
    node = engine.world.node(session.node_id, engine.clock())
    found = [lookup(node, name)["pattern"] for name in node.patterns]
    return {"session_id": session.session_id, "node_id": session.node_id, "patterns": found}


def clear_stm(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../clear_stm``."""
    engine.apply("guided", request.call, session.session_id, ["clear_stm", None])
    return {"status": "cleared", "session_id": session.session_id}


def learn(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../learn``."""
    name = engine.apply("guided", request.call, session.session_id, ["learn", None])
    return {"status": "learned", "session_id": session.session_id, "pattern_name": name}


def get_predictions(engine: Engine, request: Request, session: Session) -> Json:
    """``GET .../predictions``: as the real server's."""
    return routes.get_predictions(engine, request, session)


def _on_session(handler: GuideHandler) -> Handler:
    def handle(engine: Engine, request: Request) -> Json:
        session = engine.world.living(request.target, engine.clock())
        if session is None:
            raise Refused(404, {"detail": f"Session {request.target} not found or expired"})
        if request.method == "GET" and session.config[AUTO_EXTEND]:
            engine.record("guided", request.call, request.target, ["touch", None])
        return handler(engine, request, session)

    return handle


def _shown(session: Session) -> Json:
    info = {key: value for key, value in session.info.items() if key != EVENTS}
    return {
        "session_id": session.session_id,
        "node_id": session.node_id,
        "config": session.config,
        "metadata": info,
        "ttl": session.ttl,
        "created_at": printed(session.created_at),
        "expires_at": printed(session.expires_at),
    }
