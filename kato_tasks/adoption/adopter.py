"""Makes sessions ours that somebody else has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from kato_tasks import naming
from kato_tasks.adoption.asking import Named, Request
from kato_tasks.adoption.reading import (
    Baseline,
    Blank,
    NotReplayable,
    NotThere,
    Remembered,
    read_memory,
    read_session,
)
from kato_tasks.adoption.telling import Fate, Outcome, Report
from kato_tasks.deadlines import first_looks
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.making import LINEAGE, learning_of
from kato_tasks.errors import InvalidInput, KatoError, KatoTasksError, WaitTimeout
from kato_tasks.instrumentation import Told
from kato_tasks.kato import TIME_UNKNOWN, KatoClient, SessionInfo
from kato_tasks.lives import Lives
from kato_tasks.models import (
    Adoption,
    Bound,
    PredictionMode,
    SessionSpec,
    SessionState,
)
from kato_tasks.nodes import Nodes
from kato_tasks.registry import Registry
from kato_tasks.sessions.specs import make_spec
from kato_tasks.settings import Settings

_PARALLEL: Final = 4
_NODE_WAIT: Final = 30.0


class NotOurs(KatoTasksError):
    """A session that cannot become ours.

    Args:
        reason: Why, as a sentence.
    """

    def __str__(self) -> str:
        return str(self.args[0])


class Taken(NotOurs):
    """A session that is ours already."""


class Elsewhere(NotOurs):
    """A session of another node than the one that is asked for."""


_NOT_MEANT: Final = (NotThere, Taken, Elsewhere)
"""What a session that the server has merely listed may be."""


_NO_ADOPTION: Final = (KatoError, InvalidInput, NotThere, NotReplayable, NotOurs, WaitTimeout)
"""Why one session cannot become ours; the others may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """What one call of :meth:`Adopter.adopt` works with.

    Attributes:
        request: What is asked for.
        client: The client of its instance.
        baseline: What that server does by itself.
        ours: The keys of the server-side sessions that are ours already.
    """

    request: Request
    client: KatoClient
    baseline: Baseline
    ours: Mapping[str, str]


class Adopter:
    """Makes sessions ours that somebody else has made.

    Args:
        client: Returns the client of an instance by its name.
        lives: Registers them.
        registry: Tells which sessions are ours already.
        nodes: Tells who may call a node.
        settings: Defaults and limits.
    """

    def __init__(
        self,
        *,
        client: Callable[[str], KatoClient],
        lives: Lives,
        registry: Registry,
        nodes: Nodes,
        settings: Settings,
    ) -> None:
        self._client = client
        self._lives = lives
        self._registry = registry
        self._nodes = nodes
        self._settings = settings

    def adopt(self, request: Request, told: Told) -> Report:
        """Make sessions ours; each lives on at its server as it is.

        What fails for one is done for the others all the same. Adopting twice does no harm.

        Args:
            request: Which sessions.
            told: Told of progress.

        Raises:
            InvalidInput: All are asked for, and the server lists none.
            KatoError: The server does not answer; nothing was adopted.
            StoreUnavailable: The store did not answer; those before may be ours.
        """
        told("reading what is known", 0, 0)
        client = self._client(request.instance)
        sessions = request.sessions or _listed(client, request.instance)
        if not client.lists_sessions:
            # A server that is away is noticed here, before the first session.
            client.count()
        task = _Task(
            request=request, client=client, baseline=Baseline(client), ours=self._bound_sessions()
        )
        return Report(instance=request.instance, outcomes=self._each(task, sessions, told))

    def _bound_sessions(self) -> dict[str, str]:
        # Of all instances: two of them may show the same sessions.
        records = self._registry.walk()
        return {one.session_id: one.key for one in records if one.session_id is not None}

    def _each(self, task: _Task, sessions: tuple[Named, ...], told: Told) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(_PARALLEL) as pool:
            under_way: list[Future[Outcome]] = [
                pool.submit(self._one, task, named) for named in sessions
            ]
            try:
                for done, future in enumerate(under_way, 1):
                    outcomes.append(future.result())
                    told("adopting", done, len(sessions))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return outcomes

    def _one(self, task: _Task, named: Named) -> Outcome:
        try:
            return self._adopt(task, named)
        except _NO_ADOPTION as error:
            meant = bool(task.request.sessions) or not isinstance(error, _NOT_MEANT)
            return Outcome(
                key=named.key,
                session_id=named.session_id,
                fate=Fate.FAILED if meant else Fate.LEFT,
                reason=str(error),
            )

    def _adopt(self, task: _Task, named: Named) -> Outcome:
        naming.check_key(named.key)
        request, session_id = task.request, named.session_id
        if session_id in task.ours:
            key = task.ours[session_id]
            raise Taken(f"Session {session_id!r} is ours already, under the key {key!r}.")
        info = read_session(task.client, request.instance, session_id)
        if request.node not in (None, info.node_id):
            known = f"has the node {info.node_id!r}, not {request.node!r}"
            raise Elsewhere(f"Session {session_id!r} {known}.")
        self._check_lineage(session_id, info)
        blank = task.baseline(info.node_id)
        spec = _spec(self._settings, request, info, blank)
        memory = self._look(task.client, spec, session_id)
        lifetime, left = blank.lifetime_of(info), blank.left(info.expires_at)
        found = Adoption(
            key=named.key,
            spec=spec,
            to=_bound(self._settings, spec, info, lifetime, left),
            time=memory.time,
            journal=memory.journal,
            older=memory.older,
            age=_age(lifetime, left),
        )
        if not insist(lambda: self._lives.adopt(found)):
            raise NotOurs(f"The key {named.key!r} names a session already; give it another.")
        return _adopted(named, info, memory)

    def _check_lineage(self, session_id: str, info: SessionInfo) -> None:
        """See that a session is not what is left of one of ours that was made anew since."""
        key = info.metadata.get(LINEAGE)
        record = self._registry.get(key) if isinstance(key, str) else None
        if record is not None and record.state is not SessionState.ENDED:
            raise Taken(
                f"Session {session_id!r} was made for the key {key!r}, which has another one by "
                "now or will have: late requests may still reach this one."
            )

    def _look(self, client: KatoClient, spec: SessionSpec, session_id: str) -> Remembered:
        hold = self._nodes.acquire(spec, wait=_NODE_WAIT, keep=self._settings.longest_call)
        if hold is None:
            raise WaitTimeout(f"node {spec.node!r}", _NODE_WAIT, "it has no call to spare")
        try:
            return read_memory(client, session_id)
        finally:
            self._nodes.release(hold)


