"""What calls do to the world: plain functions of the world, the moment and the arguments.

They read no clock and no randomness, so that applying the recorded operations again leads to
the same world. Each takes JSON-like arguments for the same reason. What they raise has had
exactly the effects it has on the real server.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from kato_tasks.devserver import configs, patterns, predictions, rules
from kato_tasks.devserver.audit import Entry, extras_of
from kato_tasks.devserver.failures import Json, Refused, ServerError, not_found
from kato_tasks.devserver.patterns import Node
from kato_tasks.devserver.rules import Observation, Session
from kato_tasks.devserver.world import World


class Moment(NamedTuple):
    """Which HTTP call an operation belongs to, and when it is applied (microseconds)."""

    call: int
    now: int


Operation = Callable[[World, Moment, str, Json], Json]


def create(world: World, at: Moment, session_id: str, args: Json) -> Session:
    """Create a session from ``[node_id, metadata, ttl_seconds or None, config or None]``."""
    node_id, info, ttl, sent = args
    config = configs.created(sent, world.defaults)
    seconds = ttl or world.options.session_ttl
    if seconds < 0:
        raise ServerError
    end = rules.deadline(at.now, seconds)
    session = Session(session_id, node_id, at.now, seconds, end, end, config, info)
    world.sessions[session_id] = session
    world.active += 1
    world.sessions_created += 1
    world.audit.open(session_id, node_id, at.now, info)
    return session


def delete(world: World, at: Moment, session_id: str, _args: Json) -> None:
    """Delete a session."""
    session = _touched(world, at, session_id)
    _drop(world, session)
    world.active -= 1
    world.audit.add(session_id, Entry(*at, "delete", session.time))


def touch(world: World, at: Moment, session_id: str, _args: Json) -> bool:
    """Note an access that writes nothing; True if the session's end moved by it."""
    session = world.living(session_id, at.now)
    auto_extend = world.options.auto_extend
    return session is not None and rules.touch(session, at.now, auto_extend=auto_extend)


def extend(world: World, at: Moment, session_id: str, ttl: Json) -> None:
    """Set the end of a session to ``ttl`` seconds from now; 0 or less deletes it."""
    session = _touched(world, at, session_id)
    if not rules.extend(session, at.now, ttl):
        _drop(world, session)
    world.audit.add(session_id, Entry(*at, "extend", session.time))


def configure(world: World, at: Moment, session_id: str, body: Json) -> None:
    """Update a session's configuration."""
    session = _touched(world, at, session_id)
    session.config = configs.updated(session.config, body)
    _save(world, at, session)
    world.audit.add(session_id, Entry(*at, "config", session.time))


class BatchResult(NamedTuple):
    """What an observe-sequence did.

    Attributes:
        session: The session afterwards.
        initial_length: Events before.
        final_length: Events afterwards, before the STM is cut (kato-api 4).
        steps: Per item the events, the time and the auto-learned pattern after it.
        learned: Every pattern name learned on the way, in order.
        final: The name learned at the end, or None if that was not asked or not possible.
    """

    session: Session
    initial_length: int
    final_length: int
    steps: list[tuple[int, int, str | None]]
    learned: list[str]
    final: str | None


def observe(world: World, at: Moment, session_id: str, args: Json) -> tuple[Session, str | None]:
    """Apply one observation; the session and the pattern it auto-learned, if any."""
    run = _Run(world, at, _touched(world, at, session_id))
    learned = run.observe(Observation(*args), last=True)
    run.finish()
    return run.session, learned


def sequence(world: World, at: Moment, session_id: str, args: Json) -> BatchResult:
    """Apply ``[observations, learn_after_each, learn_at_end, clear_stm_between]``.

    Wholly or not at all, except that patterns learned before a failure stay (kato-api 4).
    """
    observations, *flags = args
    session = _touched(world, at, session_id)
    length = len(session.stm)
    if not observations:
        return BatchResult(session, length, length, [], [], None)
    run = _Run(world, at, _draft(session))
    try:
        steps, final = run.all(observations, *flags)
    except ServerError:
        world.audit.add(session_id, *(e for e in run.entries if e.pattern is not None))
        raise
    after = len(run.session.stm)
    world.sessions[session_id] = run.session
    run.finish()
    return BatchResult(run.session, length, after, steps, run.learned, final)


def learn(world: World, at: Moment, session_id: str, _args: Json) -> str:
    """Learn the STM and empty it; the pattern's name.

    Raises:
        Refused: 400 for an empty STM.
    """
    run = _Run(world, at, _touched(world, at, session_id))
    if not run.session.stm:
        raise Refused(400, {"detail": "Cannot learn from empty STM"})
    name = run.learn()
    run.finish()
    return name


