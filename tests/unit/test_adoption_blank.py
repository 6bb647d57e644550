"""What a blank session says of the sessions beside it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from kato_tasks.adoption.reading import Blank
from kato_tasks.kato import CreatedSession, SessionInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def info(expires: datetime | None, ttl: int | None, created: datetime | None = NOW) -> SessionInfo:
    return SessionInfo(
        session_id="s",
        node_id="n",
        created_at=created,
        expires_at=expires,
        ttl_seconds=ttl,
        config={"recall_threshold": 0.1, "process_predictions": True},
        metadata={},
    )


def blank(created: datetime | None, shown: SessionInfo, ttl: int | None = 3600) -> Blank:
    made = CreatedSession(
        session_id="s",
        node_id="n",
        created_at=None if created is None else NOW,
        expires_at=created,
        ttl_seconds=ttl,
        config=None,
    )
    return Blank(created=made, info=shown, made_at=time.monotonic())


SLIDES = blank(after(3600), info(after(3600.01), 3599))
FIXED = blank(after(3600), info(after(3600), 3599))
GUIDE = blank(after(3600), info(after(3600.01), 3600))
MUTE = blank(None, info(None, None, None), ttl=None)


@pytest.mark.parametrize(
    ("beside", "shown", "lifetime"),
    [
        (SLIDES, info(after(900), 899), 900),
        (SLIDES, info(after(900), None), None),
        (FIXED, info(after(60), 42), 60),
        (GUIDE, info(after(900), 900), 900),
        (MUTE, info(None, 70, None), 70),
        (MUTE, info(None, None, None), None),
    ],
)
def test_a_time_to_live_is_told_from_what_is_shown(
    beside: Blank, shown: SessionInfo, lifetime: int | None
) -> None:
    assert beside.lifetime_of(shown) == lifetime


def test_what_is_left_is_by_the_clock_of_the_server() -> None:
    # Made here: what is left is counted from when it was made.
    left = blank(after(3600), info(after(3600), 3599)).left(after(60))
    assert left is not None
    assert 50 < left <= 60
    assert FIXED.left(None) is None
    assert MUTE.left(after(60)) is None


def test_what_differs_from_it_is_a_sessions_own() -> None:
    """But for what we have options for."""
    config = {"recall_threshold": 0.1, "max_predictions": 5, "process_predictions": False}
    own = FIXED.own_config({**config, "session_ttl": 60, "session_auto_extend": False})
    assert own == {"max_predictions": 5}
