"""Moves sessions between instances.

One session is moved by :mod:`.mover`: an attempt is a :mod:`.journey`, which has a copy made ahead
(:mod:`.copies`) and the binding switched under the lease.
"""

from kato_tasks.migration.moved import How, Moved
from kato_tasks.migration.mover import Mover

__all__ = ["How", "Moved", "Mover"]
