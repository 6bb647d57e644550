"""Commands that a server does not take, and those it fails at: is it poison, or an outage?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.making import drop_session, make_session
from kato_tasks.delivery.settling import park, pause, refuse
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import KatoError
from kato_tasks.kato import KatoClient
from kato_tasks.models import Command, Outcome, PoisonPolicy, SessionSpec, Turn

_HARMLESS: Final = b'{"strings":["kato-tasks"]}'
_KEY: Final = "kato-tasks:probe"


def try_again(tools: Tools, work: Work, batch: Sequence[Command], reason: str) -> Work | Turn:
    """Make a call again at which the server failed, and which has done nothing.

    A batch is halved, so that what it fails at is found. A command that fails alone is given up
    after some attempts, if the server takes others: where all fail alike it is an outage.
    """
    claim = work.claim
    if len(batch) > 1:
        return _halve(tools, work, len(batch), seconds=tools.backoff.pause(claim.attempts))
    # Calls that were not made say nothing of the command: only failures at itself count.
    if claim.failures + 1 < tools.settings.poison_attempts:
        return pause(tools, work, reason, poison=True)
    if not takes_others(tools.client(claim.spec.instance), claim.spec):
        return pause(tools, work, reason, poison=True)
    return give_up(tools, work, batch, reason)


def give_up(tools: Tools, work: Work, batch: Sequence[Command], reason: str) -> Work | Turn:
    """Make a dead letter of a command that the server does not take; find it first in a batch."""
    if len(batch) > 1:
        return _halve(tools, work, len(batch), seconds=0.0)
    if tools.settings.poison is PoisonPolicy.PARK:
        return park(tools, work, reason, outcome=Outcome(refusal=reason))
    return refuse(tools, work, batch[0], reason)


def takes_others(client: KatoClient, spec: SessionSpec) -> bool:
    """Tell whether a server takes a harmless observation in a session like this one.

    The session is one of its own, learns nothing, and is deleted.
    """
    try:
        made = make_session(client, spec, _KEY, quiet=client.can_configure)
    except KatoError:
        return False
    try:
        client.observe(made.session_id, _HARMLESS)
    except KatoError:
        return False
    finally:
        drop_session(client, made.session_id)
    return True


def _halve(tools: Tools, work: Work, count: int, *, seconds: float) -> Turn:
    release = tools.lanes.release
    insist(lambda: release(work.claim.lease, pause=seconds, most=count // 2))
    return Turn.PAUSED if seconds else Turn.MORE
