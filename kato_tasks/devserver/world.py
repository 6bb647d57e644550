"""Everything a server knows, and its form on disk."""

from collections.abc import Iterator
from dataclasses import astuple

from kato_tasks.devserver import configs
from kato_tasks.devserver.audit import Audit, Entry, Record
from kato_tasks.devserver.failures import Json
from kato_tasks.devserver.neighbours import VectorIndex
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.patterns import Node, Pattern, SymbolCount, processor_id
from kato_tasks.devserver.rules import Observation, Session, is_alive

_PATTERN_FIELDS = ("name", "events", "frequency", "emotives", "metadata", "bare")
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
        defaults: The configuration of a session that asks for nothing.
        active: What ``/sessions/count`` counts: sessions that run out are not taken off it
            (kato-api 2), unless a call still finds one.
        calls: The highest call number that changed anything.
        reads: Sessions as calls under way have read them.
        blind: Nothing is predicted: the store of the patterns does not answer.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.defaults = configs.DEFAULTS | dict(options.defaults)
        self.sessions: dict[str, Session] = {}
        self.nodes: dict[str, Node] = {}
        self.reads: dict[int, Session] = {}
        self.audit = Audit(keep=options.audit)
        self.blind = False
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
        if now < session.kept_until:
            self.active -= 1
        return None

    def node(self, node_id: str, now: int) -> Node:
        """The node a raw node id leads to, made when it is first used."""
        folded = processor_id(node_id)
        # Taken out and put back: the server lists its nodes in the order of their last use.
        node = self.nodes.pop(folded, None) or Node(node_id, now)
        self.nodes[folded] = node
        node.used_at = now
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
        symbols = {name: astuple(count) for name, count in node.symbols.items()}
        known = [node.counted, symbols, node.affinity]
        vectors = [node.vectors.learned, node.vectors.deferred]
        yield ["node", node.node_id, node.created_at, node.used_at, known, vectors]
        for pattern in node.patterns.values():
            yield ["pattern", node.node_id, [getattr(pattern, name) for name in _PATTERN_FIELDS]]
    for record in world.audit.records.values():
        yield [
            "record",
            record.session_id,
            record.node_id,
            record.created_at,
            record.applied,
            record.key,
        ]
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
    node_id, created_at, used_at, (counted, symbols, affinity), vectors = parts
    node = Node(node_id, created_at, used_at, counted=counted, affinity=affinity)
    node.symbols = {name: SymbolCount(*count) for name, count in symbols.items()}
    node.vectors = VectorIndex(*vectors)
    world.nodes[processor_id(node_id)] = node


def _restore_pattern(world: World, parts: list[Json]) -> None:
    name, events, *rest = parts[1]
    node = world.nodes[processor_id(parts[0])]
    node.add(Pattern(name, [tuple(event) for event in events], *rest))


def _restore_record(world: World, parts: list[Json]) -> None:
    world.audit.restore(Record(*parts))


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
