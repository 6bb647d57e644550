"""Operations of the guide's dialect: deadlines per session, and events kept as observed.

In the guide a session itself says how long it lives (``ttl``, ``session_ttl``) and whether
calls extend that (``session_auto_extend``); and what ``GET /stm`` answers can be observed again,
so the observations behind the events are kept, in the session's metadata.
"""

from kato_tasks.devserver import rules
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.operations import OPERATIONS, Moment, Operation
from kato_tasks.devserver.rules import Session
from kato_tasks.devserver.world import World

EVENTS = "guide_events"
TTL = "session_ttl"
AUTO_EXTEND = "session_auto_extend"


def guide_create(world: World, at: Moment, session_id: str, args: Json) -> Session:
    """Create a session from ``[node_id, metadata, ttl, config, auto_extend]``."""
    node_id, info, ttl, config, auto_extend = args
    kept = {**info, EVENTS: []}
    session: Session = OPERATIONS["create"](world, at, session_id, [node_id, kept, ttl, config])
    session.config = {**session.config, TTL: session.ttl, AUTO_EXTEND: auto_extend}
    return session


def guided(world: World, at: Moment, session_id: str, args: Json) -> Json:
    """Apply ``[operation, arguments]`` and set the deadline as the guide has it."""
    name, inner = args
    session = world.living(session_id, at.now)
    active = world.active
    result = OPERATIONS[name](world, at, session_id, inner)
    if session is not None:
        # What the real server's rules have made of the deadlines is undone here.
        world.sessions[session_id], world.active = session, active
        _keep_observation(session, name, inner)
        _set_deadline(session, at.now)
    return result


def _keep_observation(session: Session, name: str, observation: Json) -> None:
    kept: list[Json] = session.info[EVENTS]
    if name == "observe" and (observation[0] or observation[1]):
        kept.append(observation)
    del kept[: len(kept) - len(session.stm)]


def _set_deadline(session: Session, now: int) -> None:
    start = now if session.config[AUTO_EXTEND] else session.created_at
    session.expires_at = session.kept_until = rules.deadline(start, session.ttl)


GUIDE_OPERATIONS: dict[str, Operation] = {"guide_create": guide_create, "guided": guided}
