"""Producers: threads that send commands, repeat those not answered, note those accepted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from kato_tasks.chaos.acceptances import Acceptance, Acceptances, Call
from kato_tasks.chaos.calls import Imagination
from kato_tasks.chaos.crowd import Member
from kato_tasks.errors import InvalidInput, KatoTasksError, SessionConflict
from kato_tasks.models import Kind
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Receipt, group_commands

RATE: Final = 185.0
"""Observations per second of all producers together."""
GROUPS: Final = 8
"""How many threads there are; each has sessions of its own."""
LOSSY: Final = 4
"""Every how manieth of them sits behind the proxy that loses answers."""
_REPEATED: Final = 0.02
_PAUSE: Final = 0.1
_PATIENCE: Final = 60.0
"""Seconds after the end in which a producer still asks what became of its last call."""
_LAG_MOST: Final = 10.0
"""Seconds of an outage that a producer makes up for afterwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """What the producers of a run do.

    Attributes:
        seed: Makes what they ask for the same in every run.
        rate: Observations per second of all together.
        crowd: The sessions.
    """

    seed: int
    crowd: Sequence[Member]
    rate: float = RATE


class Producers:
    """The producers of a run; they begin with the block and have ended at its end.

    Args:
        script: What they do.
        direct: Connected to the store itself.
        lossy: Connected to it through a proxy that loses answers.

    Attributes:
        accepted: What was accepted so far.
    """

    def __init__(self, script: Script, *, direct: KatoTasks, lossy: KatoTasks) -> None:
        self.accepted = Acceptances()
        self._wish = _Wish()
        self._pool = ThreadPoolExecutor(GROUPS, thread_name_prefix="producer")
        self._futures: list[Future[None]] = []
        groups = min(GROUPS, len(script.crowd))
        self._producers = [
            _Producer(
                kato=direct if group % LOSSY else lossy,
                members=script.crowd[group::groups],
                imagination=Imagination(f"{script.seed} {group}"),
                rate=script.rate / groups,
                accepted=self.accepted,
                wish=self._wish,
            )
            for group in range(groups)
        ]

    def __enter__(self) -> Self:
        self._futures = [self._pool.submit(producer.run) for producer in self._producers]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End at once if something went wrong, else when each has finished."""
        if error is not None:
            self._wish.leave.set()
        self._wish.finish.set()
        self._pool.shutdown()

    @property
    def running(self) -> bool:
        """True while one of them has not ended."""
        return not all(future.done() for future in self._futures)

    def stop(self) -> None:
        """Let them finish: each sends a last observation to each of its sessions, and ends.

        So each session is called once more after the last fault, and what was lost of it is seen.
        """
        self._wish.finish.set()

    def check(self) -> None:
        """Raise what one of them has died of, if one has."""
        for future in self._futures:
            if future.done():
                future.result()


@dataclass(slots=True)
class _Wish:
    """What producers are to do: finish, or leave everything as it is."""

    finish: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True, slots=True)
class _Producer:
    """One thread: the only one that writes to its sessions, so it knows their order."""

    kato: KatoTasks
    members: Sequence[Member]
    imagination: Imagination
    rate: float
    accepted: Acceptances
    wish: _Wish

    def run(self) -> None:
        due = time.monotonic()
        while not self.wish.finish.is_set():
            member = self.imagination.choose(self.members)
            for call in self.imagination.next(member):
                self._say(member, call)
                due += len(call.observations) / self.rate
            due = max(due, time.monotonic() - _LAG_MOST)
            self.wish.finish.wait(max(0.0, due - time.monotonic()))
        for member in self.members:
            if self.accepted.of[member.key]:
                self._say(member, self.imagination.last(member))

    def _say(self, member: Member, call: Call) -> None:
        receipt = self._insist(member, call)
        if receipt is None:
            return
        one = Acceptance(call=call, first=receipt.first, seq=receipt.seq)
        self.accepted.of[call.key].append(one)
        if not self.imagination.now_and_then(_REPEATED):
            return
        again = self._insist(member, call)
        if again is not None and (again.first, again.seq) != (one.first, one.seq):
            self.accepted.problems.append(
                f"{call.command_id!r} was accepted at {one.first}, and again at {again.first}."
            )

    def _insist(self, member: Member, call: Call) -> Receipt | None:
        """Repeat a call until it is answered; None if that was given up."""
        until: float | None = None
        while not self.wish.leave.is_set():
            try:
                return _send(self.kato, member, call)
            except (InvalidInput, SessionConflict) as error:
                # Nothing was accepted; the producers send nothing that deserves that.
                self.accepted.problems.append(f"{call.command_id!r} was not taken: {error}")
                return None
            except KatoTasksError as error:
                if self.wish.finish.is_set() and until is None:
                    until = time.monotonic() + _PATIENCE
                if until is not None and time.monotonic() > until:
                    self.accepted.unsettled.add(call.key)
                    self.accepted.problems.append(f"{call.command_id!r} was given up: {error}")
                    return None
            self.wish.leave.wait(_PAUSE)
        return None


def _send(kato: KatoTasks, member: Member, call: Call) -> Receipt:
    session = member.session(kato)
    match call.kind:
        case Kind.LEARN:
            return session.learn(command_id=call.command_id)
        case Kind.CLEAR_STM:
            return session.clear_stm(command_id=call.command_id)
        case Kind.DELETE:
            return session.delete(command_id=call.command_id)
    if not call.poison:
        return session.observe_many(call.observations, command_id=call.command_id)
    # No session takes poison, so it is put into the lane as it is.
    payloads = [json.dumps(fields).encode() for fields in call.observations]
    groups = group_commands(call.kind, payloads, call.command_id)
    return kato.services.sessions.intake.accept([session.request(groups)])[0]
