"""Says on which instance a new session is made."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from kato_tasks.deadlines import over
from kato_tasks.errors import EveryInstanceCordoned, InstanceCordoned, InvalidInput
from kato_tasks.models import Append, SessionState
from kato_tasks.naming import fold_node
from kato_tasks.placement import Placement
from kato_tasks.placing import place
from kato_tasks.registry import Registry
from kato_tasks.settings import Settings

REMEMBERED: Final = 1.0
"""Seconds for which a process goes by what it was told."""
MOST: Final = 10_000
"""Nodes of which a process remembers the home."""

Unplaced = InstanceCordoned | EveryInstanceCordoned
"""Why a new session is not made."""


class Places:
    """Places sessions. Thread-safe.

    All sessions of a node go to its *home*. A node that has none gets one among the instances that
    take new sessions, by their weights; one whose home takes none any more is given another by its
    next new session. With one instance nothing is asked.

    Args:
        settings: The instances and their weights.
        placement: Knows homes and cordons.
        registry: Tells whether a session is new.
        remembered: Seconds for which the process goes by what it was told.
    """

    def __init__(
        self,
        settings: Settings,
        placement: Placement,
        registry: Registry,
        remembered: float = REMEMBERED,
    ) -> None:
        self._weights = {name: settings.weight_of(name) for name in settings.instances}
        self._placement = placement
        self._registry = registry
        self._remembered = remembered
        self._homes: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._cordons: tuple[Mapping[str, float], float] = ({}, 0.0)
        self._lock = threading.Lock()

    def placed(self, requests: Sequence[Append]) -> list[Append | Unplaced]:
        """Return requests with the instances on which their sessions are made if they are new.

        A session that is known stays where it is, whatever its request says.

        Returns:
            One for each, in order; as a value, why a new session is not made.

        Raises:
            StoreUnavailable: The store did not answer; nothing was accepted.
        """
        if len(self._weights) == 1:
            return list(requests)
        cordoned = self._cordoned()
        weights = self._open(cordoned)
        homes = self._homes_of([one.spec.node for one in requests if one.instance is None], weights)
        return [
            self._free(request, homes, weights)
            if request.instance is None
            else self._named(request, request.instance, cordoned)
            for request in requests
        ]

    def place_away(self, node: str, instance: str) -> str:
        """Return where a node goes that leaves an instance; nothing is written.

        Raises:
            InvalidInput: No other instance takes new sessions.
            StoreUnavailable: The store did not answer.
        """
        weights = self._open({**self._cordoned(), instance: 0.0})
        if not weights:
            problem = f"{instance!r} has no other one to go to: none is there, or all are cordoned"
            raise InvalidInput("instance", problem, "kato-tasks uncordon INSTANCE for one of them")
        home = self._placement.homes([node]).get(fold_node(node))
        return place(node, weights) if home is None or home not in weights else home

    def _named(
        self, request: Append, instance: str, cordoned: Mapping[str, float]
    ) -> Append | Unplaced:
        if instance in cordoned and self._is_new(request.key):
            return InstanceCordoned(instance, request.key)
        return request

    def _free(
        self, request: Append, homes: dict[str, str], weights: Mapping[str, float]
    ) -> Append | Unplaced:
        node = request.spec.node
        home = homes.get(fold_node(node))
        if home is None or home not in weights:
            # Only now does it matter whether the session is new: a known one must not move a home.
            if not self._is_new(request.key):
                return request
            if not weights:
                return EveryInstanceCordoned(tuple(self._weights), request.key)
            home = homes[fold_node(node)] = self._move_home(node, weights)
        if home == request.spec.instance:
            return request
        return replace(request, spec=replace(request.spec, instance=home))

    def _is_new(self, key: str) -> bool:
        """Tell whether a command begins a session: as the script decides that accepts it."""
        record = self._registry.get(key)
        if record is None:
            return True
        ended = record.state is SessionState.ENDED or over(record.life, record.read_ms)
        return ended and not record.waiting

    def _homes_of(self, nodes: Sequence[str], weights: Mapping[str, float]) -> dict[str, str]:
        """Return the homes of nodes, by folded node; those without get one, if there is one."""
        homes, unknown, now = dict[str, str](), dict[str, str](), time.monotonic()
        with self._lock:
            for node in nodes:
                folded = fold_node(node)
                home, until = self._homes.get(folded, ("", 0.0))
                if until > now:
                    homes[folded] = home
                else:
                    unknown[folded] = node
        if unknown:
            found = self._ask(unknown, weights)
            self._remember(found)
            homes |= found
        return homes

    def _ask(self, unknown: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, str]:
        found = self._placement.homes(list(unknown.values()))
        if weights:
            for folded, node in unknown.items():
                if folded not in found:
                    found[folded] = self._placement.settle(node, place(node, weights))
        return found

    def _move_home(self, node: str, weights: Mapping[str, float]) -> str:
        home = place(node, weights)
        self._placement.move_home(node, home)
        self._remember({fold_node(node): home})
        return home

    def _remember(self, found: Mapping[str, str]) -> None:
        until = time.monotonic() + self._remembered
        with self._lock:
            for folded, home in found.items():
                self._homes[folded] = (home, until)
                self._homes.move_to_end(folded)
            while len(self._homes) > MOST:
                self._homes.popitem(last=False)

    def _cordoned(self) -> Mapping[str, float]:
        found, until = self._cordons
        if time.monotonic() < until:
            return found
        found = self._placement.cordoned()
        self._cordons = (found, time.monotonic() + self._remembered)
        return found

    def _open(self, cordoned: Mapping[str, float]) -> Mapping[str, float]:
        """Return the weights of the instances that take new sessions."""
        if not cordoned:
            return self._weights
        return {name: weight for name, weight in self._weights.items() if name not in cordoned}
