"""Delivery: sends each lane's commands to KATO, once and in order.

One job is *claim* (:mod:`.deliverer`), *run* (:mod:`.calling`: :mod:`.batch` cuts it, :mod:`.send`
makes the one call) and *settle* (:mod:`.settling`). What became of a call that nobody has seen the
end of is found out by :mod:`.doubt`; :mod:`.rehome` makes a session anew, of what :mod:`.memory`
says that it must remember. :mod:`.keeper` renews leases meanwhile and :mod:`.sweep` finds lanes
that nobody works on.
"""

from kato_tasks.delivery.deliverer import Deliverer
from kato_tasks.delivery.keeper import LeaseKeeper
from kato_tasks.delivery.sweep import sweep
from kato_tasks.delivery.until import deliver_until, ensure_session

__all__ = ["Deliverer", "LeaseKeeper", "deliver_until", "ensure_session", "sweep"]
