"""Moves sessions between instances.

One session is moved by :mod:`.mover`: an attempt is a :mod:`.journey`, which has a copy made ahead
(:mod:`.copies`) and the binding switched under the lease. Many are a *migration*: asked for
(:mod:`.asking`), planned (:mod:`.planning`), written into the ledger, and moved by some *hands*
(:mod:`.hands`), each of which takes a chunk at a time. :mod:`.migrations` is what people and tasks
call; :mod:`.draining` empties an instance by them.
"""

from kato_tasks.migration.asking import Request
from kato_tasks.migration.draining import Drained, check_closable, drain, plan_drain
from kato_tasks.migration.migrations import Hire, Migrations, Standing
from kato_tasks.migration.moved import How, Moved
from kato_tasks.migration.mover import Mover
from kato_tasks.migration.planning import Plan, Planner
from kato_tasks.migration.watching import watch

__all__ = [
    "Drained",
    "Hire",
    "How",
    "Migrations",
    "Moved",
    "Mover",
    "Plan",
    "Planner",
    "Request",
    "Standing",
    "check_closable",
    "drain",
    "plan_drain",
    "watch",
]
