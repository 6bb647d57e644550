"""One typed callable per script that spares the servers; see the scripts' headers."""

from __future__ import annotations

from typing import Any, Final

from kato_tasks.models import Lease
from kato_tasks.scripts import calls
from kato_tasks.scripts.codec import milliseconds
from kato_tasks.scripts.runner import Call, Script
from kato_tasks.settings import Settings

_SHARE: Final = Script.load("share", int)


def share(  # noqa: PLR0913 - one value per fact that the script takes
    holders: str,
    mark: str,
    token: str,
    *,
    keep: float,
    limit: int,
    alone: bool,
    mark_kept: float,
) -> Call[int]:
    """Take a share in a node's calls; answers 0 for none, 1 for a share, 2 for the node alone."""
    return Call(
        script=_SHARE,
        keys=[holders, mark],
        args=[token, milliseconds(keep), limit, int(alone), milliseconds(mark_kept)],
    )


_SHARE_RENEW: Final = Script.load("share_renew", bool)


def renew_share(holders: str, token: str, seconds: float) -> Call[bool]:
    """Renew a share; answers False if it is not ours any more."""
    return Call(script=_SHARE_RENEW, keys=[holders], args=[token, milliseconds(seconds)])


_SHARE_RELEASE: Final = Script.load("share_release", bool)


def release_share(holders: str, token: str) -> Call[bool]:
    """Give a share back; answers False if it was not ours any more."""
    return Call(script=_SHARE_RELEASE, keys=[holders], args=[token])


def _holder(reply: bytes) -> str:
    return reply.decode()


_LEARNER: Final = Script.load("learner", _holder)


def take_learning(
    keys: tuple[str, str], lease: Lease, settings: Settings, *, over: str = "", again: bool = False
) -> Call[str]:
    """Take or renew the right to learn; answers who has it, or ``""`` if that is now the lease.

    ``over``: who has it no more, as an earlier call answered. ``again``: only if no other session
    has taken it since this one did.
    """
    args: list[str | int | bytes] = [
        lease.token,
        lease.key,
        milliseconds(settings.learning_kept),
        over,
    ]
    return Call(
        script=_LEARNER, keys=keys, args=[*args, int(again), milliseconds(settings.retention)]
    )


def holder_key(holder: str) -> str:
    """Return the session key of who has the right to learn."""
    return holder.partition(" ")[2]


def give_learning(learner: str, lease: Lease) -> Call[bool]:
    """Give the right to learn back; answers False if it is not this lease's."""
    return calls.unlock(learner, f"{lease.token} {lease.key}")


def _asked(reply: list[Any]) -> tuple[str, int]:
    return reply[0].decode(), reply[1] if len(reply) > 1 else 0


_BREAKER_ASK: Final = Script.load("breaker_ask", _asked)


def ask_breaker(
    breaker: str, token: str, *, longest_call: float, pause: float
) -> Call[tuple[str, int]]:
    """Ask whether an instance may be called.

    Answers ``closed`` and the failures in a row, ``pause`` and milliseconds, or ``probe`` and 0.
    """
    return Call(
        script=_BREAKER_ASK,
        keys=[breaker],
        args=[token, milliseconds(longest_call), milliseconds(pause)],
    )


_BREAKER_FAIL: Final = Script.load("breaker_fail", int)


def fail_breaker(breaker: str, token: str, *, kept: float, settings: Settings) -> Call[int]:
    """Count a failed call; answers for how many milliseconds nobody shall call."""
    args: list[str | int | bytes] = [
        token,
        settings.breaker_failures,
        milliseconds(settings.breaker_open),
        milliseconds(settings.breaker_most),
        milliseconds(kept),
    ]
    return Call(script=_BREAKER_FAIL, keys=[breaker], args=args)


_BREAKER_WITHDRAW: Final = Script.load("breaker_withdraw", bool)


def withdraw_probe(breaker: str, token: str) -> Call[bool]:
    """Give back a probe that was not made; answers False if the caller had none."""
    return Call(script=_BREAKER_WITHDRAW, keys=[breaker], args=[token])


_CONNECTIONS_JOIN: Final = Script.load("connections_join", int)
_MOST_PROCESSES: Final = 1000


def join_connections(  # noqa: PLR0913 - one value per fact that the script takes
    keys: tuple[str, str],
    token: str,
    *,
    lifetime: float,
    total: int,
    most: int,
    held: int,
    under_way: int,
) -> Call[int]:
    """Join, or stay among, the processes of an instance; answers this one's share."""
    args: list[str | int | bytes] = [token, milliseconds(lifetime), total, most, held, under_way]
    return Call(script=_CONNECTIONS_JOIN, keys=keys, args=[*args, _MOST_PROCESSES])


_CONNECTIONS_LEAVE: Final = Script.load("connections_leave", bool)


def leave_connections(keys: tuple[str, str], token: str) -> Call[bool]:
    """Leave the processes of an instance; answers False if this one was not among them."""
    return Call(script=_CONNECTIONS_LEAVE, keys=keys, args=[token])
