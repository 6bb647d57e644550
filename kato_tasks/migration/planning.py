"""Plans a migration: what would move, what it would cost, and what stands against it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from kato_tasks.errors import InvalidInput, KatoError
from kato_tasks.kato import KatoClient
from kato_tasks.ledger import NewItem
from kato_tasks.migration.asking import Request, check_request
from kato_tasks.migration.kinship import Kinship
from kato_tasks.models import SessionRecord
from kato_tasks.naming import fold_node
from kato_tasks.registry import Registry
from kato_tasks.sessions import Wanted, find_sessions
from kato_tasks.settings import Settings

_CALLS: Final = 8
"""HTTP calls of one move, most times; for the estimate."""
_NODES_AT_A_TIME: Final = 100
"""A server process keeps so many nodes, and forgets the vectors of those beyond (kato-api 6)."""
_SHOWN: Final = 3
_SILENT_SOURCE: Final = (
    "{source} does not answer: sessions are made of their journals, and those whose last learn is "
    "in doubt stay where they are."
)

Route = Callable[[str], str]
"""Says to which instance a node goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a migration would do.

    Attributes:
        request: What was asked for.
        sessions: How many sessions would move.
        nodes: How many nodes they have.
        targets: How many sessions would go to each instance.
        shared: Source and target show the same sessions: only bindings change.
        torn: How many nodes would be left by some of their sessions only.
        seconds: About how long it would take.
        remarks: What a person should know before, as sentences.
    """

    request: Request
    sessions: int
    nodes: int
    targets: dict[str, int]
    shared: bool
    torn: int
    seconds: float
    remarks: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class _Survey:
    """What there is at the source, counted in one walk."""

    sessions: int = 0
    all_of: Counter[str] = field(default_factory=Counter)
    wanted_of: Counter[str] = field(default_factory=Counter)
    raw: dict[str, str] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    parked: int = 0

    @property
    def torn(self) -> list[str]:
        """The nodes of which only some sessions are wanted."""
        return [node for node, count in self.wanted_of.items() if count < self.all_of[node]]


class Planner:
    """Plans migrations; it changes nothing but for a session of its own at each server.

    Args:
        settings: The instances.
        registry: Tells what sessions there are.
        kinship: Tells what two instances have in common.
        client: Returns the client of an instance by its name.
        place: Says where a node goes that is placed anew, away from an instance.
        cordoned: Returns the instances that take no new session.
    """

    def __init__(  # noqa: PLR0913 - what a plan is made of
        self,
        settings: Settings,
        *,
        registry: Registry,
        kinship: Kinship,
        client: Callable[[str], KatoClient],
        place: Callable[[str, str], str],
        cordoned: Callable[[], Collection[str]],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._kinship = kinship
        self._client = client
        self._place = place
        self._cordoned = cordoned

    def plan(self, request: Request) -> Plan:
        """Plan a migration.

        Raises:
            InvalidInput: It cannot be done as it is asked for; the sentence says why.
            UnknownInstance: No such instance is configured.
            StoreUnavailable: The store did not answer.
        """
        check_request(self._settings, request)
        survey = self._survey(request, whole=not self._may_be_torn(request))
        self._refuse_strangers(request, survey)
        if not survey.sessions:
            raise InvalidInput(
                "the filter", f"matches no session on {request.source!r}", "one that matches some"
            )
        route = self.route(request)
        targets: Counter[str] = Counter()
        for folded, count in survey.wanted_of.items():
            targets[route(survey.raw[folded])] += count
        round_trip, remarks = self._look_at_servers(request, sorted(targets))
        shared = all(self._kinship.shares_store(request.source, one) for one in targets)
        self._refuse_torn(request, survey, shared=shared)
        self._refuse_crowded(survey, route, sorted(targets))
        return Plan(
            request=request,
            sessions=survey.sessions,
            nodes=len(survey.wanted_of),
            targets=dict(targets),
            shared=shared,
            torn=len(survey.torn),
            seconds=_estimate(request, survey.sessions, round_trip, shared=shared),
            remarks=(
                *remarks,
                *_remarks(request, survey, shared=shared),
                *self._remarks_on_cordons(targets),
            ),
        )

    def _remarks_on_cordons(self, targets: Collection[str]) -> Iterator[str]:
        for instance in sorted(set(targets).intersection(self._cordoned())):
            yield (
                f"{instance} takes no new session: those that move there are all that it gets, "
                f"until kato-tasks uncordon {instance}."
            )

    def finds_any(self, request: Request) -> bool:
        """Tell whether there is a session to move."""
        return next(self.items(request), None) is not None

    def count(self, request: Request) -> int:
        """Return how many sessions there are to move."""
        return sum(1 for _ in self.items(request))

    def items(self, request: Request) -> Iterator[NewItem]:
        """Return what would move, item by item: a walk over all sessions."""
        route = self.route(request)
        for record in self._few(request) if request.keys else self._of_source(request):
            if request.wanted.fits(record):
                yield NewItem(
                    key=record.key,
                    node=record.spec.node,
                    source=request.source,
                    target=route(record.spec.node),
                )

    def route(self, request: Request) -> Route:
        """Return where each node of a request goes."""
        target = request.target
        if target is not None:
            return lambda _: target
        known: dict[str, str] = {}

        def routed(node: str) -> str:
            folded = fold_node(node)
            if folded not in known:
                known[folded] = self._place(node, request.source)
            return known[folded]

        return routed

    def _of_source(self, request: Request) -> Iterator[SessionRecord]:
        return find_sessions(self._registry, Wanted(instance=request.source))

    def _may_be_torn(self, request: Request) -> bool:
        """Tell whether the others of a node need not be counted, for a few sessions by name."""
        if not request.keys or request.target is None:
            return False
        shared = self._kinship.shares_store(request.source, request.target)
        return shared or request.accept_empty_node

    def _few(self, request: Request) -> Iterator[SessionRecord]:
        """Return the sessions that are asked for by name, as far as they are on the source."""
        for key in dict.fromkeys(request.keys):
            record = self._registry.get(key)
            if record is not None and record.spec.instance == request.source:
                yield record

    def _survey(self, request: Request, *, whole: bool) -> _Survey:
        survey, keys = _Survey(), frozenset(request.keys)
        for record in self._of_source(request) if whole else self._few(request):
            folded = fold_node(record.spec.node)
            survey.all_of[folded] += 1
            if request.wanted.fits(record) and (not keys or record.key in keys):
                survey.sessions += 1
                survey.wanted_of[folded] += 1
                survey.raw.setdefault(folded, record.spec.node)
                survey.parked += record.parked is not None
                if keys:
                    survey.found.add(record.key)
        return survey

    def _refuse_strangers(self, request: Request, survey: _Survey) -> None:
        """Refuse keys that are no sessions of the source: nothing of a wrong list is moved."""
        strangers = [key for key in dict.fromkeys(request.keys) if key not in survey.found]
        if not strangers:
            return
        record = self._registry.get(strangers[0])
        where = "is not known" if record is None else f"is on {record.spec.instance!r}"
        if record is not None and record.spec.instance == request.source:
            where = "is none that the filter takes"
        others = f", and {len(strangers) - 1} more like it" if len(strangers) > 1 else ""
        raise InvalidInput(
            f"session {strangers[0]!r}{others}", where, f"sessions on {request.source!r}"
        )

    def _look_at_servers(
        self, request: Request, targets: list[str]
    ) -> tuple[float, tuple[str, ...]]:
        """Return how long a call takes, and what is to be said of the servers."""
        began = time.monotonic()
        for target in targets:
            self._refuse_unfit(request.source, target)
        seconds = (time.monotonic() - began) / max(1, 2 * len(targets))
        try:
            self._client(request.source).dialect  # noqa: B018 - it is asked for
            self._kinship.probe(request.source)
        except KatoError:
            return seconds, (_SILENT_SOURCE.format(source=request.source),)
        return seconds, ()

    def _refuse_unfit(self, source: str, target: str) -> None:
        try:
            self._kinship.probe(target)
            spoken = self._client(target).dialect.name
        except KatoError as error:
            raise InvalidInput(
                f"the target {target!r}", f"does not answer: {error}", "a server that does"
            ) from None
        try:
            wanted = self._client(source).dialect.name
        except KatoError:
            return
        if spoken is not wanted:
            raise InvalidInput(
                f"the target {target!r}",
                f"speaks the dialect {spoken.value}, and the source {wanted.value}",
                "servers of one dialect",
            )

    def _refuse_torn(self, request: Request, survey: _Survey, *, shared: bool) -> None:
        torn = survey.torn
        if not torn or shared or request.accept_empty_node:
            return
        left = sum(survey.all_of[node] - survey.wanted_of[node] for node in torn)
        names = ", ".join(repr(survey.raw[node]) for node in torn[:_SHOWN])
        more = f" and {len(torn) - _SHOWN} more" if len(torn) > _SHOWN else ""
        raise InvalidInput(
            "the filter",
            f"takes some sessions of node {names}{more} and leaves {left} behind, with all that it "
            "has learned",
            "whole nodes (--node), or --accept-empty-node",
        )

    def _refuse_crowded(self, survey: _Survey, route: Route, targets: list[str]) -> None:
        """Refuse to bring an instance beyond the nodes that it may have."""
        limit = self._settings.instance_nodes
        if limit is None:
            return
        there: dict[str, set[str]] = {target: set() for target in targets}
        for record in find_sessions(self._registry, Wanted()):
            if record.spec.instance in there:
                there[record.spec.instance].add(fold_node(record.spec.node))
        for folded in survey.wanted_of:
            there[route(survey.raw[folded])].add(folded)
        for target, nodes in there.items():
            if len(nodes) > limit:
                raise InvalidInput(
                    f"the target {target!r}",
                    f"would have {len(nodes):,} nodes",
                    f"up to {limit:,} (KATO_TASKS_INSTANCE_NODES)",
                )


def _remarks(request: Request, survey: _Survey, *, shared: bool) -> Iterator[str]:
    if not shared:
        yield (
            f"What {_counted(len(survey.wanted_of))} learned stays on {request.source}: on the "
            "target, predictions will miss every pattern that is not learned there again."
        )
    if len(survey.wanted_of) > _NODES_AT_A_TIME and not shared:
        yield (
            f"A server process keeps {_NODES_AT_A_TIME} nodes at a time and forgets the vectors of "
            "those beyond."
        )
    if survey.parked:
        yield f"{survey.parked:,} of the sessions are parked and will fail: unpark them before."


def _counted(nodes: int) -> str:
    return "its node has" if nodes == 1 else f"its {nodes:,} nodes have"


def _estimate(request: Request, sessions: int, round_trip: float, *, shared: bool) -> float:
    calls = 0 if shared else _CALLS
    seconds = sessions * (calls * round_trip + 0.002) / request.parallel
    return max(seconds, 0.0 if request.rate is None else sessions / request.rate)
