"""Whether a learn has been counted: by its pattern's frequency, which nobody else may raise.

A pattern's name depends on its events alone (kato-api 8), so it is known before the call.
"""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.delivery.memory import Memory, entries, learns, pattern_name, recall
from kato_tasks.errors import RouteMissing
from kato_tasks.kato import KatoClient
from kato_tasks.models import Claim, Command, Journal, Kind

UNKNOWN = -1
"""The frequency of a pattern whose name cannot be told, or that the server does not show."""


def makes_learn(claim: Claim, batch: Sequence[Command]) -> bool:
    """Tell whether a call makes the server learn."""
    if batch[0].kind is Kind.LEARN:
        return claim.events > 0
    return learns(batch, claim.events, claim.learning)


def may_learn(claim: Claim) -> bool:
    """Tell whether the next call of a lane, or its last one, may hold the right to learn."""
    return bool(claim.commands) and (
        claim.commands[0].kind is Kind.LEARN or claim.learning.limit > 0
    )


def expected_pattern(
    client: KatoClient, claim: Claim, journal: Journal, batch: Sequence[Command]
) -> tuple[str, int]:
    """Return the pattern that a call makes a server learn, and how often it was learned before.

    Returns:
        The name and the frequency; ``""`` and -1 if they cannot be told, ``""`` and 0 if nothing
        will be learned.

    Raises:
        KatoError: The server did not answer, or its patterns are away.
    """
    before = recall(journal)
    observed = entries(batch) if batch[0].kind is Kind.OBSERVE else ()
    memory = recall(Journal(entries=(*journal.entries, *observed)))
    if not memory.exact or len(before.events) != claim.events:
        return "", UNKNOWN
    return _with_frequency(client, claim, memory)


def frequency(client: KatoClient, node: str, pattern: str) -> int:
    """Return how often a pattern was learned on a node; -1 if the server does not show it.

    Raises:
        KatoError: The server did not answer, or its patterns are away.
    """
    if not pattern:
        return 0
    try:
        found = client.pattern(pattern, node_id=node)
    except RouteMissing:
        return UNKNOWN
    return 0 if found is None else found.frequency


def _with_frequency(client: KatoClient, claim: Claim, memory: Memory) -> tuple[str, int]:
    name = pattern_name(memory.events)
    count = frequency(client, claim.spec.node, name)
    return (name, count) if count != UNKNOWN else ("", UNKNOWN)
