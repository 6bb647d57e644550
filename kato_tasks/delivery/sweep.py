"""The sweep: finds lanes with work that nobody works on, and calls workers to them.

It makes lost wake-ups, dead workers and refused calls cost time only. Every worker runs it, and
beat does; two at once do no harm.
"""

from __future__ import annotations

from kato_tasks.instrumentation import logger
from kato_tasks.lanes import Lanes, Wake


def sweep(lanes: Lanes, wake: Wake) -> int:
    """Call workers to overdue lanes once.

    Returns:
        How many lanes were found.

    Raises:
        StoreUnavailable: The store did not answer; the next sweep finds the same.
    """
    keys = lanes.overdue()
    if keys:
        logger.info("lanes overdue", extra={"lanes": len(keys)})
        wake(keys)
    return len(keys)
