"""The classes of KATO's session guide, under their own names, on this project's sessions.

A ``session_id`` is a session key, minted where the caller gives none; what the guide's classes keep
in one process is here the registry's, and the same in all. They are thin: :mod:`.base` opens what
they work with, and each family has a module of its own. ``docs/guide-classes.md`` says where they
differ from the guide.
"""

from kato_tasks.guide.keep_alive import SessionKeepAlive
from kato_tasks.guide.migrator import SessionMigrator
from kato_tasks.guide.tracker import SessionTracker
from kato_tasks.guide.ttl import TTLManager
from kato_tasks.models import SessionState

__all__ = ["SessionKeepAlive", "SessionMigrator", "SessionState", "SessionTracker", "TTLManager"]