def _listed(client: KatoClient, instance: str) -> tuple[Named, ...]:
    if not client.lists_sessions:
        dialect = client.dialect.name.value
        problem = f"of {instance} cannot be listed: it speaks the dialect {dialect!r}"
        raise InvalidInput("all sessions", problem, "session ids, or a file of them")
    return tuple(Named(key=name, session_id=name) for name in client.sessions())


def _spec(settings: Settings, request: Request, info: SessionInfo, blank: Blank) -> SessionSpec:
    always = bool(info.config.get("process_predictions"))
    lifetime = blank.lifetime_of(info)
    ttl = None if lifetime == blank.lifetime else lifetime
    extends = info.config.get("session_auto_extend") is not False
    spec = make_spec(
        settings,
        node=info.node_id,
        instance=request.instance,
        config=blank.own_config(info.config),
        ttl=ttl if extends else lifetime,
        tags=request.tags,
        predictions=PredictionMode.ALWAYS if always else PredictionMode.ON_DEMAND,
        auto_extend=extends,
    )
    # A time to live that is its server's own stays that, whatever the setting is for new ones.
    return spec if not extends else replace(spec, ttl=ttl)


def _bound(
    settings: Settings,
    spec: SessionSpec,
    info: SessionInfo,
    lifetime: int | None,
    left: float | None,
) -> Bound:
    ends = None if spec.auto_extend else max(0.0, left if left is not None else spec.ttl or 0)
    looks = replace(first_looks(spec, lifetime, settings), refresh=None)
    if ends is not None and looks.idle is not None:
        looks = replace(looks, idle=min(ends, looks.idle))
    return Bound(
        session_id=info.session_id,
        learning=learning_of(info.config),
        lifetime=lifetime,
        ends=ends,
        looks=looks,
    )


def _age(lifetime: int | None, left: float | None) -> float:
    """Return for how long a lifetime has been running; 0 if that cannot be told."""
    return 0.0 if lifetime is None or left is None else min(max(0.0, lifetime - left), lifetime)


def _adopted(named: Named, info: SessionInfo, memory: Remembered) -> Outcome:
    return Outcome(
        key=named.key,
        session_id=named.session_id,
        fate=Fate.ADOPTED,
        node=info.node_id,
        events=len(memory.journal),
        time=None if memory.time == TIME_UNKNOWN else memory.time,
        older=memory.older,
        vectors=memory.vectors,
    )