def clear_stm(world: World, at: Moment, session_id: str, _args: Json) -> None:
    """Empty the session's memory (not the node's)."""
    run = _Run(world, at, _touched(world, at, session_id))
    rules.forget(run.session)
    run.node.vectors.deferred.clear()
    run.note("clear_stm")
    run.finish()


def clear_all(world: World, at: Moment, session_id: str, _args: Json) -> None:
    """Empty the session's memory and everything its node has learned."""
    run = _Run(world, at, _touched(world, at, session_id))
    rules.forget(run.session)
    run.node.forget()
    run.note("clear_all")
    run.finish()


@dataclass(slots=True)
class _Run:
    """One call's work on one session: what it changes, and what the audit will say of it."""

    world: World
    at: Moment
    session: Session
    entries: list[Entry] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    node: Node = field(init=False)

    def __post_init__(self) -> None:
        self.node = self.world.node(self.session.node_id, self.at.now)

    def note(self, kind: str, pattern: str | None = None) -> None:
        self.entries.append(Entry(*self.at, kind, self.session.time, None, pattern))

    def observe(self, observation: Observation, *, last: bool) -> str | None:
        """Apply one observation; the auto-learned pattern. Only the ``last`` one predicts."""
        session = self.session
        symbols = self.node.vectors.observe(observation.vectors)
        event = rules.event_of(observation.strings, symbols)
        rules.take_in(session, observation, event)
        extras = extras_of(observation)
        self.entries.append(Entry(*self.at, "observe", session.time, event, None, extras))
        if not event:
            return None
        if last and session.config["process_predictions"]:
            session.predictions = self._predicted()
        return self._auto_learn() if rules.auto_learns(session) else None

    def _predicted(self) -> list[Json]:
        if self.world.blind:
            self.node.futures = []
            return []
        return predictions.observed(self.node, self.session.stm, self.world.defaults)

    def all(
        self, observations: list[Json], learn_each: Json, learn_end: Json, clear: Json
    ) -> tuple[list[tuple[int, int, str | None]], str | None]:
        session, steps = self.session, []
        last = max((n for n, item in enumerate(observations) if item[0] or item[1]), default=0)
        for place, item in enumerate(observations):
            if clear and place:
                session.stm.clear()
                self.note("clear_stm")
            learned = self.observe(Observation(*item), last=place == last)
            if learned is not None:
                self.learned.append(learned)
            if learn_each and session.stm:
                self.learned.append(self.learn())
            steps.append((len(session.stm), session.time, learned))
        final = self.learn() if learn_end and session.stm else None
        if final is not None:
            self.learned.append(final)
        return steps, final

    def learn(self) -> str:
        """Learn with the accumulators, which survive it (kato-api 4)."""
        name = self._learn("learn", self.session.emotives, self.session.metadata)
        self.session.stm.clear()
        return name

    def _auto_learn(self) -> str | None:
        """Learn without emotives and metadata, as auto-learning does (kato-api 4)."""
        name = self._learn("auto_learn", [], [])
        rules.after_auto_learn(self.session)
        return name or None

    def _learn(
        self, kind: str, emotives: list[rules.Emotives], metadata: list[dict[str, Json]]
    ) -> str:
        session = self.session
        persistence = session.config["persistence"]
        name = patterns.learn(self.node, session.stm, emotives, metadata, persistence)
        self.world.learns += 1
        self.note(kind, name)
        return name

    def finish(self) -> None:
        """Save the session and write the audit."""
        self.world.observations += sum(entry.event is not None for entry in self.entries)
        self.world.audit.add(self.session.session_id, *self.entries)
        _save(self.world, self.at, self.session)


def _touched(world: World, at: Moment, session_id: str) -> Session:
    session = world.living(session_id, at.now)
    if session is None:
        raise not_found(session_id)
    rules.touch(session, at.now, auto_extend=world.options.auto_extend)
    return session


def _save(world: World, at: Moment, session: Session) -> None:
    if not rules.save(session, at.now, auto_extend=world.options.auto_extend):
        _drop(world, session)


def _drop(world: World, session: Session) -> None:
    world.sessions.pop(session.session_id, None)


def _draft(session: Session) -> Session:
    return replace(
        session,
        stm=list(session.stm),
        emotives=list(session.emotives),
        metadata=list(session.metadata),
    )


OPERATIONS: dict[str, Operation] = {
    "create": create,
    "delete": delete,
    "touch": touch,
    "extend": extend,
    "configure": configure,
    "observe": observe,
    "sequence": sequence,
    "learn": learn,
    "clear_stm": clear_stm,
    "clear_all": clear_all,
}
