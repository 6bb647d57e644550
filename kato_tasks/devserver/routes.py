"""What each route answers. Handlers run without a pause, so no two calls mix."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from kato_tasks.devserver import predictions, rules, validation
from kato_tasks.devserver.configs import Config
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused, not_found
from kato_tasks.devserver.rules import SECOND, Session

_PAGE = 1000
_COUNT_CACHED = 5 * SECOND


@dataclass(slots=True)
class Request:
    """One HTTP request, taken apart.

    Attributes:
        call: Its number on this server.
        target: The session or pattern id in the path, or "".
        query: The raw query string.
        headers: Names in lower case.
    """

    call: int
    method: str
    target: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def asked(self, name: str) -> str | None:
        """The last query value of that name, or None."""
        return dict(parse_qsl(self.query.decode(), keep_blank_values=True)).get(name)

    def header(self, name: bytes) -> str:
        """The header of that name, or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

    def data(self) -> Json:
        """The decoded body; raises the 422 or 400 for one that is missing or broken."""
        return validation.decoded(self.body, self.header(b"content-type"))


Handler = Callable[[Engine, Request], Json]


class SessionHandler(Protocol):
    """A handler of a route of one session, which exists and lives."""

    def __call__(self, engine: Engine, request: Request, session: Session, /) -> Json:
        """Answer with a JSON body."""


def create_session(engine: Engine, request: Request) -> Json:
    """``POST /sessions``: the answer names the ttl that was asked, or an hour (kato-api 2)."""
    wanted = validation.new_session(request.data())
    session_id = f"session-{os.urandom(16).hex()}-{engine.clock() // 1000}"
    args = [wanted.node_id, wanted.metadata, wanted.ttl_seconds, wanted.config]
    session: Session = engine.apply("create", request.call, session_id, args)
    return _session_body(session, session.expires_at, wanted.ttl_seconds or 3600)


def get_session(engine: Engine, request: Request) -> Json:
    """``GET /sessions/{id}``: the one session route whose 404 is a plain detail."""
    now = engine.clock()
    session = engine.world.living(request.target, now)
    if session is None:
        raise Refused(404, {"detail": f"Session {request.target} not found or expired"})
    engine.touch(request.call, request.target)
    auto = engine.options.auto_extend
    expires_at = rules.shown_expiry(session, now, auto_extend=auto)
    return _session_body(session, expires_at, rules.whole_seconds(session, now, auto_extend=auto))


def exists(engine: Engine, request: Request) -> Json:
    """``GET /sessions/{id}/exists``: extends nothing; ``expired`` is never true."""
    found = engine.world.living(request.target, engine.clock()) is not None
    return {"exists": found, "expired": False, "session_id": request.target}


class SessionCount:
    """``GET /sessions/count``: the count, up to five seconds old (kato-api 2)."""

    def __init__(self) -> None:
        self._until = 0
        self._count = 0

    def __call__(self, engine: Engine, _request: Request) -> Json:
        """Answer the count."""
        now = engine.clock()
        if now >= self._until:
            self._until, self._count = now + _COUNT_CACHED, engine.world.active
        return {"active_session_count": self._count}


def delete_session(engine: Engine, request: Request, session: Session) -> Json:
    """``DELETE /sessions/{id}``."""
    engine.apply("delete", request.call, session.session_id)
    return {"status": "deleted", "session_id": session.session_id}


