"""Settles what is in doubt: looks at a session, then adopts the call or makes it anew."""

from __future__ import annotations

from dataclasses import replace

from kato_tasks.delivery.effect import Done, effect
from kato_tasks.delivery.extending import UNSURE
from kato_tasks.delivery.insist import insist
from kato_tasks.delivery.learning import UNKNOWN, frequency
from kato_tasks.delivery.looking import Found, Verdict, look
from kato_tasks.delivery.memory import Memory, entries, recall
from kato_tasks.delivery.poison import try_again
from kato_tasks.delivery.rehome import OtherSymbols, Seen, rehome
from kato_tasks.delivery.settling import go_on, park, pause, tally
from kato_tasks.delivery.work import Tools, Work
from kato_tasks.errors import KatoError
from kato_tasks.instrumentation import logger
from kato_tasks.models import (
    AnomalyPolicy,
    Intent,
    Journal,
    JournalEntry,
    Kind,
    LearnDoubt,
    Switch,
    Turn,
)


def resolve(tools: Tools, work: Work) -> Work | Turn:
    """Find out what became of a call whose end nobody has seen, and act on it."""
    claim, intent = work.claim, work.claim.intent
    if intent is None:
        return work
    if intent.kind in (Kind.EXTEND, Kind.DELETE) or claim.session_id is None:
        return _fence(tools, work, intent)
    journal = tools.lanes.journal(claim.lease, claim.applied)
    if journal is None:
        return Turn.LOST
    if intent.pattern is not None and not tools.nodes.take_learning(
        claim.spec, claim.lease, again=True
    ):
        # The right had run out, and another has learned since: the frequency says nothing now.
        intent = replace(intent, frequency=UNKNOWN)
        work = replace(work, claim=replace(claim, intent=intent))
    if intent.rehomed:
        return _after_learn(tools, work, intent, journal)
    memory = recall(journal)
    try:
        found = look(tools, work, intent, replace(memory, time=claim.time))
    except KatoError as error:
        return pause(tools, work, str(error), doubt=f"its last call is in doubt; {error}")
    tally(tools, work, "doubts")
    work = replace(work, calls=work.calls + found.looks)
    return _act(tools, work, memory, found)


def _fence(tools: Tools, work: Work, intent: Intent) -> Work | Turn:
    """Go on after a call of which nothing can be seen."""
    if intent.kind is Kind.EXTEND:
        # A late one would write back a session as it was: it must meet an orphan.
        return suspected(tools, work, UNSURE)
    # Deleting again does no harm: whatever comes after goes to another session.
    return _withdraw(tools, work)


def _act(tools: Tools, work: Work, memory: Memory, found: Found) -> Work | Turn:
    match found.verdict:
        case Verdict.APPLIED if found.done is not None:
            return go_on(tools, work, work.intended, found.done)
        case Verdict.OTHER:
            return anomaly(tools, work, found.verdict.value, found.done)
        case _:
            return _anew(tools, work, memory, found.verdict.value, old=found.stm)


def anomaly(
    tools: Tools, work: Work, reason: str, done: Done | None, *, counted: bool = False
) -> Work | Turn:
    """Act on a session that is not what it must be, by the setting.

    Args:
        tools: What to work with.
        work: The lane; its claim has the last call as its intent.
        reason: What is wrong.
        done: The call with what the server has now, if it is to be accepted.
        counted: The call took effect all the same: it is settled, whatever the setting.
    """
    logger.error("anomaly", extra={"session": work.key, "reason": reason})
    tally(tools, work, "anomalies")
    policy = tools.settings.anomaly
    if counted and done is not None:
        return go_on(tools, work, work.intended, done)
    if policy is AnomalyPolicy.PARK:
        return park(tools, work, reason)
    if policy is AnomalyPolicy.ACCEPT and done is not None:
        return go_on(tools, work, work.intended, done)
    journal = tools.lanes.journal(work.claim.lease, work.claim.applied)
    if journal is None:
        return Turn.LOST
    return _anew(tools, work, recall(journal), reason)


def suspected(tools: Tools, work: Work, reason: str) -> Work | Turn:
    """Make a session anew that is not, or may not be, what we know of it."""
    claim = work.claim
    journal = tools.lanes.journal(claim.lease, claim.applied)
    if journal is None:
        return Turn.LOST
    return _anew(tools, work, recall(journal), reason)


