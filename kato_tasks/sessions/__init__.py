"""Sessions by the caller's own key: what producers hold in their hands."""

from kato_tasks.sessions.finding import FoundLane, LaneState, find_lanes
from kato_tasks.sessions.intake import Intake
from kato_tasks.sessions.oracle import Oracle
from kato_tasks.sessions.receipts import Applied, Receipt, wait_for
from kato_tasks.sessions.replaying import DeadLetterOffice, unpark
from kato_tasks.sessions.searching import Page, Wanted, count_states, find_sessions, page_of
from kato_tasks.sessions.session import Session, group_commands
from kato_tasks.sessions.sessions import Sessions
from kato_tasks.sessions.specs import check_keep_alive, encode_config

__all__ = [
    "Applied",
    "DeadLetterOffice",
    "FoundLane",
    "Intake",
    "LaneState",
    "Oracle",
    "Page",
    "Receipt",
    "Session",
    "Sessions",
    "Wanted",
    "check_keep_alive",
    "count_states",
    "encode_config",
    "find_lanes",
    "find_sessions",
    "group_commands",
    "page_of",
    "unpark",
    "wait_for",
]
