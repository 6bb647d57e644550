"""Checks of what the registry knows, against what servers can bear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kato_tasks.doctor.findings import Finding, Severity
from kato_tasks.doctor.looking import Look, member
from kato_tasks.models import SessionRecord, SessionState
from kato_tasks.naming import fold_node

# Nodes that one server process keeps; for one more it deletes another's vectors (kato-api 6).
_MOST_NODES: Final = 100
_NEARLY: Final = 0.8
_SHOWN: Final = 3

STORE: Final = "store"
"""The subject of findings about what no one instance has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """What the registry holds, counted.

    Attributes:
        nodes: Node ids by instance and by the name under which the server files them. Those of
            sessions that ended count: what they learned is still at the server.
        doubts: The keys of sessions in doubt, by instance.
        parked: The keys of parked sessions, by instance.
    """

    nodes: Mapping[str, Mapping[str, set[str]]]
    doubts: Mapping[str, list[str]]
    parked: Mapping[str, list[str]]


def take_census(records: Iterable[SessionRecord]) -> Census:
    """Go through the registry once."""
    nodes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    doubts: dict[str, list[str]] = defaultdict(list)
    parked: dict[str, list[str]] = defaultdict(list)
    for record in records:
        instance, node = record.spec.instance, record.spec.node
        nodes[instance][fold_node(node)].add(node)
        if record.state is SessionState.DOUBT:
            doubts[instance].append(record.key)
        elif record.state is SessionState.PARKED:
            parked[instance].append(record.key)
    return Census(nodes=nodes, doubts=doubts, parked=parked)


def collisions(census: Census) -> Iterator[Finding]:
    """Do different nodes share one knowledge base because their names fold alike?"""
    for instance, folded in sorted(census.nodes.items()):
        for _, nodes in sorted(folded.items()):
            if len(nodes) > 1:
                yield Finding(
                    severity=Severity.WARNING,
                    subject=instance,
                    sentence=f"files the nodes {_names(nodes)} as one, so each predicts from what "
                    "the others have learned.",
                    advice="Rename one: to the server everything but letters, digits and _ is _.",
                )


def node_counts(census: Census, looks: Iterable[Look]) -> Iterator[Finding]:
    """Does an instance have more nodes than it can keep?"""
    for look in looks:
        registered, used = len(census.nodes.get(look.name, {})), nodes_in_use(look)
        limit = node_limit(look)
        count = max(registered, used or 0)
        seen = "" if used is None else f" ({used} in use at the server)"
        yield Finding(
            severity=_severity(count, limit),
            subject=look.name,
            sentence=f"has {_nodes(registered)} in the registry{seen}, of {limit} that one process "
            "keeps.",
            advice=_advice(count, limit),
        )


def doubts(census: Census) -> Iterator[Finding]:
    """Are there sessions whose last call nobody has seen the end of?"""
    for instance, keys in sorted(census.doubts.items()):
        yield Finding(
            severity=Severity.WARNING,
            subject=instance,
            sentence=f"has {_counted(keys, 'session')} in doubt, to which nothing is sent until a "
            f"worker has looked: {_names(keys)}.",
            advice="That ends by itself once a worker runs and the server answers. If it lasts, "
            "see why with `kato-tasks lanes list --state doubt`; their commands are kept.",
        )


def parked(census: Census) -> Iterator[Finding]:
    """Are there sessions that wait for a person?"""
    for instance, keys in sorted(census.parked.items()):
        yield Finding(
            severity=Severity.WARNING,
            subject=instance,
            sentence=f"has {_counted(keys, 'parked session')}, to which nothing is sent: "
            f"{_names(keys)}.",
            advice="See why with `kato-tasks lanes show KEY`; let them go on with `kato-tasks "
            "lanes unpark KEY`, or replay or discard the dead letter that one is parked at.",
        )


def dead_letters(count: int) -> Iterator[Finding]:
    """Are there commands that servers did not take?"""
    if count:
        yield Finding(
            severity=Severity.WARNING,
            subject=STORE,
            sentence=f"has {count:,} dead letter{'' if count == 1 else 's'}: commands that their "
            "servers did not take.",
            advice="See what was answered with `kato-tasks dead-letters list`, and replay them "
            "when the cause is gone, or discard them.",
        )


def cordons(cordoned: Mapping[str, float], instances: Sequence[str]) -> Iterator[Finding]:
    """Are there instances that take no new session?"""
    for instance in sorted(cordoned):
        yield Finding(
            severity=Severity.NOTE,
            subject=instance,
            sentence=_cordoned(instance, instances),
            advice=f"When it need not be cordoned any more: `kato-tasks uncordon {instance}`.",
        )
    if len(instances) > 1 and all(instance in cordoned for instance in instances):
        yield Finding(
            severity=Severity.WARNING,
            subject=STORE,
            sentence="says that every instance is cordoned, so new sessions are refused.",
            advice="Let one take new sessions: `kato-tasks uncordon INSTANCE`.",
        )


def _cordoned(instance: str, instances: Sequence[str]) -> str:
    if instance not in instances:
        return "is cordoned, and it is not configured here."
    if len(instances) == 1:
        return "is cordoned, and takes new sessions all the same: no other one is configured here."
    return "is cordoned: no new session is made on it."


def node_limit(look: Look) -> int:
    """Return how many nodes one process keeps: as the server says, or else 100."""
    said = member(look.status, "processors").get("max_processors")
    return said if isinstance(said, int) and said > 0 else _MOST_NODES


def nodes_in_use(look: Look) -> int | None:
    """Return how many nodes the process that answered has in use; None if it does not say."""
    said = member(look.status, "processors").get("total_processors")
    return said if isinstance(said, int) else None


def _severity(count: int, limit: int) -> Severity:
    if count > limit:
        return Severity.ERROR
    return Severity.WARNING if count >= limit * _NEARLY else Severity.OK


def _advice(count: int, limit: int) -> str:
    if count > limit:
        return (
            "Spread them over more instances: for every node too many the server deletes the "
            "vectors of another."
        )
    if count >= limit * _NEARLY:
        return (
            f"Spread them over more instances before they are more than {limit}: from then on the "
            "server deletes vectors."
        )
    return ""


def _names(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(repr(name) for name in ordered[:_SHOWN])
    return shown if len(ordered) <= _SHOWN else f"{shown} and {len(ordered) - _SHOWN} more"


def _counted(keys: Sequence[str], noun: str) -> str:
    return f"{len(keys)} {noun}{'' if len(keys) == 1 else 's'}"


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"