def _anew(
    tools: Tools, work: Work, memory: Memory, reason: str, *, old: Seen | None = None
) -> Work | Turn:
    """Re-home; what may have been learned stays in doubt until it can be told."""
    if work.anew:
        # It has not helped: the server loses again what it has just been given.
        return pause(tools, work, reason, doubt=reason)
    try:
        return rehome(tools, work, memory, reason, old=old, intent=_learning(work))
    except OtherSymbols as error:
        return _stay(tools, work, str(error))


def _stay(tools: Tools, work: Work, reason: str) -> Work | Turn:
    """Keep a session whose vectors no replay brings back: wait until no request can be late."""
    turn = _wait_out(tools, work, reason)
    if turn is not None:
        return turn
    claim, intent = work.claim, _learning(work)
    to = Switch(
        session_id=claim.session_id or "",
        time=claim.time,
        events=claim.events,
        reason=reason,
        intent=None if intent is None else replace(intent, rehomed=True),
    )
    lease = insist(lambda: tools.lanes.switch(claim.lease, claim.applied, to))
    if lease is None:
        return Turn.LOST
    now = round(work.now_ms)
    after = replace(claim, lease=lease, intent=to.intent, intent_ms=now, suspect=None)
    return replace(work, claim=after)


def _learning(work: Work) -> Intent | None:
    """Return the last call if it may have made the server learn: that stays in doubt."""
    intent = work.claim.intent
    return intent if intent is not None and intent.pattern is not None else None


def _wait_out(tools: Tools, work: Work, reason: str) -> Turn | None:
    """Give the lane back if a server may still be at work on its last call; None if not."""
    if work.claim.intent is None:
        return None
    waited = (work.now_ms - work.claim.intent_ms) / 1000
    left = tools.settings.doubt_wait - waited
    if left <= 0:
        return None
    insist(lambda: tools.lanes.release(work.claim.lease, pause=left, doubt=reason))
    return Turn.PAUSED


def _after_learn(tools: Tools, work: Work, intent: Intent, journal: Journal) -> Work | Turn:
    """Tell by its pattern's frequency whether a learn has counted, and go on in either case."""
    turn = _wait_out(tools, work, "whether its last learn has counted is not known yet")
    if turn is not None:
        return turn
    try:
        counted = _has_counted(tools, work, intent)
    except KatoError as error:
        return pause(tools, work, str(error), doubt=f"its last learn is in doubt; {error}")
    if counted is None:
        tally(tools, work, "learns_unsure")
        ruling = work.claim.ruling or tools.settings.learn_doubt
        if ruling is LearnDoubt.PARK:
            return park(tools, work, "whether its last learn has counted cannot be told")
        counted = ruling is LearnDoubt.SKIP
    if counted:
        return _adopt_learn(tools, work, intent, journal)
    if intent.failed and intent.kind is Kind.OBSERVE:
        return try_again(tools, work, work.intended, "the server fails at it")
    return _withdraw(tools, work)


def _has_counted(tools: Tools, work: Work, intent: Intent) -> bool | None:
    spec = work.claim.spec
    if intent.frequency == UNKNOWN:
        return None
    now = frequency(tools.client(spec.instance), spec.node, intent.pattern or "")
    return None if now == UNKNOWN else now > intent.frequency


def _adopt_learn(tools: Tools, work: Work, intent: Intent, journal: Journal) -> Work | Turn:
    """Bring the session to the state after a learn that has counted, without learning again."""
    batch = work.intended
    done = effect(work.claim, batch, intent)
    observed = entries(batch) if intent.kind is Kind.OBSERVE else ()
    mark = JournalEntry(kept=done.learned or 0)
    memory = recall(Journal(entries=(*journal.entries, *observed, mark), cut=journal.cut))
    step = rehome(tools, work, memory, "its learn has counted", intent=intent)
    if not isinstance(step, Work):
        return step
    return go_on(tools, step, batch, replace(done, time=memory.time, events=len(memory.events)))


def _withdraw(tools: Tools, work: Work) -> Work | Turn:
    lease = insist(lambda: tools.lanes.withdraw(work.claim.lease))
    if lease is None:
        return Turn.LOST
    return replace(work, claim=replace(work.claim, lease=lease, intent=None, ruling=None))
