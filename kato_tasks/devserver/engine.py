"""Applies operations at the moment they come, keeps them on disk and gives calls numbers."""

import time
from collections.abc import Callable

from kato_tasks.devserver.failures import Json, Refused, ServerError
from kato_tasks.devserver.operations import OPERATIONS, Moment
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.store import Store
from kato_tasks.devserver.world import World, dump, restore

COMPACT_AFTER = 100_000


def wall_clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Engine:
    """One server's world behind a clock and a log.

    Args:
        options: How the server behaves.
        clock: Gives microseconds since the epoch; tests inject their own.

    Raises:
        StateInUseError: Another server has the state directory.
    """

    def __init__(self, options: Options, clock: Callable[[], int] = wall_clock) -> None:
        self.options = options
        self.clock = clock
        self.world = World(options)
        self.started_at = clock()
        self._store = Store(options.state) if options.state else None
        if self._store:
            self._replay(self._store)
        self.calls = self.world.calls

    def next_call(self) -> int:
        """Give an HTTP call its number; numbers that changed something never come again."""
        self.calls += 1
        return self.calls

    def apply(self, name: str, call: int, session_id: str, args: Json = None) -> Json:
        """Do an operation now; when this returns or raises, the log has it.

        Raises:
            Refused: The server answers with an error of its own.
            ServerError: The server breaks.
        """
        at = Moment(call, self.clock())
        self.world.calls = max(self.world.calls, call)
        try:
            return OPERATIONS[name](self.world, at, session_id, args)
        finally:
            # An operation that failed is kept too: it may have learned, and fails again alike.
            if self._store:
                self._store.append([call, at.now, name, session_id, args])

    def touch(self, call: int, session_id: str) -> None:
        """Note an access that only reads; kept on disk only if it moves the session's end."""
        at = Moment(call, self.clock())
        moved = OPERATIONS["touch"](self.world, at, session_id, None)
        if moved and self._store:
            self._store.append([call, at.now, "touch", session_id, None])

    def close(self) -> None:
        """Let go of the state directory."""
        if self._store:
            self._store.close()
            self._store = None

    def _replay(self, store: Store) -> None:
        operations = 0
        for line in store.lines():
            if isinstance(line[0], str):
                restore(self.world, line)
            else:
                operations += 1
                self._again(*line)
        if operations >= COMPACT_AFTER:
            store.replace(dump(self.world))

    def _again(self, call: int, now: int, name: str, session_id: str, args: Json) -> None:
        self.world.calls = max(self.world.calls, call)
        try:
            OPERATIONS[name](self.world, Moment(call, now), session_id, args)
        except (Refused, ServerError):
            return
