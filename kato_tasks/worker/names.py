"""The names of the tasks and of their queues."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Queue(StrEnum):
    """What a worker consumes; each name gets the prefix of the settings."""

    DELIVER = "deliver"
    """Wake-ups: hints, of which none must arrive."""
    BULK = "bulk"
    """Tasks of producers that speak Celery; their arguments are the payload."""
    MAINTENANCE = "maintenance"
    """What beat schedules, and the hands of migrations."""


CREATE_SESSION: Final = "kato_tasks.create_session"
DELETE_SESSION: Final = "kato_tasks.delete_session"
OBSERVE: Final = "kato_tasks.observe"
FAN_OUT: Final = "kato_tasks.fan_out"
LEARN: Final = "kato_tasks.learn"
CLEAR_STM: Final = "kato_tasks.clear_stm"
CONFIGURE: Final = "kato_tasks.configure"
PREDICT: Final = "kato_tasks.predict"
DELIVER: Final = "kato_tasks.deliver"
SWEEP: Final = "kato_tasks.sweep"
REFRESH_TTLS: Final = "kato_tasks.refresh_ttls"
CLEANUP_IDLE: Final = "kato_tasks.cleanup_idle"
MIGRATE_SESSION: Final = "kato_tasks.migrate_session"
MIGRATE_ALL: Final = "kato_tasks.migrate_all"
MIGRATE_HIRE: Final = "kato_tasks.migrate_hire"
MIGRATE_HAND: Final = "kato_tasks.migrate_hand"
MIGRATE_FINISH: Final = "kato_tasks.migrate_finish"

QUEUE_OF: Final = {
    CREATE_SESSION: Queue.BULK,
    DELETE_SESSION: Queue.BULK,
    OBSERVE: Queue.BULK,
    FAN_OUT: Queue.BULK,
    LEARN: Queue.BULK,
    CLEAR_STM: Queue.BULK,
    CONFIGURE: Queue.BULK,
    PREDICT: Queue.BULK,
    DELIVER: Queue.DELIVER,
    SWEEP: Queue.MAINTENANCE,
    REFRESH_TTLS: Queue.MAINTENANCE,
    CLEANUP_IDLE: Queue.MAINTENANCE,
    MIGRATE_SESSION: Queue.BULK,
    MIGRATE_ALL: Queue.BULK,
    MIGRATE_HIRE: Queue.MAINTENANCE,
    MIGRATE_HAND: Queue.MAINTENANCE,
    MIGRATE_FINISH: Queue.MAINTENANCE,
}
