"""Twins of the stores, and stand-ins, for tests without Redis, Celery or a KATO server.

The twins answer as the Lua scripts do; one contract suite runs over both.
"""

from kato_tasks.testing.breakers import MemoryBreakers
from kato_tasks.testing.connections import MemoryConnections
from kato_tasks.testing.fakes import FakeCall, FakeKato, RecordingWake
from kato_tasks.testing.lanes import MemoryLanes
from kato_tasks.testing.letters import MemoryDeadLetters
from kato_tasks.testing.lives import MemoryLives
from kato_tasks.testing.moves import MemoryMoves
from kato_tasks.testing.nodes import MemoryNodes
from kato_tasks.testing.placement import MemoryPlacement
from kato_tasks.testing.registry import MemoryRegistry
from kato_tasks.testing.schedule import MemorySchedule
from kato_tasks.testing.store import MemoryStore
from kato_tasks.testing.views import MemoryViews
from kato_tasks.testing.waiting import wait_until

__all__ = [
    "FakeCall",
    "FakeKato",
    "MemoryBreakers",
    "MemoryConnections",
    "MemoryDeadLetters",
    "MemoryLanes",
    "MemoryLives",
    "MemoryMoves",
    "MemoryNodes",
    "MemoryPlacement",
    "MemoryRegistry",
    "MemorySchedule",
    "MemoryStore",
    "MemoryViews",
    "RecordingWake",
    "wait_until",
]
