"""One typed callable per script of a session that moves; see the scripts' headers."""

from __future__ import annotations

from typing import Any, Final

from kato_tasks.keys import SessionKeys
from kato_tasks.models import Departure, Learning, Lease, NoMove
from kato_tasks.scripts.calls import read_journal
from kato_tasks.scripts.codec import (
    decode_spec,
    delay,
    encode_learning,
    milliseconds,
)
from kato_tasks.scripts.runner import Call, Script


def _departure(reply: list[Any]) -> Departure | NoMove:
    if reply[0] != b"ok":
        return NoMove(reply[0].decode())
    _, spec, node, instance, sid, cut, entries = reply
    return Departure(
        spec=decode_spec(spec, node=node.decode(), instance=instance.decode()),
        session_id=sid.decode() or None,
        journal=read_journal(cut, entries),
    )


_DEPART: Final = Script.load("depart", _departure)


def depart(keys: SessionKeys, token: str, seconds: float) -> Call[Departure | NoMove]:
    """Note that a session is about to move, and read what made it what it is."""
    slots = [keys.session, keys.journal, keys.clock]
    return Call(script=_DEPART, keys=slots, args=[token, milliseconds(seconds)])


_ON_THE_WAY: Final = Script.load("on_the_way", bool)


def on_the_way(keys: SessionKeys, token: str, seconds: float, give_way: float | None) -> Call[bool]:
    """Let a session count as moving for longer; answers False if it is not ours to move."""
    return Call(
        script=_ON_THE_WAY,
        keys=[keys.session, keys.clock],
        args=[token, milliseconds(seconds), delay(give_way)],
    )


_ARRIVE: Final = Script.load("arrive", int)


def arrive(keys: SessionKeys, token: str) -> Call[int]:
    """Note that a session is not moving any more; answers how many of its commands wait, or -1."""
    return Call(script=_ARRIVE, keys=[keys.session], args=[token])


_RELOCATE: Final = Script.load("relocate", int)


def relocate(
    keys: SessionKeys, lease: Lease, applied: int, instance: str, learning: Learning
) -> Call[int]:
    """Say which instance a session is on; answers the new epoch, or 0 if the lease is not ours."""
    return Call(
        script=_RELOCATE,
        keys=[keys.session, keys.lease, keys.stats],
        args=[lease.token, lease.epoch, applied, instance, encode_learning(learning)],
    )
