"""One typed callable per script that spares the servers; see the scripts' headers."""

from __future__ import annotations

from typing import Final

from kato_tasks.scripts.runner import Call, Script


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


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
        args=[token, _ms(keep), limit, int(alone), _ms(mark_kept)],
    )


_SHARE_RENEW: Final = Script.load("share_renew", bool)


def renew_share(holders: str, token: str, seconds: float) -> Call[bool]:
    """Renew a share; answers False if it is not ours any more."""
    return Call(script=_SHARE_RENEW, keys=[holders], args=[token, _ms(seconds)])


_SHARE_RELEASE: Final = Script.load("share_release", bool)


def release_share(holders: str, token: str) -> Call[bool]:
    """Give a share back; answers False if it was not ours any more."""
    return Call(script=_SHARE_RELEASE, keys=[holders], args=[token])


_LEARNER: Final = Script.load("learner", bool)


def take_learning(learner: str, holder: str, seconds: float) -> Call[bool]:
    """Take or renew the right to learn; answers False if somebody else has it."""
    return Call(script=_LEARNER, keys=[learner], args=[holder, _ms(seconds)])
