"""Delivery: sends each lane's commands to KATO, once and in order.

One job is *claim* (:mod:`.deliverer`), *run* (:mod:`.calling`: :mod:`.batch` cuts it, :mod:`.send`
makes the one call) and *settle* (:mod:`.settling`). What became of a call that nobody has seen the
end of is found out by :mod:`.doubt`; :mod:`.rehome` makes a session anew, of what :mod:`.memory`
says that it must remember, and :mod:`.waking` one that was put to sleep. :mod:`.extending` has a
server keep one for longer. :mod:`.keeper` renews leases meanwhile and :mod:`.sweep` finds lanes
that nobody works on.
"""

from kato_tasks.delivery.deliverer import Deliverer
from kato_tasks.delivery.extending import extend
from kato_tasks.delivery.keeper import LeaseKeeper
from kato_tasks.delivery.looking import Verdict, is_as_applied, seen_at
from kato_tasks.delivery.making import drop_session
from kato_tasks.delivery.memory import recall
from kato_tasks.delivery.sweep import sweep
from kato_tasks.delivery.until import deliver_until, ensure_session
from kato_tasks.delivery.work import Tools, Work

__all__ = [
    "Deliverer",
    "LeaseKeeper",
    "Tools",
    "Verdict",
    "Work",
    "deliver_until",
    "drop_session",
    "ensure_session",
    "extend",
    "is_as_applied",
    "recall",
    "seen_at",
    "sweep",
]
