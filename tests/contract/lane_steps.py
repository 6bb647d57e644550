"""The steps of which the contract tests are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, Final

from kato_tasks.lanes import Lanes
from kato_tasks.models import (
    Append,
    Appended,
    Bound,
    Claim,
    Group,
    Intent,
    Kind,
    Lease,
    NoClaim,
    SessionSpec,
    Settlement,
)

SPEC: Final = SessionSpec(node="n", instance="default")
KEY: Final = "a"
FOREIGN: Final = "another worker's"

LetPass = Callable[[float], None]
"""Lets seconds pass by the store's clock."""

_ids = count()


def group(*payloads: str, command_id: str | None = None, kind: Kind = Kind.OBSERVE) -> Group:
    """Commands under one id; a fresh id by default."""
    name = f"id-{next(_ids)}" if command_id is None else command_id
    return Group(command_id=name, kind=kind, payloads=tuple(map(str.encode, payloads)))


def request(key: str, *groups: Group, spec: SessionSpec = SPEC, **more: Any) -> Append:  # noqa: ANN401
    return Append(key=key, spec=spec, groups=groups, **more)


def append(lanes: Lanes, *payloads: str, key: str = KEY, command_id: str | None = None) -> Appended:
    """Append observes and expect them to be accepted."""
    [answer] = lanes.append([request(key, group(*payloads, command_id=command_id))])
    assert isinstance(answer, Appended)
    return answer


def claim(lanes: Lanes, key: str = KEY, most: int = 100) -> Claim:
    """Claim a lane and expect to get it."""
    claimed = lanes.claim(key, most=most)
    assert not isinstance(claimed, NoClaim), claimed
    return claimed


def foreign(lease: Lease) -> Lease:
    """The lease as somebody would have it who does not own it."""
    return replace(lease, token=FOREIGN)


def intend(lanes: Lanes, claimed: Claim, size: int = 1, *, first: int | None = None) -> bool:
    intent = Intent(
        first=claimed.applied + 1 if first is None else first,
        count=size,
        kind=Kind.OBSERVE,
        time=claimed.time,
        session_id=claimed.session_id or "",
    )
    return lanes.intend(claimed.lease, intent)


def settlement(claimed: Claim, size: int = 1, **more: Any) -> Settlement:  # noqa: ANN401
    return Settlement(first=claimed.applied + 1, count=size, **{"time": claimed.time, **more})


def deliver(lanes: Lanes, size: int, *, key: str = KEY, **more: Any) -> Claim:  # noqa: ANN401
    """Claim a lane, intend the first commands and settle them; the lane is given back."""
    claimed = claim(lanes, key)
    assert intend(lanes, claimed, size)
    assert lanes.settle(claimed.lease, settlement(claimed, size, **more)) is not None
    return claimed


def end(lanes: Lanes, key: str = KEY) -> None:
    """Bind a session and end it, with an empty lane."""
    lanes.append([request(key, group("", kind=Kind.DELETE))])
    claimed = claim(lanes, key)
    bound = lanes.bind(claimed.lease, Bound(session_id="sid-1"))
    assert bound is not None
    size = len(claimed.commands)
    intent = Intent(
        first=claimed.applied + 1, count=size, kind=Kind.DELETE, time=0, session_id="sid-1"
    )
    assert lanes.intend(bound, intent)
    assert lanes.settle(bound, settlement(claimed, size, unbind=True)) is not None


def payloads(claimed: Claim) -> list[str]:
    return [command.payload.decode() for command in claimed.commands]
