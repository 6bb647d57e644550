"""Looks at a session whose last call nobody has seen the end of."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from kato_tasks.delivery.effect import Done, config_of, effect, with_config
from kato_tasks.delivery.memory import Memory, follow
from kato_tasks.delivery.rehome import Seen
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import KatoError, SessionNotFound
from kato_tasks.kato import TIME_UNKNOWN, Cognition, KatoClient, effective_differences
from kato_tasks.models import Claim, Intent, Kind

_LOOKS: Final = 5


class Verdict(StrEnum):
    """What a look at a session says of a call."""

    APPLIED = "the call took effect"
    """Its visible change is there."""
    BEFORE = "its last call left no trace"
    """All is as before: it may yet land, or change nothing that shows."""
    GONE = "the server has lost it"
    """There is no such session."""
    OTHER = "the server has another memory of it"
    """Neither: something was lost, or somebody else writes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a look has found.

    Attributes:
        verdict: What it says of the call.
        done: The call's effect, if it is there; what the session has now, if that is another.
        stm: The short-term memory, if the session is there.
        looks: How often it was looked.
    """

    verdict: Verdict
    done: Done | None = None
    stm: Seen | None = None
    looks: int = 1


def look(tools: Tools, work: Work, intent: Intent, before: Memory) -> Found:
    """Look until the call's effect shows, or long enough.

    Args:
        tools: What to work with.
        work: The lane.
        intent: The call.
        before: What the session had to remember before it.

    Raises:
        KatoError: The server did not answer, or cannot tell whether it has the session.
    """
    client = tools.client(work.claim.spec.instance)
    for number in range(_LOOKS):
        time.sleep(0 if number == 0 else tools.settings.look_wait / (_LOOKS - 1))
        found = _look_once(client, work, intent, before)
        if found.verdict is not Verdict.BEFORE:
            break
    return replace(found, looks=number + 1)


def is_gone(tools: Tools, work: Work) -> bool:
    """Tell whether a server has surely lost a session; what cannot be told counts as no."""
    try:
        return not tools.client(work.claim.spec.instance).exists(work.claim.session_id or "")
    except KatoError:
        return False


def seen_at(client: KatoClient, session_id: str) -> Cognition | None:
    """Return what a server shows of a session; None if it has surely lost it.

    Raises:
        KatoError: The server did not answer, or cannot tell whether it has the session.
    """
    try:
        return client.look(session_id)
    except SessionNotFound:
        # With KATO's own store down every session is "not found": nothing is concluded then.
        if client.exists(session_id):
            raise
        return None


def _look_once(client: KatoClient, work: Work, intent: Intent, before: Memory) -> Found:
    seen = seen_at(client, intent.session_id)
    if seen is None:
        return Found(verdict=Verdict.GONE)
    if intent.kind is Kind.CONFIGURE:
        return _configured(client, work, intent, seen)
    return _compare(work, intent, before, seen)


def _compare(work: Work, intent: Intent, before: Memory, seen: Cognition) -> Found:
    batch = work.intended
    after = follow(before, batch, work.claim.learning)
    done = effect(work.claim, batch, intent)
    if is_memory(after, seen) and not is_memory(before, seen):
        return Found(verdict=Verdict.APPLIED, done=done, stm=seen.stm)
    if is_memory(before, seen):
        return Found(verdict=Verdict.BEFORE, stm=seen.stm)
    time_now = done.time if seen.time == TIME_UNKNOWN else seen.time
    found = replace(done, time=time_now, events=len(seen.stm))
    return Found(verdict=Verdict.OTHER, done=found, stm=seen.stm)


def is_memory(memory: Memory, seen: Cognition) -> bool:
    """Tell whether what a server shows of a session is what it must remember."""
    return seen.time in (memory.time, TIME_UNKNOWN) and memory.equals(seen.stm)


def is_as_applied(claim: Claim, memory: Memory, seen: Cognition) -> bool:
    """Tell whether what a server shows of a session is what was applied to it.

    The journal is bounded: of a long life it has neither the whole time nor every event. What it
    has not is compared by its number.

    Args:
        claim: The session.
        memory: What its journal says.
        seen: What the server shows.
    """
    if len(memory.events) == claim.events:
        return is_memory(replace(memory, time=claim.time), seen)
    timely = seen.time in (claim.time, TIME_UNKNOWN)
    return timely and len(seen.stm) == claim.events and memory.ends(seen.stm)


def _configured(client: KatoClient, work: Work, intent: Intent, seen: Cognition) -> Found:
    effective, config = client.get_config(intent.session_id), config_of(work.intended[0])
    done = with_config(effect(work.claim, work.intended, intent), effective)
    changed = not effective_differences(config, effective)
    if changed and effective_differences(intent.config, effective):
        return Found(verdict=Verdict.APPLIED, done=done, stm=seen.stm)
    # Where it changes nothing that shows, it may be before or after.
    before = changed or not effective_differences(intent.config, effective)
    return Found(verdict=Verdict.BEFORE if before else Verdict.OTHER, done=done, stm=seen.stm)
