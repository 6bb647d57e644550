"""One typed callable per script of the schedule; see the scripts' headers."""

from __future__ import annotations

from typing import Final

from kato_tasks.scripts.codec import milliseconds
from kato_tasks.scripts.runner import Call, Script

_HOLD: Final = Script.load("schedule_hold", bool)


def hold_schedule(lease: str, token: str, holder: str, seconds: float) -> Call[bool]:
    """Take or renew the lease of the schedule; answers False if another has it."""
    return Call(script=_HOLD, keys=[lease], args=[token, holder, milliseconds(seconds)])


_RELEASE: Final = Script.load("schedule_release", bool)


def release_schedule(lease: str, token: str) -> Call[bool]:
    """Give the lease of the schedule back; answers False if it was not ours any more."""
    return Call(script=_RELEASE, keys=[lease], args=[token])


def _wait(reply: int) -> float | None:
    return None if reply < 0 else reply / 1000


_FIRE: Final = Script.load("schedule_fire", _wait)


def fire_entry(keys: tuple[str, str], token: str, name: str, every: float) -> Call[float | None]:
    """Take an entry's tick.

    Answers 0.0 if it is the caller's to send, else the seconds until it is due; None if the lease
    is not ours.
    """
    return Call(script=_FIRE, keys=keys, args=[token, name, milliseconds(every)])
