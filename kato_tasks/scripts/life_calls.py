"""One typed callable per script of a session's life; see the scripts' headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kato_tasks.keys import SessionKeys
from kato_tasks.models import Adoption, Intent, Lease, Looks, Rest
from kato_tasks.scripts.codec import (
    delay,
    encode_intent,
    encode_learning,
    encode_memory,
    encode_observation,
    encode_spec,
    milliseconds,
    session_keys,
)
from kato_tasks.scripts.runner import Call, Script
from kato_tasks.settings import Settings

_DUE: Final = Script.load("due", session_keys)


def due(
    index: str, clock: str, session_prefix: str, *, most: int, put_off: float
) -> Call[tuple[str, ...]]:
    """Find sessions that somebody has to look at, and put the next look at them off."""
    return Call(
        script=_DUE, keys=[index, clock], args=[session_prefix, most, milliseconds(put_off)]
    )


_FRESHEN: Final = Script.load("freshen", bool)


def freshen(
    keys: SessionKeys, lease: Lease, intent: Intent | None, ends: float | None
) -> Call[bool]:
    """Note that the server lets a session live on; answers False if the lease is not ours."""
    return Call(
        script=_FRESHEN,
        keys=[keys.session, keys.lease, keys.stats, keys.clock],
        args=[
            *(lease.token, lease.epoch, delay(ends)),
            "" if intent is None else encode_intent(intent, lease.token),
        ],
    )


_REST: Final = Script.load("rest", int)


def rest(keys: SessionKeys, lease: Lease, how: Rest, settings: Settings) -> Call[int]:
    """Give the lease of an idle session back; answers 0 if it is not ours, 2 if commands wait."""
    slots = [keys.session, keys.lane, keys.lease, keys.ready, keys.activity, keys.stats]
    return Call(
        script=_REST,
        keys=[*slots, keys.journal, keys.idle, keys.refresh, keys.clock],
        args=[
            *(lease.key, lease.token, lease.epoch),
            *("" if how.state is None else how.state.value, encode_memory(how.stm), how.suspect),
            *_looks(how.looks),
            milliseconds(settings.retention),
            "" if how.unused_since is None else how.unused_since,
            int(how.kept),
            *(encode_observation(payload) for payload in how.journal or ()),
        ],
    )


def _looks(looks: Looks) -> tuple[int | str, int | str]:
    return delay(looks.idle), delay(looks.refresh)


_KEEP: Final = Script.load("keep", bool)


def keep(keys: SessionKeys, key: str, *, alive: bool) -> Call[bool]:
    """Keep a session alive or no more; answers False if there is none."""
    slots = [keys.session, keys.refresh, keys.clock, keys.idle]
    return Call(script=_KEEP, keys=slots, args=[key, int(alive)])


_SUSPECT: Final = Script.load("suspect", bool)


def suspect(keys: SessionKeys, key: str, session_id: str | None, why: str) -> Call[bool]:
    """Have a session made anew; answers False if it lives elsewhere by now, or not at all."""
    return Call(
        script=_SUSPECT,
        keys=[keys.session, keys.ready, keys.journal, keys.clock],
        args=[key, session_id or "", why],
    )


_TOUCH: Final = Script.load("touch", bool)


def touch(keys: SessionKeys, key: str, settings: Settings) -> Call[bool]:
    """Note that a session is in use; answers False if there is none."""
    return Call(
        script=_TOUCH,
        keys=[keys.session, keys.activity, keys.clock, keys.journal],
        args=[key, milliseconds(settings.retention)],
    )


_ADOPT: Final = Script.load("adopt", bool)


def adopt(keys: SessionKeys, found: Adoption, settings: Settings) -> Call[bool]:
    """Register a session that its server has; answers False if its key names another one."""
    spec, to = found.spec, found.to
    slots = [keys.session, keys.journal, keys.activity, keys.idle, keys.refresh, keys.stats]
    return Call(
        script=_ADOPT,
        keys=[*slots, keys.clock],
        args=[
            *(found.key, encode_spec(spec), spec.node, spec.instance),
            *(to.session_id, found.time, len(found.journal), encode_learning(to.learning)),
            *(to.lifetime or "", delay(found.age), delay(to.ends), delay(to.looks.idle)),
            *(found.older, milliseconds(settings.retention)),
            *map(encode_observation, found.journal),
        ],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One reading of a shard's clock.

    Attributes:
        wall_ms: The store's wall clock, epoch milliseconds.
        offset_ms: What makes the steady clock of it.
    """

    wall_ms: int
    offset_ms: int


def _reading(reply: Sequence[Any]) -> Reading:
    return Reading(wall_ms=reply[0], offset_ms=reply[1])


_CLOCK: Final = Script.load("clock", _reading)


def clock(key: str) -> Call[Reading]:
    """Read a shard's clock."""
    return Call(script=_CLOCK, keys=[key], args=[])


_CLOCK_SET: Final = Script.load("clock_set", bool)


def set_clock(key: str, *, before_ms: int, after_ms: int) -> Call[bool]:
    """Change a shard's offset; answers False if it is another one by now."""
    return Call(script=_CLOCK_SET, keys=[key], args=[before_ms, after_ms])
