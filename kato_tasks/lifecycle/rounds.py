"""Looks after the sessions that are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from kato_tasks.errors import StoreUnavailable
from kato_tasks.instrumentation import logger
from kato_tasks.lifecycle.care import Caretaker
from kato_tasks.lives import Index


def look_after(
    caretaker: Caretaker,
    index: Index,
    keys: Sequence[str],
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Mapping[str, int]:
    """Look at sessions, one after the other.

    What goes wrong with one does not cost the others their look.

    Returns:
        How many there were of each :class:`Care`.
    """
    cared: Counter[str] = Counter()
    for key in keys:
        if stopped():
            break
        try:
            cared[caretaker.look(index, key).value] += 1
        except StoreUnavailable as error:
            logger.warning("look broken off", extra={"session": key, "reason": str(error)})
        except Exception:  # noqa: BLE001 - logged whole; it is looked at again
            logger.exception("look failed", extra={"session": key})
    return cared
