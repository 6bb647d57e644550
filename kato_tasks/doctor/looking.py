"""Looks at one instance, once, without writing anything; the checks judge what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import JsonValue

from kato_tasks.errors import KatoBusy, KatoError
from kato_tasks.kato import Dialect, KatoClient
from kato_tasks.models import DialectName

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one instance showed.

    Attributes:
        name: The instance.
        client: Its client, for probes.
        problem: What ``GET /`` ended with other than an answer of the server's own; None if all
            is well.
        wanted: The dialect the settings give it, if they do.
        dialect: The dialect it was found to speak, or why that cannot be told.
        description: Its ``/openapi.json``; empty if it has none.
        root: Its answer to ``GET /``; empty if it has none.
        status: Its ``/status``; empty if it has none.
    """

    name: str
    client: KatoClient
    problem: KatoError | None = None
    wanted: DialectName | None = None
    dialect: Dialect | KatoError | None = None
    description: Mapping[str, JsonValue] = field(default_factory=dict)
    root: Mapping[str, JsonValue] = field(default_factory=dict)
    status: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def reachable(self) -> bool:
        """True if the server answers; a refusal to take the connection is no answer."""
        problem = self.problem
        return problem is None or not (problem.status is None or isinstance(problem, KatoBusy))

    @property
    def version(self) -> str | None:
        """The version it says it has; None if it says none."""
        said = member(self.description, "info").get("version", self.root.get("version"))
        return said if isinstance(said, str) else None


def look_at(name: str, client: KatoClient, wanted: DialectName | None) -> Look:
    """Look at an instance; nothing is raised for what it answers or does not."""
    root = _asked(client.root)
    problem = root if isinstance(root, KatoError) else None
    if problem is not None and not Look(name=name, client=client, problem=problem).reachable:
        return Look(name=name, client=client, problem=problem, wanted=wanted)
    return Look(
        name=name,
        client=client,
        problem=problem,
        wanted=wanted,
        dialect=_asked(client.detect_dialect),
        description=_fields(client.openapi),
        root={} if isinstance(root, KatoError) else root,
        status=_fields(client.status),
    )


def member(fields: Mapping[str, JsonValue], key: str) -> dict[str, JsonValue]:
    """Return an object within an object; an empty one if there is none."""
    value = fields.get(key)
    return value if isinstance(value, dict) else {}


def _asked(ask: Callable[[], T]) -> T | KatoError:
    try:
        return ask()
    except KatoError as error:
        return error


def _fields(ask: Callable[[], dict[str, JsonValue]]) -> dict[str, JsonValue]:
    answer = _asked(ask)
    return {} if isinstance(answer, KatoError) else answer
