"""Applies operations at the moment they come, keeps them on disk and gives calls numbers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kato_tasks.devserver.audit import Mark
from kato_tasks.devserver.failures import Json, Refused, ServerError
from kato_tasks.devserver.faults import Faults
from kato_tasks.devserver.operations import Moment
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.store import Store
from kato_tasks.devserver.twists import EVERY_OPERATION
from kato_tasks.devserver.world import World, dump, restore

COMPACT_AFTER = 100_000


def wall_clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Twist:
    """What will be different about the operation of one call.

    Attributes:
        around: Operations that go around it, the innermost first.
        before: Called with its name, session and arguments before it is applied.
        after: Called when it is applied and the log has it, but nobody was answered.
    """

    around: list[str] = field(default_factory=list)
    before: Callable[[str, str, Json], None] | None = None
    after: Callable[[], None] | None = None


class Engine:
    """One server's world behind a clock and a log.

    Args:
        options: How the server behaves.
        clock: Gives microseconds since the epoch; tests inject their own.

    Attributes:
        faults: What is armed.
        marks: What calls under way say about themselves, for the audit.
        twists: What will be different about calls under way.

    Raises:
        FaultError: A fault among the options is none.
        StateInUseError: Another server has the state directory.
    """

    def __init__(self, options: Options, clock: Callable[[], int] = wall_clock) -> None:
        self.options = options
        self.clock = clock
        self.world = World(options)
        self.started_at = clock()
        self.faults = Faults(options.faults, options.fault_seed)
        self.marks: dict[int, Mark] = {}
        self.twists: dict[int, Twist] = {}
        self._store = Store(options.state) if options.state else None
        if self._store:
            self._replay(self._store)
        self.calls = self.world.calls

    def next_call(self) -> int:
        """Give an HTTP call its number; numbers that changed something never come again."""
        self.calls += 1
        return self.calls

    def twist(self, call: int) -> Twist:
        """What will be different about a call's operation, to be changed by the caller."""
        return self.twists.setdefault(call, Twist())

    def forget(self, call: int) -> None:
        """Drop what is known of a call that is over."""
        self.twists.pop(call, None)
        self.marks.pop(call, None)

    def apply(
        self,
        name: str,
        call: int,
        session_id: str,
        args: Json = None,
        unique_ids: list[str | None] | None = None,
    ) -> Json:
        """Do a call's operation now; when this returns or raises, the log has it.

        Args:
            name: The operation.
            call: The number of the call.
            session_id: What it is applied to.
            args: Its arguments.
            unique_ids: Per observation the id its sender gave it, for the audit.

        Raises:
            Refused: The server answers with an error of its own.
            ServerError: The server breaks.
        """
        twist = self.twists.pop(call, None) if self.twists else None
        mark = self._mark(call, unique_ids)
        if twist is None:
            return self.record(name, call, session_id, args, mark)
        if twist.before:
            twist.before(name, session_id, args)
        for outer in twist.around:
            name, args = outer, [name, args]
        result = self.record(name, call, session_id, args, mark)
        if twist.after:
            twist.after()
        return result

    def record(
        self, name: str, call: int, session_id: str, args: Json = None, mark: Mark | None = None
    ) -> Json:
        """Do an operation that belongs to a call but is not the one it asked for."""
        at = Moment(call, self.clock())
        world = self.world
        world.calls = max(world.calls, call)
        world.audit.mark = mark
        try:
            return EVERY_OPERATION[name](world, at, session_id, args)
        finally:
            # An operation that failed is kept too: it may have learned, and fails again alike.
            world.audit.mark = None
            if self._store:
                line = [call, at.now, name, session_id, args]
                self._store.append([*line, mark] if mark else line)

    def touch(self, call: int, session_id: str) -> None:
        """Note an access that only reads; kept on disk only if it moves the session's end."""
        at = Moment(call, self.clock())
        moved = EVERY_OPERATION["touch"](self.world, at, session_id, None)
        if moved and self._store:
            self._store.append([call, at.now, "touch", session_id, None])

    def close(self) -> None:
        """Let go of the state directory."""
        if self._store:
            self._store.close()
            self._store = None

    def _mark(self, call: int, unique_ids: list[str | None] | None) -> Mark | None:
        mark = self.marks.get(call) if self.marks else None
        if unique_ids is None or not any(unique_ids):
            return mark
        return (mark or Mark())._replace(unique_ids=unique_ids)

    def _replay(self, store: Store) -> None:
        operations = 0
        for line in store.lines():
            if isinstance(line[0], str):
                restore(self.world, line)
            else:
                operations += 1
                self._again(*line)
        self.world.reads.clear()
        if operations >= COMPACT_AFTER:
            store.replace(dump(self.world))

    def _again(  # noqa: PLR0913, PLR0917 - the parts of a line
        self,
        call: int,
        now: int,
        name: str,
        session_id: str,
        args: Json,
        mark: list[Json] | None = None,
    ) -> None:
        world = self.world
        world.calls = max(world.calls, call)
        world.audit.mark = Mark(*mark) if mark else None
        try:
            EVERY_OPERATION[name](world, Moment(call, now), session_id, args)
        except (Refused, ServerError):
            return
        finally:
            world.audit.mark = None
