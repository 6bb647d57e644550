"""The arithmetic of states and times to live, for all times that there are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_tasks.deadlines import (
    LEAST_TICKS,
    TRUNCATED,
    first_looks,
    has_to_extend,
    idle_look,
    least_ttl,
    may_be_forgotten,
    over,
    own_end,
    refresh_look,
    state_of,
)
from kato_tasks.models import IdlePolicy, Life, SessionSpec, SessionState
from kato_tasks.settings import Settings

SETTINGS = Settings()
YEAR = 86_400 * 365
SERVED = (
    SessionState.ACTIVE,
    SessionState.IDLE,
    SessionState.EXPIRING,
    SessionState.EXPIRED,
)

times = st.integers(0, YEAR * 1000)
ttls = st.integers(2, YEAR)
specs = st.builds(
    SessionSpec,
    node=st.just("n"),
    instance=st.just("i"),
    ttl=ttls,
    auto_extend=st.booleans(),
    idle=st.sampled_from([None, *IdlePolicy]),
    idle_after=st.none() | st.floats(0.001, YEAR),
)
lives = st.builds(
    Life,
    lifetime=st.none() | ttls,
    fresh_ms=times,
    ends_ms=st.none() | times,
    keep=st.booleans(),
    used_ms=times,
    wrote_ms=times,
)


def state(life: Life, now_ms: float) -> SessionState:
    return state_of(SessionState.ACTIVE, life, now_ms, SETTINGS)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, SessionState.ACTIVE),
        (300, SessionState.ACTIVE),
        (300.001, SessionState.IDLE),
        (5_760, SessionState.IDLE),
        (5_760.001, SessionState.EXPIRING),
        (7_200, SessionState.EXPIRING),
        (7_200.001, SessionState.EXPIRED),
        (86_400 + 1, SessionState.EXPIRED),
    ],
)
def test_the_limits_count_once_they_are_passed(seconds: float, expected: SessionState) -> None:
    """Total seconds: a day and a second is not a second."""
    assert state(Life(lifetime=7_200), seconds * 1000) is expected


@given(life=lives, now=times, later=times)
def test_without_use_a_session_only_grows_older(life: Life, now: int, later: int) -> None:
    before = max(life.used_ms, life.fresh_ms, life.wrote_ms) + now
    after = before + later
    assert SERVED.index(state(life, before)) <= SERVED.index(state(life, after))


@given(life=lives, now=times)
def test_a_write_makes_it_active_unless_its_own_end_is_near(life: Life, now: int) -> None:
    written = replace(life, used_ms=now, wrote_ms=now, ends_ms=None)
    assert state(written, now) is SessionState.ACTIVE


@given(life=lives, now=times, use=times)
def test_reading_moves_no_servers_deadline(life: Life, now: int, use: int) -> None:
    """A use that is no write makes it less idle, never less expired."""
    use += life.used_ms
    now += use
    before, after = state(life, now), state(replace(life, used_ms=use), now)
    late = (SessionState.EXPIRING, SessionState.EXPIRED)
    assert (before in late) == (after in late)


@given(life=lives, now=times)
def test_its_own_end_is_strict(life: Life, now: int) -> None:
    assert over(life, now) == (life.ends_ms is not None and now > life.ends_ms)
    assert not over(replace(life, ends_ms=now), now)
    assert over(replace(life, ends_ms=now), now + 1)


@given(step=st.sampled_from([SessionState.NEW, SessionState.HIBERNATED]), life=lives, now=times)
def test_without_a_server_only_its_own_end_counts(step: SessionState, life: Life, now: int) -> None:
    expected = SessionState.EXPIRED if over(life, now) else step
    assert state_of(step, life, now, SETTINGS) is expected


@given(life=lives, now=times)
def test_what_has_ended_stays_so(life: Life, now: int) -> None:
    assert state_of(SessionState.ENDED, life, now, SETTINGS) is SessionState.ENDED


@given(more=ttls, tick=st.floats(0.1, 3_600), missed=st.integers(0, 2))
def test_a_session_that_is_kept_alive_is_extended_in_time_though_two_ticks_are_missed(
    more: int, tick: float, missed: int
) -> None:
    """However ticks fall: one comes within an interval of the look, and two more may be missed."""
    settings = Settings(refresh_interval=tick)
    ttl = math.ceil(least_ttl(settings)) + more
    look = refresh_look(Life(lifetime=ttl), 0, settings)
    assert look is not None
    extended = look + tick * (1 + missed)
    assert extended <= ttl - TRUNCATED + 1e-6
    assert not may_be_forgotten(Life(lifetime=ttl), (extended - 1e-3) * 1000)


@given(life=lives, now=times)
def test_a_refresh_is_never_due_before_a_quarter_of_its_time(life: Life, now: int) -> None:
    look = refresh_look(life, now, SETTINGS)
    if life.lifetime is None:
        assert look is None
        return
    assert look is not None
    if look == SETTINGS.retention / 2:
        # Looked at sooner, so that its record is renewed.
        return
    at = now / 1000 + look
    assert at >= life.fresh_ms / 1000 + (life.lifetime - TRUNCATED) / LEAST_TICKS - 1e-3


@given(spec=specs, life=lives, now=times)
def test_a_look_comes_when_a_session_may_rest_and_not_after_its_end(
    spec: SessionSpec, life: Life, now: int
) -> None:
    look = idle_look(spec, life, now, SETTINGS)
    limit = SETTINGS.idle_after if spec.idle_after is None else spec.idle_after
    rests = (spec.idle or SETTINGS.idle) is not IdlePolicy.KEEP and not life.keep
    due = [life.used_ms / 1000 + limit] if rests else []
    due += [] if life.ends_ms is None else [life.ends_ms / 1000]
    if not due:
        assert look is None
    else:
        assert look == pytest.approx(max(0.0, min(due) - now / 1000), abs=1e-3)


@given(spec=specs)
def test_only_a_session_that_does_not_extend_itself_has_an_end(spec: SessionSpec) -> None:
    assert own_end(spec) == (None if spec.auto_extend else spec.ttl)
    looks = first_looks(spec, spec.ttl, SETTINGS)
    if not spec.auto_extend:
        assert looks.idle is not None
        assert looks.idle <= float(spec.ttl or 0)


@given(spec=specs, life=lives, now=times)
def test_a_write_near_the_deadline_is_preceded_by_an_extension(
    spec: SessionSpec, life: Life, now: int
) -> None:
    """Of a server that counts no writes: in the last second it would delete the session."""
    if life.lifetime is None:
        assert not has_to_extend(spec, life, now)
        return
    left = life.fresh_ms / 1000 + life.lifetime - now / 1000
    if left < 1:
        assert has_to_extend(spec, life, now)
    if left > max(2.0, life.lifetime / 2):
        assert not has_to_extend(spec, life, now)