def extend(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../extend``: the query alone counts."""
    ttl = validation.extension(request.asked("ttl_seconds"))
    engine.apply("extend", request.call, session.session_id, ttl)
    return {"status": "extended", "session_id": session.session_id, "ttl_seconds": ttl}


def get_config(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../config``: the effective configuration."""
    return {"session_id": session.session_id, "config": session.config}


def update_config(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../config``."""
    body: Config = validation.config_update(request.data())
    engine.apply("configure", request.call, session.session_id, body)
    return {
        "status": "okay",
        "message": "Configuration updated",
        "session_id": session.session_id,
    }


def observe(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../observe``: a client's ``unique_id`` is not looked at (kato-api 4)."""
    wanted = validation.observation(request.data())
    after, learned = engine.apply("observe", request.call, session.session_id, wanted)
    return {
        "status": "okay",
        "session_id": session.session_id,
        "processor_id": session.node_id,
        "stm_length": len(after.stm),
        "time": after.time,
        "unique_id": f"obs-{os.urandom(16).hex()}",
        "auto_learned_pattern": learned,
    }


def observe_sequence(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../observe-sequence``: an item's ``unique_id`` comes back as it is."""
    wanted = validation.batch(request.data())
    flags = (wanted.learn_after_each, wanted.learn_at_end, wanted.clear_stm_between)
    args = [wanted.observations, *flags]
    done = engine.apply("sequence", request.call, session.session_id, args, wanted.unique_ids)
    prefix = os.urandom(8).hex()
    results = [
        {
            "status": "okay",
            "sequence_position": place,
            "stm_length": length,
            "time": time,
            "unique_id": wanted.unique_ids[place] or f"seq-obs-{prefix}{place:016x}",
            "auto_learned_pattern": learned,
        }
        for place, (length, time, learned) in enumerate(done.steps)
    ]
    return {
        "status": "completed",
        "processor_id": session.node_id,
        "observations_processed": len(results),
        "initial_stm_length": done.initial_length,
        "final_stm_length": done.final_length,
        "results": results,
        "auto_learned_patterns": done.learned,
        "final_learned_pattern": done.final,
        "isolated": wanted.clear_stm_between,
    }


def stm(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../stm``."""
    return {"stm": session.stm, "session_id": session.session_id, "length": len(session.stm)}


def learn(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../learn``: the message speaks of 0 events whatever was learned (kato-api 4)."""
    name = engine.apply("learn", request.call, session.session_id)
    return {
        "status": "learned",
        "pattern_name": name,
        "session_id": session.session_id,
        "processor_id": None,
        "message": f"Learned pattern {name} from 0 events",
    }


def clear_stm(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../clear-stm``."""
    engine.apply("clear_stm", request.call, session.session_id)
    return {"status": "cleared", "session_id": session.session_id}


def clear_all(engine: Engine, request: Request, session: Session) -> Json:
    """``POST .../clear-all``: other sessions of the node keep their STM."""
    engine.apply("clear_all", request.call, session.session_id)
    return {"status": "cleared", "session_id": session.session_id, "scope": "all"}


def get_predictions(engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../predictions``, from the STM and the node's patterns as they are now."""
    node = engine.world.node(session.node_id, engine.clock())
    found = predictions.asked(node, session.stm, session.config)
    return predictions_body(session, found, node.futures)


def predictions_body(session: Session, found: list[Json], futures: list[Json]) -> Json:
    """What ``GET .../predictions`` answers."""
    return {
        "predictions": found,
        "future_potentials": futures,
        "session_id": session.session_id,
        "processor_id": None,
        "count": len(found),
        "time": None,
        "unique_id": None,
    }


def percept_data(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../percept-data``: empty until something was observed."""
    percept: Json = {}
    if session.percept is not None:
        percept = {
            "strings": session.percept.strings,
            "vectors": session.percept.vectors,
            "emotives": rules.mean_emotives(session.emotives),
            "path": [],
            "metadata": session.percept.metadata,
        }
    return {
        "percept_data": percept,
        "session_id": session.session_id,
        "node_id": session.node_id,
    }


def cognition_data(_engine: Engine, _request: Request, session: Session) -> Json:
    """``GET .../cognition-data``: the one place ``time`` can be read (kato-api 4)."""
    cognition = {
        "predictions": session.predictions,
        "emotives": session.emotives[-1] if session.emotives else {},
        "symbols": [symbol for event in session.stm for symbol in event],
        "command": "",
        "metadata": {},
        "path": [],
        "strings": [],
        "vectors": [],
        "short_term_memory": session.stm,
        "time": session.time,
    }
    return {
        "cognition_data": cognition,
        "session_id": session.session_id,
        "node_id": session.node_id,
    }


def dev_audit(engine: Engine, request: Request) -> Json:
    """``GET /_dev/audit/{id}``: what was applied to a session, living or not."""
    page = engine.world.audit.page(request.target, *paging(request))
    if page is None:
        detail = f"No session {request.target} was ever created on this development server."
        raise Refused(404, {"detail": detail})
    return page


def dev_sessions(engine: Engine, request: Request) -> Json:
    """``GET /_dev/sessions``: every session this server ever had, oldest first."""
    offset, limit = paging(request)
    now, world = engine.clock(), engine.world
    records = list(world.audit.records.values())[offset : offset + limit]
    return {
        "sessions": [
            {
                "session_id": record.session_id,
                "node_id": record.node_id,
                "created_at": printed(record.created_at),
                "alive": world.living(record.session_id, now) is not None,
                "applied": record.applied,
            }
            for record in records
        ]
    }


def dev_stats(engine: Engine, _request: Request) -> Json:
    """``GET /_dev/stats``: counters since the state began, if there is one."""
    world = engine.world
    return {
        "calls": engine.calls,
        "observations": world.observations,
        "sessions_created": world.sessions_created,
        "learns": world.learns,
        "started_at": printed(engine.started_at),
    }


def on_session(handler: SessionHandler) -> Handler:
    """Look the session up first, as the real server's middleware does (kato-api 1)."""

    def handle(engine: Engine, request: Request) -> Json:
        session = engine.world.living(request.target, engine.clock())
        if session is None:
            raise not_found(request.target)
        if request.method == "GET":
            engine.touch(request.call, request.target)
        return handler(engine, request, session)

    return handle


def _session_body(session: Session, expires_at: int, ttl: int) -> Json:
    return {
        "session_id": session.session_id,
        "node_id": session.node_id,
        "created_at": printed(session.created_at),
        "expires_at": printed(expires_at),
        "ttl_seconds": ttl,
        "metadata": session.info,
        "session_config": session.config,
    }


def printed(micros: int) -> str:
    """A moment as the server prints it."""
    return rules.moment(micros).isoformat().replace("+00:00", "Z")


def paging(request: Request) -> tuple[int, int]:
    """The ``offset`` and ``limit`` of a query; the 422 if they are no numbers."""
    check = validation.Check()
    offset = check.whole(request.asked("offset") or "0", ("query", "offset"))
    limit = check.whole(request.asked("limit") or str(_PAGE), ("query", "limit"))
    check.finish()
    return max(offset, 0), max(limit, 0)
