"""The ``/_dev`` routes, which every dialect has; no fault ever strikes them."""

from kato_tasks.devserver import routes, validation
from kato_tasks.devserver.engine import Engine
from kato_tasks.devserver.failures import Json, Refused
from kato_tasks.devserver.faults import FaultError
from kato_tasks.devserver.paths import Paths
from kato_tasks.devserver.routes import Request, paging, printed


def add_to(paths: Paths) -> None:
    """Put the ``/_dev`` routes among those of a dialect."""
    paths.fixed |= {
        "/_dev/sessions": {"GET": routes.dev_sessions},
        "/_dev/stats": {"GET": routes.dev_stats},
        "/_dev/lineage": {"GET": list_lineages},
        "/_dev/faults": {"GET": show_faults, "POST": arm_faults, "DELETE": clear_faults},
    }
    paths.by_id["/_dev/audit/", ""] = {"GET": routes.dev_audit}
    paths.by_key["/_dev/lineage/"] = {"GET": show_lineage}


def show_faults(engine: Engine, _request: Request) -> Json:
    """``GET /_dev/faults``: what is armed and how often each struck."""
    return {"faults": engine.faults.shown()}


def arm_faults(engine: Engine, request: Request) -> Json:
    """``POST /_dev/faults`` with ``{"faults": [text, ...]}``: arm these instead of what was.

    Raises:
        Refused: 422 with a sentence in ``detail``; what was armed stays.
    """
    body = validation.decoded(request.body, "")
    texts = body.get("faults") if isinstance(body, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused(422, {"detail": 'The body is an object {"faults": [TEXT, ...]}.'})
    try:
        engine.faults.arm(texts)
    except FaultError as error:
        raise Refused(422, {"detail": str(error)}) from None
    return show_faults(engine, request)


def clear_faults(engine: Engine, request: Request) -> Json:
    """``DELETE /_dev/faults``: nothing is armed any more."""
    engine.faults.arm(())
    return show_faults(engine, request)


def list_lineages(engine: Engine, request: Request) -> Json:
    """``GET /_dev/lineage``: the keys that sessions were created with, oldest first."""
    offset, limit = paging(request)
    lineages = engine.world.audit.lineages
    keys = list(lineages)[offset : offset + limit]
    return {
        "total": len(lineages),
        "lineages": [{"key": key, "sessions": len(lineages[key])} for key in keys],
    }


def show_lineage(engine: Engine, request: Request) -> Json:
    """``GET /_dev/lineage/{key}``: every session of a key, in the order of creation."""
    audit = engine.world.audit
    if request.target not in audit.lineages:
        detail = f"No session was ever created here with the key {request.target!r}."
        raise Refused(404, {"detail": detail})
    now = engine.clock()
    records = [audit.records[session_id] for session_id in audit.lineages[request.target]]
    sessions = [
        {
            "session_id": record.session_id,
            "node_id": record.node_id,
            "created_at": printed(record.created_at),
            "alive": engine.world.living(record.session_id, now) is not None,
            "entries_total": record.applied,
        }
        for record in records
    ]
    return {"key": request.target, "sessions": sessions}
