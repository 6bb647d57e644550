"""Probes: what only shows when something is written. Sessions of their own, deleted at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from typing import Final

from kato_tasks.doctor.findings import Finding, Severity
from kato_tasks.doctor.looking import Look
from kato_tasks.doctor.registered import node_limit, nodes_in_use
from kato_tasks.errors import KatoError

NODE: Final = "kato-tasks-doctor"
# A server of several processes lost 19 % of what came 2 at a time, and more of what came faster
# (kato-api 6): of 40 that come 8 at a time it will hardly lose none.
_OBSERVATIONS: Final = 40
_IN_FLIGHT: Final = 8
# In case the session cannot be deleted.
_TTL_SECONDS: Final = 60


def probe(looks: Sequence[Look]) -> list[Finding]:
    """Probe instances.

    Args:
        looks: Instances that can be reached.

    Returns:
        What was found. A probe that fails is a finding too; nothing is raised for it.
    """
    findings: list[Finding] = []
    sessions: dict[str, str] = {}
    with ExitStack() as stack:
        for look in looks:
            made = _make(look)
            if isinstance(made, Finding):
                findings.append(made)
                continue
            sessions[look.name] = made
            stack.callback(_delete, look, made, findings)
            findings.append(_processes(look, made))
        probed = [look for look in looks if look.name in sessions]
        findings += _shared_stores(probed, sessions)
    return findings


def _make(look: Look) -> str | Finding:
    used = nodes_in_use(look)
    if used is not None and used >= node_limit(look):
        # One node more would cost another its vectors (kato-api 6).
        return Finding(
            severity=Severity.NOTE,
            subject=look.name,
            sentence="was not probed, because it has no node to spare.",
            advice="Probe it when fewer nodes are in use.",
        )
    try:
        # Without predictions the concurrent calls of a probe can wedge nothing (kato-api 0).
        created = look.client.create_session(
            node_id=NODE, config={"process_predictions": False}, ttl_seconds=_TTL_SECONDS
        )
    except KatoError as error:
        return _failed(look, error)
    return created.session_id


def _delete(look: Look, session_id: str, findings: list[Finding]) -> None:
    try:
        look.client.delete_session(session_id)
    except KatoError as error:
        findings.append(
            Finding(
                severity=Severity.NOTE,
                subject=look.name,
                sentence=f"kept the probe's session {session_id}: {error.reason}.",
                advice=f"Nothing: it expires by itself in {_TTL_SECONDS} s.",
            )
        )


def _processes(look: Look, session_id: str) -> Finding:
    """Is there more than one process? Then some of the observations are overwritten."""
    observations = [b'{"strings":["probe-%d"]}' % number for number in range(_OBSERVATIONS)]
    try:
        # Known beforehand, or each thread would ask.
        _ = look.client.dialect
        with ThreadPoolExecutor(_IN_FLIGHT) as pool:
            list(pool.map(lambda one: look.client.observe(session_id, one), observations))
        kept = len(look.client.get_stm(session_id))
    except KatoError as error:
        return _failed(look, error)
    if kept < _OBSERVATIONS:
        return Finding(
            severity=Severity.ERROR,
            subject=look.name,
            sentence=f"lost {_OBSERVATIONS - kept} of {_OBSERVATIONS} observations that came "
            f"{_IN_FLIGHT} at a time, and answered each with 200: it has more than one process.",
            advice="Keep every writer behind kato-tasks, which has one call under way per session.",
        )
    return Finding(
        severity=Severity.OK,
        subject=look.name,
        sentence=f"kept all of {_OBSERVATIONS} observations that came {_IN_FLIGHT} at a time: one "
        "process, as far as that can tell.",
    )


def _shared_stores(looks: Sequence[Look], sessions: Mapping[str, str]) -> Iterator[Finding]:
    """Does one instance have the session that was made at another?"""
    shared: set[tuple[str, str]] = set()
    for one, other in permutations(looks, 2):
        try:
            found = other.client.exists(sessions[one.name])
        except KatoError as error:
            yield _failed(other, error)
            continue
        if found:
            shared.add((min(one.name, other.name), max(one.name, other.name)))
    for pair in sorted(shared):
        yield Finding(
            severity=Severity.NOTE,
            subject=" and ".join(pair),
            sentence="share one store: each has the sessions of the other.",
            advice="Keep every writer behind kato-tasks: to their sessions they are one server "
            "of several processes.",
        )
    if len(looks) > 1 and not shared:
        names = ", ".join(look.name for look in looks)
        yield Finding(severity=Severity.OK, subject=names, sentence="share no store.")


def _failed(look: Look, error: KatoError) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        subject=look.name,
        sentence=f"could not be probed to the end: {error.call}: {error.reason}.",
        advice="Look into the server's log, and probe again.",
    )
