"""What is asked for when sessions are to move, checked before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from kato_tasks.errors import InvalidInput
from kato_tasks.sessions import Wanted
from kato_tasks.settings import Settings

MOST_PARALLEL: Final = 64
_LONGEST_KEPT: Final = 86_400.0 * 30
_LEAST_RATE: Final = 0.1
_MOST_RATE: Final = 100_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What sessions are to move, and how.

    Attributes:
        source: The instance that they leave.
        target: The one that they go to; None to place each node anew, as new sessions are.
        wanted: Which of the source's sessions; all by default.
        keys: These sessions alone, if there are any.
        parallel: How many move at a time, 1 to 64.
        rate: Most sessions per second of all together, from 0.1; None for as fast as it goes.
        keep_for: Seconds for which the source's session is left to be looked at.
        accept_empty_node: Sessions may leave others of their node behind, and with them all that
            the node has learned.
        most_failures: The share of failures, 0 to 1, beyond which the migration stops by itself.
    """

    source: str
    target: str | None = None
    wanted: Wanted = field(default_factory=Wanted)
    keys: tuple[str, ...] = ()
    parallel: int = 8
    rate: float | None = None
    keep_for: float = 0.0
    accept_empty_node: bool = False
    most_failures: float = 0.1

    def as_json(self) -> Mapping[str, JsonValue]:
        """Return what was asked for, for the ledger."""
        wanted = self.wanted
        return {
            "node": wanted.node,
            "tags": [*sorted(wanted.tags)],
            "prefix": wanted.prefix,
            "keys": len(self.keys),
        }


def check_request(settings: Settings, request: Request) -> Request:
    """Return a request that can be planned.

    Raises:
        InvalidInput: An argument is out of its range, or source and target are the same.
        UnknownInstance: No such instance is configured.
    """
    settings.instance_url(request.source)
    if request.target is not None:
        settings.instance_url(request.target)
    if request.target == request.source:
        allowed = f"another instance than {request.source!r}"
        raise InvalidInput("the target", "is the source", allowed)
    _check_range("parallel", request.parallel, 1, MOST_PARALLEL)
    _check_range("most_failures", request.most_failures, 0, 1)
    _check_range("keep_for", request.keep_for, 0, _LONGEST_KEPT)
    if request.rate is not None:
        _check_range("limit_rate", request.rate, _LEAST_RATE, _MOST_RATE)
    return request


def _check_range(subject: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        try:
            told = f"{value:g}"
        except OverflowError:
            told = "too large"
        raise InvalidInput(subject, f"is {told}", f"from {least:g} to {most:g}")
