"""Runs the demo of the life cycle on a stack that is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.demo.checking import Difference, Observed
from kato_tasks.demo.lifecycle import cast
from kato_tasks.demo.lifecycle.cast import Group, Member, Sent
from kato_tasks.demo.lifecycle.ledger import Ledger, against
from kato_tasks.demo.lifecycle.mind import WHOLLY, Mind, alike, missing, read_mind
from kato_tasks.demo.lifecycle.report import LifecycleReport, Wanted
from kato_tasks.errors import KatoTasksError
from kato_tasks.instrumentation import Told
from kato_tasks.kato import KatoClient
from kato_tasks.models import SessionState
from kato_tasks.observations import encode_observations
from kato_tasks.producer import KatoTasks
from kato_tasks.sessions import Receipt, Session

_PATIENCE: Final = 60.0
"""Seconds to wait for what has to come."""
_LOOK: Final = 0.05


@dataclass(slots=True)
class Actor:
    """A session while the demo runs.

    Attributes:
        member: Who it is.
        told: Every observation that was accepted for it, in order.
        remembers: Those of them that it must remember.
        session_id: The server's name for it, when it was last looked at.
        before: What the server remembered of it then.
        after: What the server remembers of it in the end.
        ready: Since when nobody has used it, by the monotonic clock.
    """

    member: Member
    told: list[Observed] = field(default_factory=list)
    remembers: list[Observed] = field(default_factory=list)
    session_id: str | None = None
    before: Mind | None = None
    after: Mind | None = None
    ready: float = 0.0

    @property
    def key(self) -> str:
        """Its session key."""
        return self.member.key


def run_lifecycle(
    kato: KatoTasks, *, told: Told, members: Sequence[Member] | None = None
) -> LifecycleReport:
    """Let sessions live in different ways, and compare what becomes of them with what must.

    Args:
        kato: Connected to a store that has seen nothing else, with the settings of
            :data:`.cast.VARIABLES` and a development server, and with a worker and beat.
        told: Told of progress.
        members: Who takes part; :func:`.cast.members` by default.

    Raises:
        KatoTasksError: The store or the server was away before all was accepted.
    """
    actors = [Actor(member=member) for member in (members or cast.members())]
    with Ledger(kato.settings.instance_url("default")) as ledger:
        return _Play(kato, ledger, actors, told).run()


class _Play:
    """One run of the demo."""

    def __init__(
        self, kato: KatoTasks, ledger: Ledger, actors: Sequence[Actor], told: Told
    ) -> None:
        self._kato = kato
        self._ledger = ledger
        self._actors = actors
        self._told = told
        self._notes: list[str] = []
        self._counts: Counter[str] = Counter()

    def run(self) -> LifecycleReport:
        """Send, wait, compare."""
        began = time.monotonic()
        self._begin()
        self._sleep()
        self._wake()
        self._end()
        lives = self._stay()
        difference = self._audit()
        groups = Counter(actor.member.group for actor in self._actors)
        return LifecycleReport(
            wanted=Wanted(
                kept=groups[Group.KEPT],
                ending=groups[Group.ENDING],
                sleeping=groups[Group.SLEEPING],
                left=groups[Group.LEFT],
            ),
            observations=sum(len(actor.told) for actor in self._actors),
            seconds=time.monotonic() - began,
            lives=lives,
            difference=difference,
            notes=tuple(self._notes),
            **self._counts,
        )

    def _begin(self) -> None:
        """Send everybody what they learn and what they remember, and look at them."""
        receipts = [self._open(actor) for actor in self._each("sending", self._actors)]
        for actor, receipt in zip(self._actors, receipts, strict=True):
            receipt.wait(_PATIENCE)
            actor.ready = time.monotonic()
            # From here on its limit runs, so that nobody falls asleep before they are looked at.
            self._kato.services.lives.touch(actor.key)
            self._look(actor)

    def _open(self, actor: Actor) -> Receipt:
        session, story = self._session(actor, **actor.member.options), actor.member.story
        self._observe(session, actor, cast.before_learn(story))
        session.learn()
        actor.remembers.clear()
        return self._observe(session, actor, cast.after_learn(story))

    def _look(self, actor: Actor) -> None:
        record = self._kato.find(actor.key)
        actor.session_id = None if record is None else record.session_id
        actor.before = read_mind(self._client, actor.session_id)

    def _sleep(self) -> None:
        """Wait until the sleeping sleep."""
        sleeping = self._of(Group.SLEEPING)
        self._wait("putting to sleep", sleeping, self._is(SessionState.HIBERNATED))
        for actor in sleeping:
            with self._noting(actor):
                gone = self._is_gone(actor.session_id)
                self._counts["hibernated"] += gone and self._is(SessionState.HIBERNATED)(actor)

    def _wake(self) -> None:
        """Wake the sleeping by a question or a command, and compare them."""
        twins = {actor.key: actor for actor in self._of(Group.AWAKE)}
        for actor in self._each("waking", self._of(Group.SLEEPING)):
            with self._noting(actor):
                twin = twins.get(actor.member.twin or "")
                if twin is None:
                    self._session(actor).predictions(timeout=_PATIENCE)
                else:
                    self._tell(twin)
                    self._tell(actor)
                self._compare_woken(actor, actor.before if twin is None else twin.after)

    def _compare_woken(self, actor: Actor, must: Mind | None) -> None:
        record = self._kato.find(actor.key)
        session_id = None if record is None else record.session_id
        actor.after = read_mind(self._client, session_id)
        same = alike(must, actor.after)
        woken = session_id not in (None, actor.session_id) and actor.after is not None
        self._counts["woken"] += woken
        self._counts["stm_equal"] += woken and same.stm
        self._counts["percept_equal"] += woken and same.percept
        self._counts["cognition_equal"] += woken and same.cognition

    def _tell(self, actor: Actor) -> None:
        """Tell a session something more, and look what it remembers."""
        receipt = self._observe(self._session(actor), actor, [cast.later(actor.member.story)])
        receipt.wait(_PATIENCE)
        record = self._kato.find(actor.key)
        actor.after = read_mind(self._client, None if record is None else record.session_id)

    def _end(self) -> None:
        """Wait until those end that are to, and see that their keys start empty."""
        ending = self._of(Group.ENDING)
        self._wait("ending", ending, self._is(SessionState.ENDED))
        for actor in ending:
            with self._noting(actor):
                gone = all(map(self._is_gone, self._ledger.sessions(actor.key)))
                self._counts["ended"] += gone and self._is(SessionState.ENDED)(actor)
                actor.remembers.clear()
                self._tell(actor)
                began = actor.after is not None and actor.after.cognition["time"] == 1
                fresh = began and not missing(actor.remembers, actor.after)
                self._counts["started_empty"] += fresh and self._length(actor) == 1

    def _stay(self) -> float:
        """Leave those alone that are kept alive, then look whether they are what they were.

        Returns:
            For how many times their time to live nobody has used them.
        """
        kept, left = self._of(Group.KEPT), self._of(Group.LEFT)
        began = max((actor.ready for actor in kept), default=0.0)
        total = cast.LIVES * cast.TTL
        while (alone := time.monotonic() - began) <= total:
            self._told("leaving alone", round(alone), total)
            time.sleep(_LOOK)
        for actor in kept:
            with self._noting(actor):
                record = self._kato.find(actor.key)
                same = record is not None and record.session_id == actor.session_id
                actor.after = read_mind(self._client, actor.session_id)
                is_as_before = alike(actor.before, actor.after) == WHOLLY
                self._counts["kept_alive"] += same and is_as_before
        for actor in left:
            with self._noting(actor):
                self._counts["forgotten"] += self._is_gone(actor.session_id)
                self._session(actor).predictions(timeout=_PATIENCE)
                record = self._kato.find(actor.key)
                actor.after = read_mind(self._client, None if record is None else record.session_id)
                self._counts["restored"] += alike(actor.before, actor.after) == WHOLLY
        return alone / cast.TTL

    def _audit(self) -> Difference:
        """Compare what was accepted with what was applied, and with what is remembered."""
        total = Difference()
        for actor in self._each("comparing", self._actors):
            found = Difference(lost=len(actor.told))
            with self._noting(actor):
                found = against(actor.told, self._ledger.delivered(actor.key))
                if found == Difference():
                    # What is missing in the audit is missing in the memory too.
                    found = Difference(lost=missing(actor.remembers, actor.after or actor.before))
            total += found
        return total

    def _observe(self, session: Session, actor: Actor, observations: Sequence[Sent]) -> Receipt:
        receipt = session.observe_many(observations)
        limit = self._kato.settings.max_observation_bytes
        told = [Observed.sent(one) for one in encode_observations(observations, max_bytes=limit)]
        actor.told += told
        actor.remembers += told
        return receipt

    def _session(self, actor: Actor, **options: object) -> Session:
        return self._kato.services.sessions.session(actor.key, **options)  # type: ignore[arg-type]

    @property
    def _client(self) -> KatoClient:
        return self._kato.services.clients("default")

    def _is_gone(self, session_id: str | None) -> bool:
        return session_id is not None and not self._client.exists(session_id)

    def _is(self, state: SessionState) -> Callable[[Actor], bool]:
        def found(actor: Actor) -> bool:
            record = self._kato.find(actor.key)
            return record is not None and record.state is state

        return found

    def _length(self, actor: Actor) -> int:
        return 0 if actor.after is None else len(actor.after.stm)

    def _of(self, group: Group) -> list[Actor]:
        return [actor for actor in self._actors if actor.member.group is group]

    def _each(self, step: str, actors: Sequence[Actor]) -> Iterator[Actor]:
        for done, actor in enumerate(actors):
            self._told(step, done, len(actors))
            yield actor

    def _wait(self, step: str, actors: Sequence[Actor], done: Callable[[Actor], bool]) -> None:
        """Wait until it is done with all; what is not done in a minute shows in the figures."""
        until, left = time.monotonic() + _PATIENCE, list(actors)
        while left and time.monotonic() < until:
            left = [actor for actor in left if not done(actor)]
            self._told(step, len(actors) - len(left), len(actors))
            time.sleep(_LOOK)

    @contextmanager
    def _noting(self, actor: Actor) -> Iterator[None]:
        """Go on with the others if one cannot be looked at, and say why."""
        try:
            yield
        except KatoTasksError as error:
            self._notes.append(f"{actor.key}: {error}")
