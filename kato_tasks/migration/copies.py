"""Makes copies of sessions at another instance; nobody is bound to one before the switch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, isclose, isnan
from typing import Final

from kato_tasks.delivery import drop_session
from kato_tasks.delivery.making import give_voice, make_session
from kato_tasks.delivery.memory import Memory
from kato_tasks.delivery.rehome import OtherSymbols, Seen, Unfaithful
from kato_tasks.kato import TIME_UNKNOWN, Cognition, KatoClient, effective_differences
from kato_tasks.models import Learning, SessionSpec

_LONGEST_REPLAY: Final = 1000
_SHOWN_AS_IS: Final = ("emotives", "metadata")
"""What percept data shows of a session beyond its last observation's own symbols."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A session at another instance that has what some journal says.

    Attributes:
        session_id: The server's name for it.
        spec: What it was made with.
        replay: The observations that it has had, in order.
        lifetime: Seconds without a write after which its server forgets it; None if not known.
        calls: HTTP calls that it took so far.
    """

    session_id: str
    spec: SessionSpec
    replay: tuple[bytes, ...] = ()
    lifetime: int | None = None
    calls: int = 1


class Unmovable(Unfaithful):
    """A session of which no copy can be made until somebody does something about it."""


def make_copy(client: KatoClient, spec: SessionSpec, key: str) -> Copy:
    """Make an empty copy, which neither predicts nor learns by itself.

    Raises:
        KatoError: It was not made, or its answer was lost; then an empty session may be left
            over, which expires.
    """
    made = make_session(client, spec, key, quiet=client.can_configure)
    return Copy(session_id=made.session_id, spec=spec, lifetime=made.lifetime)


def can_go_on(copy: Copy, spec: SessionSpec, replay: tuple[bytes, ...]) -> bool:
    """Tell whether a copy has the first part of what it must have, and nothing else.

    It has not if the session was cleared, has learned, lost the beginning of its journal, or was
    configured since.
    """
    return copy.spec == spec and replay[: len(copy.replay)] == copy.replay


def catch_up(client: KatoClient, copy: Copy, replay: tuple[bytes, ...]) -> Copy:
    """Give a copy what it has not had yet.

    Raises:
        KatoError: It is in no defined state any more: begin with another.
    """
    rest = replay[len(copy.replay) :]
    if not rest:
        return copy
    client.replay(copy.session_id, rest)
    calls = ceil(len(rest) / _LONGEST_REPLAY) if client.max_batch is None else len(rest)
    return replace(copy, replay=replay, calls=copy.calls + calls)


def verify(
    client: KatoClient, copy: Copy, memory: Memory, seen: Cognition | None, *, whole: bool
) -> None:
    """See that a copy remembers what it must, as far as its server shows it.

    Args:
        client: Of the copy's instance.
        copy: The copy.
        memory: What it must remember.
        seen: What the source shows; None if it shows nothing.
        whole: Nothing was cut off its journal: the copy has its emotives too.

    Raises:
        OtherSymbols: Vectors have other neighbours there than at the source.
        Unfaithful: Anything else differs.
        KatoError: The server did not answer.
    """
    copied = client.look(copy.session_id)
    if copied.time not in (memory.time, TIME_UNKNOWN):
        raise Unfaithful(f"the copy came to time {copied.time}, not {memory.time}")
    if not memory.equals(copied.stm):
        raise Unfaithful(f"the copy has {len(copied.stm)} events that are not those it must have")
    if seen is None:
        return
    _verify_symbols(memory, seen.stm, copied.stm)
    if whole and _both_show_all(seen, copied) and not _alike(seen.emotives, copied.emotives):
        raise Unfaithful("the copy has other emotives")


def verify_percepts(source: KatoClient, target: KatoClient, session_id: str, copy: Copy) -> int:
    """See that a copy shows the emotives and metadata that its source shows.

    Returns:
        How many HTTP calls it took.

    Raises:
        Unfaithful: It does not.
        KatoError: One of both servers did not answer.
    """
    if not (source.shows_percepts and target.shows_percepts):
        return 0
    before, after = source.percept_data(session_id), target.percept_data(copy.session_id)
    for name in _SHOWN_AS_IS:
        if not _alike(before.get(name) or {}, after.get(name) or {}):
            raise Unfaithful(f"the copy has other {name}")
    return 2


def give_config(client: KatoClient, copy: Copy, learning: Learning) -> int:
    """Give a copy the config that it was kept from, and see that the server has taken it.

    Returns:
        How many HTTP calls it took.

    Raises:
        Unmovable: The server has another config.
        KatoError: It may or may not have it.
    """
    if not client.can_configure:
        return 0
    calls = give_voice(client, copy.session_id, copy.spec, learning)
    if not copy.spec.config:
        return calls
    effective = client.get_config(copy.session_id)
    dropped = effective_differences(copy.spec.config, effective)
    if dropped:
        raise Unmovable(f"the copy has not taken {', '.join(dropped)}")
    return calls + 1


def drop_copy(client: KatoClient, session_id: str) -> None:
    """Delete a copy that nobody is bound to."""
    drop_session(client, session_id)


def _verify_symbols(memory: Memory, before: Seen, after: Seen) -> None:
    if memory.exact or [sorted(event) for event in before] == [sorted(event) for event in after]:
        return
    raise OtherSymbols("vectors have other neighbours there")


def _both_show_all(*seen: Cognition) -> bool:
    """Tell whether emotives can be compared: the guide's dialect shows neither them nor time."""
    return all(one.time != TIME_UNKNOWN for one in seen)


def _alike(one: object, other: object) -> bool:
    """Compare what JSON can hold; numbers that differ by rounding alone are alike."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, float | int) and isinstance(other, float | int):
        both = isnan(one) and isnan(other)
        return both or isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other
