"""A world of two instances, blue and green, between which sessions move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from memory_world import World

from kato_tasks.delivery import Deliverer
from kato_tasks.errors import StoreUnavailable
from kato_tasks.kato import KatoClient
from kato_tasks.migration import Moved, Mover
from kato_tasks.models import Turn
from kato_tasks.testing import FakeCall, FakeKato, MemoryMoves
from kato_tasks.testing.fakes import FakeSession

BLUE: Final = "blue"
GREEN: Final = "green"
KEY: Final = "a"
_TURNS: Final = 20

Happening = Callable[[], object]


class Stepped:
    """Verbs of a store, each with a before and an after at which something may happen.

    Args:
        inner: What does the work.
        step: Called with ``before VERB`` and ``after VERB``.
    """

    def __init__(self, inner: object, step: Callable[[str], None]) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the verbs of what is inside
        verb = getattr(self._inner, name)

        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self._step(f"before {name}")
            answer = verb(*args, **kwargs)
            self._step(f"after {name}")
            return answer

        return run


class MovingWorld(World):
    """A world with a session on blue, which is moved to green.

    Attributes:
        blue: The server where sessions are placed.
        green: The other one.
        moves: Which sessions are on their way.
        steps: What happens at which step of the mover, the first time: ``before switch`` and so on
            at the store, ``create_session`` and so on before a call of the target's.
        trace: The steps at the store that the mover has taken, in order.
        notes: What the mover has noted of its copies, in order.
        mover: Moves.
    """

    def __init__(self, **overrides: Any) -> None:  # noqa: ANN401 - settings
        urls = {BLUE: "http://blue", GREEN: "http://green"}
        super().__init__(**{"instances": urls, "lease": 0.5, "turn": 0.5, **overrides})
        self.blue, self.green = FakeKato(BLUE), FakeKato(GREEN)
        self.servers = {BLUE: self.blue, GREEN: self.green}
        self.kato = self.blue
        self.moves = MemoryMoves(self.store)
        self.steps: dict[str | int, Happening] = {}
        self.trace: list[str] = []
        self.notes: list[str | None] = []
        self.green.on_call = self._called
        self.mover = self.another_mover()

    def client(self, name: str) -> KatoClient:
        self.settings.instance_url(name)
        return self.servers[name](name)

    def another_mover(self) -> Mover:
        """Make a mover whose steps at the store are told."""
        deliverer = Deliverer(
            lanes=Stepped(self.lanes, self._step),
            lives=self.lives,
            nodes=Stepped(self.nodes, self._step),
            breakers=self.breakers,
            client=self.client,
            keeper=self.keeper,
            settings=self.settings,
        )
        return Mover(
            deliverer,
            moves=Stepped(self.moves, self._step),
            registry=self.registry,
            keeper=self.keeper,
            wake=self.wake,
        )

    def started(self, *names: str, **options: Any) -> None:  # noqa: ANN401 - of a session
        """Have a session on blue with these observations, delivered."""
        self.observe(*(names or ("x", "y")), **options)
        assert self.deliver_all() is Turn.DONE
        self.blue.calls.clear()

    def observe(self, *names: str, **options: Any) -> None:  # noqa: ANN401 - of a session
        options = {"instance": BLUE, **options}
        self.session(KEY, **options).observe_many([{"strings": [name]} for name in names])

    def move(self, **options: Any) -> Moved:  # noqa: ANN401 - of a move
        return self.mover.move(KEY, GREEN, note=self.notes.append, **options)

    def settle_down(self) -> None:
        """Deliver until nothing waits; leases and pauses that are in the way run out."""
        for _ in range(_TURNS):
            if self.deliver_all() is Turn.DONE and self.record().waiting == 0:
                return
            self.store.advance(self.settings.longest_pause)

    def kill(self) -> None:
        """Let the leases of a dead mover run out."""
        self.store.advance(self.settings.lease + 0.1)

    @property
    def bound(self) -> tuple[str, FakeSession]:
        """The instance and the server-side session that the session is bound to."""
        record = self.record(KEY)
        assert record.session_id is not None
        instance = record.spec.instance
        return instance, self.servers[instance].sessions[record.session_id]

    def remembered(self) -> list[str]:
        """The symbols in the short-term memory of the bound session."""
        return [payload.decode()[13:-3] for payload in self.bound[1].stm]

    def there(self) -> tuple[int, int]:
        """How many sessions there are at blue, and at green."""
        return len(self.blue.sessions), len(self.green.sessions)

    def counts(self, name: str) -> int:
        return self.registry.stats().counts.get(name, 0)

    def _step(self, name: str) -> None:
        number = len(self.trace)
        self.trace.append(name)
        self._happen(number)
        self._happen(name)

    def _called(self, call: FakeCall) -> None:
        self._happen(call.verb)

    def _happen(self, step: str | int) -> None:
        happens = self.steps.pop(step, None)
        if happens is not None:
            happens()


def no_store() -> None:
    """Let the store be away."""
    raise StoreUnavailable("redis://x", "gone")
