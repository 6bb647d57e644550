"""What comes late takes back no later call."""

from __future__ import annotations

from lane_steps import append, claim

from kato_tasks.lanes import Lanes
from kato_tasks.lives import Lives
from kato_tasks.models import Bound, Intent, Kind


def test_a_note_that_comes_late_leaves_a_later_call_as_it_is(lanes: Lanes, lives: Lives) -> None:
    append(lanes, "x")
    lease = lanes.bind(claim(lanes).lease, Bound(session_id="sid"))
    assert lease is not None
    extend = Intent(first=1, count=0, kind=Kind.EXTEND, time=0, session_id="sid")
    learn = Intent(first=1, count=1, kind=Kind.LEARN, time=0, session_id="sid", pattern="p")
    assert lanes.intend(lease, extend)
    assert lives.freshen(lease, extend)
    assert lanes.intend(lease, learn)
    assert lives.freshen(lease, extend)
    # It is there still: another one cannot be written.
    assert not lanes.intend(lease, extend)
    assert lanes.intend(lease, learn)
