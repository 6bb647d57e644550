"""Says on which instance a new session is made."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from kato_tasks.errors import InstanceCordoned, InvalidInput
from kato_tasks.models import Append, SessionState
from kato_tasks.naming import fold_node
from kato_tasks.placement import Placement
from kato_tasks.placing import place
from kato_tasks.registry import Registry
from kato_tasks.settings import Settings

REMEMBERED: Final = 1.0
"""Seconds for which a process goes by what it was told."""
_MOST: Final = 10_000


class Places:
    """Places sessions. Thread-safe.

    All sessions of a node go to its *home*. A node that has none, or whose home takes no new
    session, is placed anew among the instances that do, by their weights. With one instance there
    is nothing to ask.

    Args:
        settings: The instances and their weights.
        placement: Knows homes and cordons.
        registry: Tells whether a session is new.
    """

    def __init__(self, settings: Settings, placement: Placement, registry: Registry) -> None:
        self._settings = settings
        self._placement = placement
        self._registry = registry
        self._several = len(settings.instances) > 1
        self._homes: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._cordons: tuple[Mapping[str, float], float] = ({}, 0.0)
        self._lock = threading.Lock()

    def placed(self, requests: Sequence[Append]) -> list[Append | InstanceCordoned]:
        """Return requests with the instances on which their sessions are made if they are new.

        Returns:
            One for each, in order; as a value, why a new session cannot be made where its caller
            wants it.

        Raises:
            InvalidInput: No instance takes new sessions.
            StoreUnavailable: The store did not answer.
        """
        if not self._several:
            return list(requests)
        cordoned = self._cordoned()
        free = [request for request in requests if request.instance is None]
        homes = self._homes_of([request.spec.node for request in free], cordoned)
        return [self._placed(request, homes, cordoned) for request in requests]

    def place_away(self, node: str, instance: str) -> str:
        """Return where a node goes that leaves an instance.

        Raises:
            InvalidInput: No other instance takes new sessions.
            StoreUnavailable: The store did not answer.
        """
        weights = self._weights({**self._cordoned(), instance: 0.0})
        home = self._placement.homes([node]).get(fold_node(node))
        return home if home in weights else place(node, weights)

    def _placed(
        self, request: Append, homes: Mapping[str, str], cordoned: Mapping[str, float]
    ) -> Append | InstanceCordoned:
        if request.instance is None:
            home = homes[fold_node(request.spec.node)]
            return replace(request, spec=replace(request.spec, instance=home))
        if request.instance in cordoned and self._is_new(request.key):
            return InstanceCordoned(request.instance, request.key)
        return request

    def _is_new(self, key: str) -> bool:
        record = self._registry.get(key)
        return record is None or record.state is SessionState.ENDED

    def _homes_of(self, nodes: Sequence[str], cordoned: Mapping[str, float]) -> dict[str, str]:
        """Return the homes of nodes, by folded node; those that have none get one."""
        homes, unknown, now = dict[str, str](), dict[str, str](), time.monotonic()
        with self._lock:
            for node in nodes:
                folded = fold_node(node)
                home, until = self._homes.get(folded, ("", 0.0))
                if until > now and home not in cordoned:
                    homes[folded] = home
                else:
                    unknown[folded] = node
        if unknown:
            found = self._ask(unknown, cordoned)
            self._remember(found)
            homes |= found
        return homes

    def _ask(self, unknown: Mapping[str, str], cordoned: Mapping[str, float]) -> dict[str, str]:
        weights, placement = self._weights(cordoned), self._placement
        known = placement.homes(list(unknown.values()))
        found: dict[str, str] = {}
        for folded, node in unknown.items():
            home = known.get(folded)
            if home is None:
                home = placement.settle(node, place(node, weights))
            if home not in weights:
                home = place(node, weights)
                placement.move_home(node, home)
            found[folded] = home
        return found

    def _remember(self, found: Mapping[str, str]) -> None:
        until = time.monotonic() + REMEMBERED
        with self._lock:
            for folded, home in found.items():
                self._homes[folded] = (home, until)
                self._homes.move_to_end(folded)
            while len(self._homes) > _MOST:
                self._homes.popitem(last=False)

    def _cordoned(self) -> Mapping[str, float]:
        found, until = self._cordons
        if time.monotonic() < until:
            return found
        found = self._placement.cordoned()
        self._cordons = (found, time.monotonic() + REMEMBERED)
        return found

    def _weights(self, cordoned: Mapping[str, float]) -> dict[str, float]:
        weights = {
            name: self._settings.weight_of(name)
            for name in self._settings.instances
            if name not in cordoned
        }
        if not weights:
            names = ", ".join(sorted(self._settings.instances))
            raise InvalidInput(
                "every instance", f"takes no new session ({names})", "kato-tasks uncordon INSTANCE"
            )
        return weights
