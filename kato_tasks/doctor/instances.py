"""Checks of one instance by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from kato_tasks.doctor.findings import Finding, Severity
from kato_tasks.doctor.looking import Look, member
from kato_tasks.errors import KatoBusy, KatoError, RouteMissing
from kato_tasks.kato import GUIDE, V3

Check = Callable[[Look], Iterator[Finding]]

_MEASURED: Final = "3.10.1"
# Fields that the guide sends and KATO 3.10.1 ignores without a word (kato-api 2, 3). Its own
# description names the first; a config it describes as any object.
_GUIDE_TTL: Final = "ttl"
_GUIDE_CONFIG: Final = ("config.session_ttl", "config.session_auto_extend")


def reachable(look: Look) -> Iterator[Finding]:
    """Is there a KATO server at all?"""
    problem = look.problem
    if problem is None or isinstance(problem, RouteMissing):
        # The guide's dialect promises no GET /; that the server says so is an answer.
        yield Finding(severity=Severity.OK, subject=look.name, sentence="answers.")
    elif isinstance(problem, KatoBusy):
        yield Finding(
            severity=Severity.ERROR,
            subject=look.name,
            sentence="has no connection to spare.",
            advice="Lower KATO_TASKS_INSTANCE_CONNECTIONS, or see who else calls it: all "
            "connections, idle ones included, count against its limit of 100.",
        )
    elif not look.reachable:
        yield Finding(
            severity=Severity.ERROR,
            subject=look.name,
            sentence=f"does not answer at {look.client.base_url}: {problem.reason}.",
            advice="Start the server, or correct its URL in KATO_TASKS_INSTANCES.",
        )
    else:
        yield Finding(
            severity=Severity.ERROR,
            subject=look.name,
            sentence=f"answers {problem.status} to GET /: {problem.reason}.",
            advice="See whether the URL leads to a KATO server, and look into that server's log.",
        )


def version(look: Look) -> Iterator[Finding]:
    """Is it the version whose behaviour was measured?"""
    said = look.version
    if said is None:
        yield Finding(
            severity=Severity.NOTE,
            subject=look.name,
            sentence="does not tell its version.",
            advice=f"Make sure that it behaves like KATO {_MEASURED}: {_how_to_prove(look)}.",
        )
    elif said.split(".")[:2] != _MEASURED.split(".")[:2]:
        yield Finding(
            severity=Severity.WARNING,
            subject=look.name,
            sentence=f"runs KATO {said}; kato-tasks was measured against {_MEASURED}.",
            advice=f"Before you trust it: {_how_to_prove(look)}.",
        )
    else:
        yield Finding(severity=Severity.OK, subject=look.name, sentence=f"runs KATO {said}.")


def _how_to_prove(look: Look) -> str:
    return f"make test-kato KATO_URL={look.client.base_url}"


def dialect(look: Look) -> Iterator[Finding]:
    """Does it speak a dialect that is known, and the one that is set?"""
    found = look.dialect
    if found is None or isinstance(found, KatoError):
        yield _untold(look, found)
    elif look.wanted is not None and found.name is not look.wanted:
        yield Finding(
            severity=Severity.WARNING,
            subject=look.name,
            sentence=f"is set to the dialect {look.wanted.value} and speaks {found.name.value}.",
            advice="Correct KATO_TASKS_DIALECTS, or take the instance out of it.",
        )
    elif found is GUIDE:
        yield Finding(
            severity=Severity.NOTE,
            subject=look.name,
            sentence="speaks the guide's dialect, which takes one observation per call and does "
            "not tell how many were applied.",
            advice=f"Expect a tenth of the throughput of a KATO {_MEASURED}, and unnoticed losses "
            "if anybody else writes to its sessions.",
        )
    else:
        yield Finding(severity=Severity.OK, subject=look.name, sentence="speaks the dialect v3.")


def _untold(look: Look, error: KatoError | None) -> Finding:
    reason = "no reason given" if error is None else error.reason
    if look.wanted is not None:
        return Finding(
            severity=Severity.NOTE,
            subject=look.name,
            sentence=f"is set to the dialect {look.wanted.value}, which cannot be seen from here "
            f"({reason}).",
        )
    return Finding(
        severity=Severity.ERROR,
        subject=look.name,
        sentence=f"speaks no dialect that can be told: {reason}.",
        advice=f"Set it: KATO_TASKS_DIALECTS={look.name}=v3, or =guide.",
    )


def ignored_fields(look: Look) -> Iterator[Finding]:
    """Which of the guide's fields does it ignore without a word?"""
    if look.dialect is not V3:
        return
    fields = (*(() if _takes_ttl(look) else (_GUIDE_TTL,)), *_GUIDE_CONFIG)
    yield Finding(
        severity=Severity.NOTE,
        subject=look.name,
        sentence=f"ignores the guide's fields {', '.join(fields)} without a word.",
        advice="Give the time to live to kato-tasks (ttl=), or send ttl_seconds.",
    )


def missing_verbs(look: Look) -> Iterator[Finding]:
    """Which of the guide's verbs does it not have?"""
    if not member(look.description, "paths"):
        return
    there = set(_routes(look))
    missing = sorted({" ".join(route) for route in GUIDE.routes.values()} - there)
    if missing:
        yield Finding(
            severity=Severity.NOTE,
            subject=look.name,
            sentence=f"lacks the guide's {', '.join(missing)}.",
            advice="Use `kato-tasks sessions list` for the sessions, and this package's calls for "
            "the others: they send what the server has.",
        )


def _routes(look: Look) -> Iterator[str]:
    paths = member(look.description, "paths")
    for path in paths:
        for method in member(paths, path):
            yield f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path)}"


def _takes_ttl(look: Look) -> bool:
    """Look the field up in the schema of a create, where the description has one."""
    schemas = member(member(look.description, "components"), "schemas")
    create = member(member(schemas, "CreateSessionRequest"), "properties")
    return _GUIDE_TTL in create


CHECKS: Final[tuple[Check, ...]] = (reachable, version, dialect, ignored_fields, missing_verbs)
