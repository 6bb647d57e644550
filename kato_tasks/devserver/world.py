"""Everything a server knows, and its form on disk."""

from collections.abc import Iterator

from kato_tasks.devserver.audit import Audit, Entry, Record
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.patterns import Node, Pattern, processor_id
from kato_tasks.devserver.rules import Observation, Session, is_alive

_SESSION_FIELDS = (
    "session_id",
    "node_id",
    "created_at",
    "ttl",
    "expires_at",
    "kept_until",
    "config",
    "info",
    "stm",
    "time",
    "emotives",
    "metadata",
    "percept",
    "predictions",
)


class World:
    """Sessions, nodes, audit and counters.

    Attributes:
        active: What ``/sessions/count`` counts: sessions that run out are never taken off it
            (kato-api 2).
        calls: The highest call number that changed anything.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.sessions: dict[str, Session] = {}
        self.nodes: dict[str, Node] = {}
        self.audit = Audit(keep=options.audit)
        self.active = 0
        self.observations = 0
        self.sessions_created = 0
        self.learns = 0
        self.calls = 0

    def living(self, session_id: str, now: int) -> Session | None:
        """The session if it still answers; what has run out is dropped on the way."""
        session = self.sessions.get(session_id)
        if session is None or is_alive(session, now):
            return session
        del self.sessions[session_id]
        return None

    def node(self, node_id: str, now: int) -> Node:
        """The node a raw node id leads to, made when it is first used."""
        folded = processor_id(node_id)
        node = self.nodes.get(folded)
        if node is None:
            node = self.nodes[folded] = Node(node_id, now)
        node.used_at = now
        node.uses += 1
        return node


def dump(world: World) -> Iterator[list[Json]]:
    """The lines of a snapshot, in the order ``restore`` needs them."""
    yield [
        "world",
        world.active,
        world.observations,
        world.sessions_created,
        world.learns,
        world.calls,
    ]
    for session in world.sessions.values():
        yield ["session", [getattr(session, name) for name in _SESSION_FIELDS]]
    for node in world.nodes.values():
        yield ["node", node.node_id, node.created_at, node.used_at, node.uses]
        for known in node.patterns.values():
            parts = [known.name, known.events, known.frequency, known.emotives, known.metadata]
            yield ["pattern", node.node_id, parts]
    for record in world.audit.records.values():
        yield ["record", record.session_id, record.node_id, record.created_at, record.applied]
        for entry in record.entries:
            yield ["entry", record.session_id, entry]


def restore(world: World, line: list[Json]) -> None:
    """Take one line of a snapshot into an empty or half restored world."""
    _RESTORERS[line[0]](world, line[1:])


def _restore_counters(world: World, parts: list[Json]) -> None:
    world.active, world.observations, world.sessions_created, world.learns, world.calls = parts


def _restore_session(world: World, parts: list[Json]) -> None:
    session = Session(**dict(zip(_SESSION_FIELDS, parts[0], strict=True)))
    session.stm = [tuple(event) for event in session.stm]
    if session.percept is not None:
        session.percept = Observation(*session.percept)
    world.sessions[session.session_id] = session


def _restore_node(world: World, parts: list[Json]) -> None:
    world.nodes[processor_id(parts[0])] = Node(*parts)


def _restore_pattern(world: World, parts: list[Json]) -> None:
    name, events, *rest = parts[1]
    node = world.nodes[processor_id(parts[0])]
    node.add(Pattern(name, [tuple(event) for event in events], *rest))


def _restore_record(world: World, parts: list[Json]) -> None:
    world.audit.records[parts[0]] = Record(*parts)


def _restore_entry(world: World, parts: list[Json]) -> None:
    entry = Entry(*parts[1])
    event = None if entry.event is None else tuple(entry.event)
    world.audit.records[parts[0]].entries.append(entry._replace(event=event))


_RESTORERS = {
    "world": _restore_counters,
    "session": _restore_session,
    "node": _restore_node,
    "pattern": _restore_pattern,
    "record": _restore_record,
    "entry": _restore_entry,
}
