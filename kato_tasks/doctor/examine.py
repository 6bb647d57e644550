"""The whole examination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kato_tasks.doctor.findings import Finding, Report, Severity
from kato_tasks.doctor.instances import CHECKS
from kato_tasks.doctor.looking import Look, look_at
from kato_tasks.doctor.probing import probe
from kato_tasks.doctor.registered import (
    STORE,
    collisions,
    cordons,
    dead_letters,
    doubts,
    node_counts,
    parked,
    take_census,
)
from kato_tasks.errors import StoreUnavailable
from kato_tasks.kato import KatoClient
from kato_tasks.letters import DeadLetters
from kato_tasks.placement import Placement
from kato_tasks.registry import Registry
from kato_tasks.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What the doctor looks at.

    Attributes:
        settings: Which instances there are, and how they are set.
        registry: What is known of the sessions.
        letters: The dead letters.
        placement: Which instances take no new session.
        client: Returns the client of an instance by its name.
    """

    settings: Settings
    registry: Registry
    letters: DeadLetters
    placement: Placement
    client: Callable[[str], KatoClient]


def examine(context: Context, *, probed: bool = False) -> Report:
    """Examine every instance that is configured.

    Args:
        context: What to look at.
        probed: Also make a session at each instance, write to it and delete it. Without, nothing
            is written to any server.

    Returns:
        What was found. Neither a server nor a store that is away is raised for.
    """
    settings = context.settings
    looks = [
        look_at(name, context.client(name), settings.dialects.get(name))
        for name in sorted(settings.instances)
    ]
    findings = [finding for look in looks for finding in _checked(look)]
    there = [look for look in looks if look.reachable]
    away = [look.name for look in looks if not look.reachable]
    try:
        findings += _registered(context, looks)
    except StoreUnavailable as error:
        away.append(STORE)
        findings.append(_no_store(error))
    if probed:
        findings += probe(there)
    return Report(findings=tuple(findings), unavailable=tuple(away), probed=probed)


def _checked(look: Look) -> list[Finding]:
    # Of a server that cannot be reached there is one thing to say.
    checks = CHECKS if look.reachable else CHECKS[:1]
    return [finding for check in checks for finding in check(look)]


def _registered(context: Context, looks: Sequence[Look]) -> list[Finding]:
    census = take_census(context.registry.walk())
    return [
        *collisions(census),
        *node_counts(census, looks),
        *doubts(census),
        *parked(census),
        *dead_letters(context.letters.count()),
        *cordons(context.placement.cordoned(), tuple(context.settings.instances)),
    ]


def _no_store(error: StoreUnavailable) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        subject=STORE,
        sentence=f"does not answer at {error.url}: {error.reason}.",
        advice="Start it, or correct KATO_TASKS_REDIS_URL; nodes, lanes and dead letters were not "
        "looked at.",
    )
