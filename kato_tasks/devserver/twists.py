"""Operations as they turn out when something is amiss around them.

Like those in ``operations`` they read no clock and no randomness. Some go around another
operation; their arguments are ``[its name, its arguments]``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from kato_tasks.devserver import patterns
from kato_tasks.devserver.audit import Entry
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.guided import GUIDE_OPERATIONS
from kato_tasks.devserver.operations import OPERATIONS, Moment, Operation
from kato_tasks.devserver.rules import Session
from kato_tasks.devserver.world import World


def read(world: World, at: Moment, session_id: str, _args: Json) -> None:
    """Read a session for a later ``stale`` of the same call."""
    world.reads[at.call] = _copy(world.sessions[session_id])


def stale(world: World, at: Moment, session_id: str, args: Json) -> Json:
    """Apply an operation to the session as this call has read it, and write that back.

    What others wrote meanwhile is lost, and a session deleted meanwhile is back: the real
    server writes whole sessions, whatever lies there (kato-api 6).
    """
    old, current = world.reads.pop(at.call), world.sessions.get(session_id)
    lost = current is not None and _memory(current) != _memory(old)
    with _kept_on_failure(world, session_id):
        world.sessions[session_id] = old
        result = _nested(world, at, session_id, args)
    if lost:
        world.audit.add(session_id, Entry(*at, "overwrote", old.time))
    return result


def unstored(world: World, at: Moment, session_id: str, args: Json) -> Json:
    """Apply an operation whose session cannot be stored; what it learns stays (kato-api 9)."""
    session = world.sessions.get(session_id)
    active, observations = world.active, world.observations
    world.audit.learned_only = True
    try:
        if session is not None:
            world.sessions[session_id] = _copy(session)
        return _nested(world, at, session_id, args)
    finally:
        world.audit.learned_only = False
        world.active, world.observations = active, observations
        _put(world, session_id, session)


def swallowed(world: World, at: Moment, session_id: str, args: Json) -> Json:
    """Apply an observe-sequence whose learn at the end fails unless it learns nothing new."""
    name, (observations, each, _end, clear) = args
    done = _nested(world, at, session_id, [name, [observations, each, False, clear]])
    node = world.node(done.session.node_id, at.now)
    if patterns.pattern_name(done.session.stm) not in node.patterns:
        return done
    final = OPERATIONS["learn"](world, at, session_id, None)
    return done._replace(learned=[*done.learned, final], final=final, final_length=0)


def blind(world: World, at: Moment, session_id: str, args: Json) -> Json:
    """Apply an operation while there is no store to predict from (kato-api 9)."""
    world.blind = True
    try:
        return _nested(world, at, session_id, args)
    finally:
        world.blind = False


def late_row(world: World, at: Moment, session_id: str, args: Json) -> None:
    """Let appear what a failed learn had written: ``[node_id, events]``."""
    node_id, events = args
    node = world.node(node_id, at.now)
    name = patterns.appear(node, [tuple(event) for event in events])
    world.learns += 1
    session = world.sessions.get(session_id)
    world.audit.add(session_id, Entry(*at, "learn", session.time if session else 0, None, name))


def leak(world: World, at: Moment, session_id: str, events: Json) -> None:
    """Replace a session's STM by events of another one's (kato-api 6)."""
    session = world.sessions.get(session_id)
    if session is not None:
        session.stm = [tuple(event) for event in events]
        world.audit.add(session_id, Entry(*at, "leak", session.time))


def gone(world: World, at: Moment, session_id: str, _args: Json) -> None:
    """Lose a session, as if the store behind the server had dropped it."""
    session = world.living(session_id, at.now)
    if session is not None:
        del world.sessions[session_id]
        world.active -= 1
        world.audit.add(session_id, Entry(*at, "gone", session.time))


def reset_store(world: World, at: Moment, _session_id: str, _args: Json) -> None:
    """Lose every session; what was learned lies in another store."""
    for session_id in list(world.sessions):
        gone(world, at, session_id, None)


def _nested(world: World, at: Moment, session_id: str, args: Json) -> Json:
    name, inner = args
    return EVERY_OPERATION[name](world, at, session_id, inner)


@contextmanager
def _kept_on_failure(world: World, session_id: str) -> Iterator[None]:
    current = world.sessions.get(session_id)
    try:
        yield
    except Exception:
        _put(world, session_id, current)
        raise


def _put(world: World, session_id: str, session: Session | None) -> None:
    if session is None:
        world.sessions.pop(session_id, None)
    else:
        world.sessions[session_id] = session


def _copy(session: Session) -> Session:
    """A session that can be changed without changing this one."""
    return replace(
        session,
        stm=list(session.stm),
        emotives=list(session.emotives),
        metadata=list(session.metadata),
        info={key: list(it) if isinstance(it, list) else it for key, it in session.info.items()},
    )


def _memory(session: Session) -> Json:
    """What a write can lose of a session: not that somebody looked at it."""
    return (
        session.stm,
        session.time,
        session.emotives,
        session.metadata,
        session.config,
        session.expires_at,
    )


EVERY_OPERATION: dict[str, Operation] = {
    **OPERATIONS,
    **GUIDE_OPERATIONS,
    "read": read,
    "stale": stale,
    "unstored": unstored,
    "swallowed": swallowed,
    "blind": blind,
    "late_row": late_row,
    "leak": leak,
    "gone": gone,
    "reset_store": reset_store,
}
